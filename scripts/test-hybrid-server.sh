#!/usr/bin/env bash
# A day in the life of a server: start, health, a session, its rows, filters, metrics, stop, SIGTERM. Prints a line for each
# step, and ends with 1 when one has failed. It uses grpcurl, and Python with pyarrow, where they are there, and our own
# commands otherwise. Needs bash and curl.
#
#   scripts/test-hybrid-server.sh                   # dist/contract-data-processor where it is built, else the sources
#   PROGRAM=/path/to/it GRPCURL=… PYTHON=… scripts/test-hybrid-server.sh
#   GRPCURL=none PYTHON=none …                      # our own commands alone
set -u
root=$(cd "$(dirname "$0")/.." && pwd)
built=$root/dist/contract-data-processor
program=${PROGRAM:-$([ -x "$built" ] && echo "$built" || echo "$root/scripts/contract-data-processor")}
grpcurl=$(command -v "${GRPCURL:-grpcurl}")
python=$(command -v "${PYTHON:-python3}")
[ -n "$python" ] && ! "$python" -c 'import pyarrow.flight' 2>/dev/null && python=
lake=$root/sample/lake first=58751994 last=58752000
seconds_max=60 # for each wait; the steps take less than one
work=$(mktemp -d) server= failures=0 number=0

finish() {
  [ -n "$server" ] && kill -KILL "$server" 2>/dev/null
  rm -rf "$work"
}
trap finish EXIT

# step WHAT FUNCTION [ARGUMENTS]: runs it; it succeeds, or says on its output what is wrong.
step() {
  local what=$1 said
  shift
  number=$((number + 1))
  if said=$("$@" 2>&1); then
    printf 'ok   %2d %s\n' $number "$what"
  else
    failures=$((failures + 1))
    printf 'FAIL %2d %s: %s\n' $number "$what" "${said:-no output}"
  fi
}

# until_true COMMAND: true as soon as the command is, false when the time is up.
until_true() {
  local end=$((SECONDS + seconds_max))
  until "$@"; do
    [ $SECONDS -lt $end ] || return 1
    sleep 0.1
  done
}

# same WANTED GOT WHAT
same() { [ "$1" = "$2" ] || { echo "$3 is \"$2\", not \"$1\""; return 1; }; }
# field PATTERN: the value of that name in a JSON object on standard input, without quotes; nothing where it is not there.
field() { tr -d '\n' | sed -nE "s/.*\"$1\": *\"?([^\",}]*).*/\1/p"; }
address() { sed -nE "s#^ *$1 +(https?://)?([^ /]+).*#\2#p" "$work/out" | head -1; }
call() { "$grpcurl" -plaintext -d "$2" "$control" "contractdata.v1.ControlService/$1"; }

start_session() { # LAST_LEDGER (0: goes on for ever)
  if [ -n "$grpcurl" ]; then call StartProcessing "{\"start_ledger\": $first, \"end_ledger\": $1}" | field sessionId
  else "$program" start --address "$control" --start-ledger $first --end-ledger "$1"; fi
}
status() {
  if [ -n "$grpcurl" ]; then call GetStatus "{\"session_id\": \"$1\"}" | field status
  else "$program" status "$1" --address "$control" --json | field status; fi
}
rows_counted() {
  if [ -n "$grpcurl" ]; then call GetMetrics "{\"session_id\": \"$1\"}" | field "contracts_?[pP]rocessed"
  else "$program" metrics "$1" --address "$control" --json | field "contracts_?[pP]rocessed"; fi
}
stop_session() {
  if [ -n "$grpcurl" ]; then call StopProcessing "{\"session_id\": \"$1\"}"
  else "$program" stop "$1" --address "$control"; fi
}
select_contract() { # CONTRACT, or nothing: no filter
  if [ -n "$grpcurl" ]; then call ConfigureFilters "{\"contract_ids\": [${1:+\"$1\"}]}"
  elif [ -n "${1:-}" ]; then "$program" filters --address "$control" --contract-id "$1"
  else "$program" filters --address "$control" --clear; fi
}
# The contract of each row of a session, a line each.
contracts() {
  if [ -n "$python" ]; then "$python" - "$flight" "$1" <<'PYTHON'
import sys
import pyarrow.flight as flight
client = flight.connect("grpc://" + sys.argv[1])
info = client.get_flight_info(flight.FlightDescriptor.for_path("contract", "data", sys.argv[2]))
for endpoint in info.endpoints:
    for chunk in client.do_get(endpoint.ticket):
        for contract in chunk.data.column("contract_id"):
            print(contract)
PYTHON
  else "$program" tail --address "$flight" --session "$1" --from start --format ndjson --quiet |
    sed -nE 's/.*"contract_id": *"([^"]*)".*/\1/p'; fi
}

