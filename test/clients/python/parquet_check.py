"""Reads Parquet files with pyarrow, DuckDB, Polars and DataFusion and compares them with what was to be written.

parquet_check.py values TABLE.json...      values, counts and bounds; prints a line for each difference
parquet_check.py rows GLOB                 the rows as each reader has them: a JSON object a reader and row
"""
import base64
import glob
import json
import sys

import datafusion
import duckdb
import polars
import pyarrow
import pyarrow.parquet as pq
from plain import plain


def readers(files):
    def of_duckdb():
        table = duckdb.read_parquet(files, hive_partitioning=False).to_arrow_table()
        return table.column_names, list(zip(*(column.to_pylist() for column in table.columns)))

    def of_polars():
        frame = polars.read_parquet(files, hive_partitioning=False)
        return frame.columns, frame.rows()

    def of_pyarrow():
        table = pyarrow.concat_tables(pq.read_table(file, partitioning=None) for file in files)
        return table.column_names, list(zip(*(column.to_pylist() for column in table.columns)))

    return {"pyarrow": of_pyarrow, "duckdb": of_duckdb, "polars": of_polars}


def check_bounds(table, problems):
    file = pq.ParquetFile(table["file"])
    first = 0
    for number in range(file.metadata.num_row_groups):
        group = file.metadata.row_group(number)
        rows = table["rows"][first : first + group.num_rows]
        first += group.num_rows
        for at, column in enumerate(table["columns"]):
            where = f"{table['file']}: row group {number}: {column['name']}"
            there = [row[at] for row in rows if row[at] is not None]
            statistics = group.column(at).statistics
            if statistics.null_count != len(rows) - len(there):
                problems.append(f"{where}: {statistics.null_count} nulls, not {len(rows) - len(there)}")
            key = {"uint32": int, "timestamp": int, "decimal": int, "binary": base64.b64decode}.get(
                column["type"], lambda text: text.encode() if isinstance(text, str) else text
            )
            expected = sorted(there, key=key)
            longest = max((len(key(value)) for value in there if isinstance(key(value), bytes)), default=0)
            if not there or longest > 256:
                continue
            if not statistics.has_min_max:
                problems.append(f"{where}: no bounds")
                continue
            found = [plain(statistics.min), plain(statistics.max)]
            if [key(value) for value in found] != [key(expected[0]), key(expected[-1])]:
                problems.append(f"{where}: {found}, not {[expected[0], expected[-1]]}")


def check_bloom_filters(table, problems):
    metadata = pq.read_metadata(table["file"])
    for at, column in enumerate(table["columns"]):
        if not column.get("hasBloomFilter"):
            continue
        groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
        filtered = {n for n, group in enumerate(groups) if group.column(at).statistics.null_count < group.num_rows}
        probe = "select row_group_id, bloom_filter_excludes from parquet_bloom_probe(?, ?, ?)"
        for row in table["rows"][:20]:
            if row[at] is None:
                continue
            excluded = duckdb.execute(probe, [table["file"], column["name"], row[at]]).fetchall()
            if all(excludes for _, excludes in excluded):
                problems.append(f"{table['file']}: the bloom filters of {column['name']} exclude a value that is there")
        absent = [duckdb.execute(probe, [table["file"], column["name"], f"absent {n}"]).fetchall() for n in range(20)]
        seeming = [not excludes for probed in absent for number, excludes in probed if number in filtered]
        hits, count = sum(seeming), len(seeming)
        if hits > 3 + count * 0.1:
            problems.append(f"{table['file']}: {column['name']}: {hits} of {count} absent values seem to be there")


def check_lookups(table, problems):
    """What readers leave out by bounds, indexes of pages and bloom filters has none of the rows that are looked for."""
    context = datafusion.SessionContext()
    context.register_parquet("t", table["file"])
    for at, column in enumerate(table["columns"]):
        literal = {"uint32": "{}", "words": "'{}'", "utf8": "'{}'", "decimal": "cast('{}' as decimal(38, 0))"}
        if column["type"] not in literal:
            continue
        there = [row[at] for row in table["rows"] if row[at] is not None and len(row[at]) < 300]
        for value in there[:: max(1, len(there) // 3)][:4]:
            expected = sum(row[at] == value for row in table["rows"])
            where = f"{column['name']} = {literal[column['type']].format(value)}"
            of_duckdb = duckdb.sql(f"select count(*) from '{table['file']}' where {where}").fetchall()[0][0]
            of_datafusion = context.sql(f"select count(*) as n from t where {where}").to_pydict()["n"][0]
            if (of_duckdb, of_datafusion) != (expected, expected):
                found = f"DuckDB finds {of_duckdb}, DataFusion {of_datafusion}"
                problems.append(f"{table['file']}: {expected} rows have {where}, {found}")


def values(files):
    problems = []
    for file in files:
        with open(file) as text:
            table = json.load(text)
        names = [column["name"] for column in table["columns"]]
        for reader, read in readers([table["file"]]).items():
            found_names, rows = read()
            found = [[plain(value) for value in row] for row in rows]
            if list(found_names) != names:
                problems.append(f"{table['file']}: {reader}: columns {found_names}")
            if found != table["rows"]:
                at = next((n for n, (a, b) in enumerate(zip(found, table["rows"])) if a != b), None)
                problems.append(f"{table['file']}: {reader}: {len(found)} rows, row {at} differs")
        check_bounds(table, problems)
        check_bloom_filters(table, problems)
        check_lookups(table, problems)
    print("\n".join(problems))


def rows_of(pattern):
    files = sorted(glob.glob(pattern, recursive=True))
    for reader, read in readers(files).items():
        names, rows = read()
        for row in rows:
            print(json.dumps([reader, dict(zip(names, map(plain, row)))]))


if __name__ == "__main__":
    {"values": values, "rows": lambda arguments: rows_of(arguments[0])}[sys.argv[1]](sys.argv[2:])
