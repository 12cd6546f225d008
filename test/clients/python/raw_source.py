"""A RawLedgerService of grpcio, as its default options make it, for the tests: -count ledgers of -size zeros, numbered from 1
on, then an end with status -end where that is given. -gzip compresses, -max-age ends connections after so many seconds,
-ping asks so often whether they are there, -cert and -key turn on TLS. Prints {"addr"} first."""

import argparse
import json
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc

METHOD = "/raw_ledger_service.RawLedgerService/StreamRawLedgers"

parser = argparse.ArgumentParser()
for name in ("size", "count", "end", "gzip", "max-age", "ping"):
    parser.add_argument(f"-{name}", type=int, default=0 if name == "size" else -1)
parser.add_argument("-cert")
parser.add_argument("-key")
flags = parser.parse_args()


def varint(value):
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def stream(_request, context):
    ledger = b"\x12" + varint(flags.size) + bytes(flags.size)
    sequence = 1
    while sequence != flags.count + 1:
        yield b"\x08" + varint(sequence) + ledger
        sequence += 1
    if flags.end > 0:
        code = next(code for code in grpc.StatusCode if code.value[0] == flags.end)
        context.abort(code, "ended on purpose: 100 % ü")
    if flags.end < 0:
        over = threading.Event()
        context.add_callback(over.set)
        over.wait()


class Service(grpc.GenericRpcHandler):
    def service(self, details):
        return grpc.unary_stream_rpc_method_handler(stream) if details.method == METHOD else None


options = []
if flags.max_age > 0:
    options.append(("grpc.max_connection_age_ms", flags.max_age * 1000))
if flags.ping > 0:
    options += [("grpc.keepalive_time_ms", flags.ping * 1000), ("grpc.keepalive_timeout_ms", flags.ping * 1000)]
compression = grpc.Compression.Gzip if flags.gzip > 0 else None
server = grpc.server(ThreadPoolExecutor(4), options=options, compression=compression)
server.add_generic_rpc_handlers((Service(),))
if flags.cert:
    with open(flags.key, "rb") as key, open(flags.cert, "rb") as cert:
        credentials = grpc.ssl_server_credentials([(key.read(), cert.read())])
    port = server.add_secure_port("127.0.0.1:0", credentials)
else:
    port = server.add_insecure_port("127.0.0.1:0")
server.start()
print(json.dumps({"addr": f"127.0.0.1:{port}"}), flush=True)
server.wait_for_termination()
