"""pyarrow's C++ server of `make bench-flight`; the ticket is "<body bytes>:<batches>". With the files of a
certificate and its key it speaks TLS. Prints its port."""

import sys

import pyarrow as pa
import pyarrow.flight as fl

class Server(fl.FlightServerBase):
    def do_get(self, context, ticket):
        size, batches = (int(part) for part in ticket.ticket.decode().split(":"))
        batch = pa.record_batch([pa.array(range(size // 8), pa.int64())], names=["number"])
        return fl.RecordBatchStream(pa.RecordBatchReader.from_batches(batch.schema, (batch for _ in range(batches))))

if len(sys.argv) > 1:
    cert, key = (open(path, "rb").read() for path in sys.argv[1:])
    server = Server("grpc+tls://127.0.0.1:0", tls_certificates=[(cert, key)])
else:
    server = Server("grpc://127.0.0.1:0")
print(server.port, flush=True)
server.serve()
