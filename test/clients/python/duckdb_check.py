"""Reads a ticket with pyarrow and asks DuckDB about it; prints one JSON object.

duckdb_check.py HOST:PORT TICKET SQL     (the table is called rows)
"""

import json
import sys

import duckdb
import pyarrow.flight as fl

address, ticket, sql = sys.argv[1:]
with fl.connect(f"grpc://{address}") as client:
    rows = client.do_get(fl.Ticket(ticket.encode())).read_all()
connection = duckdb.connect()
connection.register("rows", rows)
print(json.dumps({"answer": [[str(value) for value in row] for row in connection.execute(sql).fetchall()]}))
