"""Writes the table of an IPC file as Parquet with pyarrow, several times: TABLE OUT TIMES. A JSON line."""
import json
import os
import sys
import time

import pyarrow.ipc
import pyarrow.parquet

table, out, times = sys.argv[1], sys.argv[2], int(sys.argv[3])
rows = pyarrow.ipc.open_stream(table).read_all()
cpu_seconds = []
for _ in range(times):
    before = time.process_time()
    pyarrow.parquet.write_table(rows, out, compression="zstd")
    cpu_seconds.append(time.process_time() - before)
print(json.dumps({"cpuSeconds": cpu_seconds, "bytes": os.path.getsize(out), "rows": rows.num_rows}))
