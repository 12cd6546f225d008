"""The pyarrow client of the tests: reads a Flight server with default options, prints one JSON object a line.

Twin of test/clients/go (README.md beside this folder describes both): same subcommands, flags, output and text of rows.
"""

import argparse
import decimal
import hashlib
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pyarrow.flight as fl

decimal.getcontext().prec = 100  # decimal256 has 76 digits; the default of 28 would round

MOVES_MAX = 100  # failures in a row of one endpoint
ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
MICROS = {"s": (1_000_000, 1), "ms": (1000, 1), "us": (1, 1), "ns": (1, 1000)}

# pyarrow's exceptions and the gRPC status behind each.
CODES = [
    (fl.FlightTimedOutError, "DeadlineExceeded"),
    (fl.FlightCancelledError, "Canceled"),
    (fl.FlightUnauthenticatedError, "Unauthenticated"),
    (fl.FlightUnauthorizedError, "PermissionDenied"),
    (fl.FlightUnavailableError, "Unavailable"),
    (fl.FlightInternalError, "Internal"),
    (pa.ArrowKeyError, "NotFound"),
    (pa.ArrowNotImplementedError, "Unimplemented"),
    (pa.ArrowInvalid, "InvalidArgument"),
    (pa.ArrowMemoryError, "ResourceExhausted"),
]


def type_text(t):
    """Names a type as Arrow's columnar format does: the two client libraries spell some differently."""
    if pa.types.is_string(t):
        return "utf8"
    if pa.types.is_large_string(t):
        return "large_utf8"
    if pa.types.is_timestamp(t):
        return f"timestamp[{t.unit}]" if not t.tz else f"timestamp[{t.unit}, {t.tz}]"
    if pa.types.is_fixed_size_binary(t) and not pa.types.is_decimal(t):
        return f"fixed_size_binary[{t.byte_width}]"
    if pa.types.is_dictionary(t):
        return f"dictionary<{type_text(t.index_type)}, {type_text(t.value_type)}>"
    return str(t)


def text_dict(metadata):
    return {k.decode(): v.decode("utf-8", "replace") for k, v in (metadata or {}).items()}


def describe_schema(schema):
    fields = []
    for f in schema:
        field = {"name": f.name, "type": type_text(f.type), "nullable": f.nullable}
        if f.metadata:
            field["metadata"] = text_dict(f.metadata)
        fields.append(field)
    return {"fields": fields, "metadata": text_dict(schema.metadata)}


def describe_info(info):
    descriptor = info.descriptor
    return {
        "schema": describe_schema(info.schema) if info.schema is not None else None,
        "path": [p.decode() for p in (descriptor.path or [])],
        "cmd": (descriptor.command or b"").decode(),
        "endpoints": [
            {
                "ticket": e.ticket.ticket.decode(),
                "locations": [location.uri.decode() for location in e.locations],
                "appMetadata": (e.app_metadata or b"").decode(),
                "expires": 0 if e.expiration_time is None else e.expiration_time.value // 10**9,
            }
            for e in info.endpoints
        ],
        "totalRecords": info.total_records,
        "totalBytes": info.total_bytes,
        "ordered": info.ordered,
        "appMetadata": (info.app_metadata or b"").decode(),
    }


