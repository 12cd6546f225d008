"""Rows of Contract Data Processor as Arrow record batches: each once, in order, across broken connections and nodes that die.

>>> import contract_data
>>> rows = contract_data.read(start_ledger=58751994, end_ledger=58752000)
>>> rows.num_rows
299
"""

import itertools
import json
import random
import time
from dataclasses import dataclass
from typing import Iterator

import pyarrow as pa
import pyarrow.flight as flight

__all__ = ["Batch", "read", "stream"]

ADDRESS = "grpc://127.0.0.1:8816"
WAIT_SECONDS_FIRST = 0.2
WAIT_SECONDS_MAX = 30.0
ASK_SECONDS_MAX = 10.0
WAIT_SECONDS_MAX_CLUSTER = 0.5  # there is another node to ask

# A node whose machine is gone says nothing more: it is given up after 40 s.
_KEEPALIVE = [
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.http2.ping_timeout_ms", 20_000),  # gRPC's own is a minute, which would hold
    ("grpc.http2.max_pings_without_data", 0),
]

# What time may mend: the server is away, restarts, or has ended a reader that was too slow.
_PASSING = (flight.FlightUnavailableError, flight.FlightInternalError, flight.FlightTimedOutError)
_ENDED_WITH_CURSOR = "RESOURCE_EXHAUSTED"


@dataclass(frozen=True)
class Batch:
    """Some rows, and where the stream goes on behind them."""

    rows: pa.RecordBatch
    cursor: str
    """Keep it with what you made of the rows, in one transaction: `stream(cursor=…)` goes on right behind them."""
    ledger_complete: int
    """All rows of this ledger and of those before have come."""


def stream(address: str = ADDRESS, *, cursor: str = "start", token: str | None = None, retry: bool = True, **ticket) -> Iterator[Batch]:
    """Batches of a session, of a partition or of a range of ledgers.

    :param address: ``grpc://host:port``, or ``grpc+tls://host:port``
    :param cursor: of the last batch that you have; ``"start"`` or, of a session, ``"now"``
    :param token: an API key or another bearer token
    :param retry: False raises where the connection breaks; True goes on at the last cursor, for ever, where the server is
        one of a cluster at the next node; of a replicated session, at the node that runs it now
    :param ticket: what docs/flight.md lists: ``session="…"``, or ``start_ledger=…, end_ledger=…, filters={…}``.
        ``schema_version`` is 2 for a range unless you say otherwise
    """
    wait = WAIT_SECONDS_FIRST
    places = [address]
    for turn in itertools.count():
        place = places[turn % len(places)]
        try:
            with _connect(place) as client:
                owner, nodes = _whereabouts(client, _ticket(ticket, cursor), token)
            places = [*nodes, address]
            with _connect(owner or place) as client:
                for batch in _batches(client, _ticket(ticket, cursor), token):
                    cursor, wait = batch.cursor, WAIT_SECONDS_FIRST
                    yield batch
            return
        except flight.FlightError as error:
            if not retry or not _may_pass(error):
                raise
        time.sleep(wait * random.uniform(0.5, 1.0))
        wait = min(2 * wait, WAIT_SECONDS_MAX if len(places) == 1 else WAIT_SECONDS_MAX_CLUSTER)


def read(address: str = ADDRESS, *, cursor: str = "start", token: str | None = None, **request) -> pa.Table:
    """All rows of something that has an end, in one table: `.to_pandas()`, ``polars.from_arrow(…)`` or DuckDB take it as it is.

    :param request: as for `stream`
    """
    batches = list(stream(address, cursor=cursor, token=token, **request))
    if batches:
        return pa.Table.from_batches([batch.rows for batch in batches])
    ticket = _ticket(request, cursor)
    with flight.connect(address) as client:
        descriptor = flight.FlightDescriptor.for_command(json.dumps(ticket).encode())
        return client.get_schema(descriptor, _options(token)).schema.empty_table()


def _ticket(request: dict, cursor: str) -> dict:
    version = {} if "session" in request else {"schema_version": 2}
    return {**version, **request, "from": cursor}


def _options(token: str | None, seconds_max: float | None = None) -> flight.FlightCallOptions:
    headers = [] if token is None else [(b"authorization", f"Bearer {token}".encode())]
    return flight.FlightCallOptions(timeout=seconds_max, headers=headers)


def _connect(place: str) -> flight.FlightClient:
    return flight.connect(place, generic_options=_KEEPALIVE)


def _whereabouts(client: flight.FlightClient, ticket: dict, token: str | None) -> tuple[str | None, list[str]]:
    """In a cluster: the node that runs the session, where the asked one does not, and whom to ask when a node is gone."""
    descriptor = flight.FlightDescriptor.for_command(json.dumps(ticket).encode())
    try:
        info = client.get_flight_info(descriptor, _options(token, ASK_SECONDS_MAX))
    except (flight.FlightError, pa.ArrowException) as error:
        if isinstance(error, _PASSING):
            raise
        return None, []  # what is wrong with the ticket, do_get says
    places = [location.uri.decode() for location in info.endpoints[0].locations]
    if "session" not in ticket:
        return None, places  # any node goes on behind the cursor of another
    return next(iter(places), None), json.loads(info.app_metadata or b"{}").get("nodes", [])


def _batches(client: flight.FlightClient, ticket: dict, token: str | None) -> Iterator[Batch]:
    reader = client.do_get(flight.Ticket(json.dumps(ticket).encode()), _options(token))
    for chunk in reader:
        told = json.loads(chunk.app_metadata.to_pybytes())
        yield Batch(chunk.data, told["cursor"], told["ledger_complete"])


def _may_pass(error: flight.FlightError) -> bool:
    return isinstance(error, _PASSING) or _ENDED_WITH_CURSOR in str(error)