is_ready() { grep -q 'do_get(' "$work/out" || ! kill -0 "$server" 2>/dev/null; }
begin() {
  until_true is_ready && kill -0 "$server" && same 3 "$(printf '%s\n' "$control" "$flight" "$http" | grep -c :)" "number of listeners"
}
answers() { same 200 "$(curl -s -o /dev/null -w '%{http_code}' "http://$http$1")" "HTTP status of $1"; }
metric() { curl -s "http://$http/metrics" | sed -nE "s/^$1 (.*)/\1/p"; }
metric_is() { same "$2" "$(metric "$1")" "$1"; }
serves_health() { "$grpcurl" -plaintext "$control" grpc.health.v1.Health/Check | grep -q SERVING; }
lists_services() { "$grpcurl" -plaintext "$control" list | grep -q '^contractdata.v1.ControlService$'; }
refuses() { ! start_session_at_zero >"$work/refused" 2>&1 && grep -qi 'start_ledger\|start-ledger' "$work/refused"; }
start_session_at_zero() {
  if [ -n "$grpcurl" ]; then call StartProcessing '{"start_ledger": 0}'
  else "$program" start --address "$control" --start-ledger 0; fi
}
is_session() { [[ $1 =~ ^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$ ]] || { echo "\"$1\" is no UUID"; return 1; }; }
has_rows() { [ "$1" -gt 0 ] || { echo "there are none"; return 1; }; }
has_status() { [ "$(status "$1")" = "$2" ]; }
becomes() { until_true has_status "$1" "$2" || same "$2" "$(status "$1")" "status"; }
only_contract() { # FILE CONTRACT ALL_ROWS
  local count
  count=$(wc -l <"$1")
  has_rows "$count" && same "$2" "$(sort -u "$1")" "contract of the rows" &&
    { [ "$count" -lt "$3" ] || { echo "all $count rows came"; return 1; }; }
}
is_gone() { ! kill -0 "$server" 2>/dev/null; }
ends_well() {
  kill -TERM "$server"
  until_true is_gone || { echo "it runs on"; return 1; }
}
refuses_connections() { ! curl -s -o /dev/null "http://$http/livez"; }

echo "program $program; control by ${grpcurl:-our own commands}; rows by ${python:-our own commands}"
: >"$work/out" # there before the server's own shell makes it
NETWORK_PASSPHRASE='' CONFIG_FILE='' "$program" serve --source-endpoint "$lake" --data-dir "$work/data" \
  --grpc-address 127.0.0.1:0 --flight-address 127.0.0.1:0 --health-port 127.0.0.1:0 >"$work/out" 2>"$work/log" &
server=$!
until_true is_ready
control=$(address control) flight=$(address flight) http=$(address http)
step "the server starts, and tells its three addresses" begin
[ $failures -eq 0 ] || { cat "$work/log"; exit 1; }
for path in /livez /health /ready /; do step "$path answers" answers $path; done
if [ -n "$grpcurl" ]; then
  step "gRPC health says SERVING" serves_health
  step "gRPC reflection names the services" lists_services
fi
step "a session without a first ledger is refused" refuses
session=$(start_session $last)
step "StartProcessing answers with a session" is_session "$session"
contracts "$session" >"$work/all"
rows=$(wc -l <"$work/all" | tr -d ' ')
step "Flight gives the session's rows: $rows" has_rows "$rows"
step "the session is STOPPED at its last ledger" becomes "$session" STOPPED
step "GetMetrics counts them" same "$rows" "$(rows_counted "$session")" "its count of rows"
step "/metrics counts them" metric_is contract_data_contracts_processed_total "$rows"
step "/metrics counts them as sent" until_true metric_is contract_data_flight_records_streamed_total "$rows"
contract=$(sort "$work/all" | uniq -c | sort -n | head -1 | sed -E 's/^ *[0-9]+ +//')
step "ConfigureFilters takes a contract" select_contract "$contract"
filtered=$(start_session $last)
contracts "$filtered" >"$work/filtered"
step "a session has that contract's rows alone" only_contract "$work/filtered" "$contract" "$rows"
step "ConfigureFilters clears the filters" select_contract
endless=$(start_session 0)
step "a session without a last ledger is RUNNING" becomes "$endless" RUNNING
step "/metrics shows one active session" metric_is contract_data_active_sessions 1
step "StopProcessing stops it" stop_session "$endless"
step "it is STOPPED" becomes "$endless" STOPPED
step "SIGTERM ends the server" ends_well
wait "$server"
step "its exit code is 0" same 0 $? "exit code"
server=
step "nobody listens any more" refuses_connections

if [ $failures -gt 0 ]; then
  echo "$failures of $number steps failed; the server's log:"
  tail -20 "$work/log"
  exit 1
fi
echo "all $number steps are well"