def column_text(name, column):
    """The values of a column as a list of texts."""
    t = column.type
    if pa.types.is_dictionary(t):
        return column_text(name, column.dictionary_decode())
    if pa.types.is_timestamp(t):
        up, down = MICROS[t.unit]
        return ["\\N" if v is None else str(v * up // down) for v in column.cast(pa.int64()).to_pylist()]
    values = column.to_pylist()
    if pa.types.is_boolean(t):
        return ["\\N" if v is None else ("true" if v else "false") for v in values]
    if pa.types.is_integer(t) or pa.types.is_null(t):
        return ["\\N" if v is None else str(v) for v in values]
    if pa.types.is_string(t) or pa.types.is_large_string(t):
        return ["\\N" if v is None else v.translate(ESCAPES) for v in values]
    if pa.types.is_decimal(t):
        return ["\\N" if v is None else str(int(v.scaleb(t.scale))) for v in values]
    if pa.types.is_binary(t) or pa.types.is_fixed_size_binary(t):
        return ["\\N" if v is None else v.hex() for v in values]
    raise SystemExit(f"column {name}: type {t} has no text form")


def rows_text(batch):
    columns = [column_text(name, column) for name, column in zip(batch.schema.names, batch.columns)]
    return "".join("\t".join(row) + "\n" for row in zip(*columns)).encode()


def descriptor(args):
    if args.cmd:
        return fl.FlightDescriptor.for_command(args.cmd.encode())
    return fl.FlightDescriptor.for_path(*args.path.split(","))


def get(client, options, args, result):
    """Reads one ticket, or every endpoint of the descriptor in order, to its end."""
    started = time.monotonic()
    result.update(rows=0, batches=0, bytes=0, seconds=0.0, firstBatchSeconds=-1, lastAppMetadata="", schema=None)
    digest = hashlib.sha256()
    out = open(args.rows_out, "wb") if args.rows_out else None
    try:
        if args.ticket or not (args.path or args.cmd):
            tickets = [fl.Ticket(args.ticket.encode())]
        else:
            tickets = [e.ticket for e in client.get_flight_info(descriptor(args), options).endpoints]
        for ticket in tickets:
            read_ticket(client, options, args, ticket, result, started, digest, out)
    finally:
        if out:
            out.close()
        result["seconds"] = time.monotonic() - started
        if args.hash or args.rows_out:
            result["sha256"] = digest.hexdigest()


def read_ticket(client, options, args, ticket, result, started, digest, out):
    reader = client.do_get(ticket, options)
    result["schema"] = describe_schema(reader.schema)
    while True:
        try:
            chunk = reader.read_chunk()
        except StopIteration:
            return
        if chunk.data is None:  # a message of application metadata alone
            continue
        if result["firstBatchSeconds"] < 0:
            result["firstBatchSeconds"] = time.monotonic() - started
        result["rows"] += chunk.data.num_rows
        result["batches"] += 1
        result["bytes"] += chunk.data.nbytes
        result["lastAppMetadata"] = chunk.app_metadata.to_pybytes().decode() if chunk.app_metadata else ""
        if args.hash or out:
            text = rows_text(chunk.data)
            digest.update(text)
            if out:
                out.write(text)
        if args.max_batches and result["batches"] >= args.max_batches:
            reader.cancel()
            return


def anywhere(client, options, args, result):
    """Reads all endpoints of the descriptor side by side, each at its locations, and writes their rows in order."""
    endpoints = client.get_flight_info(descriptor(args), options).endpoints
    with ThreadPoolExecutor(len(endpoints)) as pool:
        parts = list(pool.map(lambda endpoint: read_endpoint(endpoint, args, options), endpoints))
    result.update(endpoints=len(endpoints), rows=sum(part["rows"] for part in parts))
    result.update(moves=sum(part["moves"] for part in parts), places=len({l.uri for e in endpoints for l in e.locations}))
    with open(args.rows_out, "wb") as out:
        for part in parts:
            out.writelines(part["text"])


def read_endpoint(endpoint, args, options):
    """Where a node fails, the next location goes on at the cursor. An endpoint without locations is the asked server's."""
    locations = endpoint.locations or [f"grpc://{args.addr}"]
    part = {"rows": 0, "text": [], "moves": 0}
    ticket, failures = endpoint.ticket, 0
    while True:
        location = locations[part["moves"] % len(locations)]
        try:
            with fl.connect(location) as client:
                for chunk in client.do_get(ticket, options):
                    part["rows"] += chunk.data.num_rows
                    part["text"].append(rows_text(chunk.data))
                    if args.progress:
                        sys.stderr.write(f"{chunk.data.num_rows}\n")
                    told = json.loads(chunk.app_metadata.to_pybytes())
                    ticket = fl.Ticket(json.dumps({**json.loads(endpoint.ticket.ticket), "from": told["cursor"]}).encode())
                    failures = 0
            return part
        except (fl.FlightUnavailableError, fl.FlightInternalError):
            part["moves"] += 1
            failures += 1
            if failures > MOVES_MAX:
                raise
            time.sleep(0.05)


def info(client, options, args, result):
    result.update(describe_info(client.get_flight_info(descriptor(args), options)))


def schema(client, options, args, result):
    result["schema"] = describe_schema(client.get_schema(descriptor(args), options).schema)


def list_flights(client, options, args, result):
    result["flights"] = [describe_info(i) for i in client.list_flights(args.criteria.encode(), options)]


def action(client, options, args, result):
    if not args.type:
        result["actions"] = [{"type": a.type, "description": a.description} for a in client.list_actions(options)]
    else:
        results = client.do_action(fl.Action(args.type, args.body.encode()), options)
        result["results"] = [r.body.to_pybytes().decode() for r in results]


def connect(args):
    if not args.ca:
        return fl.connect(f"grpc://{args.addr}")
    own = {"cert_chain": read(args.cert), "private_key": read(args.key)} if args.cert else {}
    return fl.connect(f"grpc+tls://{args.addr}", tls_root_certs=read(args.ca), **own)


def read(path):
    with open(path, encoding="ascii") as file:
        return file.read()


COMMANDS = {"get": get, "anywhere": anywhere, "info": info, "schema": schema, "list": list_flights, "action": action}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("-addr", required=True)
    parser.add_argument("-ticket", default="")
    parser.add_argument("-path", default="")
    parser.add_argument("-cmd", default="")
    parser.add_argument("-criteria", default="")
    parser.add_argument("-type", default="")
    parser.add_argument("-body", default="")
    parser.add_argument("-rows-out", default="")
    parser.add_argument("-hash", action="store_true")
    parser.add_argument("-progress", action="store_true")
    parser.add_argument("-max-seconds", type=float, default=60)
    parser.add_argument("-max-batches", type=int, default=0)
    parser.add_argument("-repeat", type=int, default=1)
    parser.add_argument("-login", default="")
    parser.add_argument("-ca", default="")
    parser.add_argument("-cert", default="")
    parser.add_argument("-key", default="")
    args = parser.parse_args()
    failed = False
    for _ in range(args.repeat):
        result = {}
        try:
            with connect(args) as client:
                headers = [client.authenticate_basic_token(*args.login.split(":", 1))] if args.login else []
                options = fl.FlightCallOptions(timeout=args.max_seconds, headers=headers)
                COMMANDS[args.command](client, options, args, result)
        except (pa.ArrowException, OSError) as error:
            failed = True
            code = next((code for kind, code in CODES if isinstance(error, kind)), "Unknown")
            result = {"error": {"code": code, "message": str(error)}, "partial": result}
        print(json.dumps(result), flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
