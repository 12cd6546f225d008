/**
 * Clients that go away in every way, of every kind of call, against the real server with its real times
 * (ARCHITECTURE.md, "How calls and connections end"). For each kind of call there is a client that is
 *
 *   never-reading   grants no window beyond HTTP/2's first, and answers pings: it may stay, and harms nobody
 *   frozen          reads and answers nothing from then on: its socket is closed after keepalive's time and a second
 *   half-open       closes its sending side, and reads nothing more: its socket is closed within seconds
 *
 * and pyarrow and Go clients are stopped (SIGSTOP) amid a session and a range, and go on after 40 s: they must end.
 * Prints what did not hold; ends with 1 when something did not. Linux only: it counts the server's sockets in /proc.
 *
 *   bun test/flight/ends.ts
 */
import { readdirSync, readlinkSync } from "node:fs";
import { connectControl } from "../../src/control/client.ts";
import { FLUSH_STILL_MS_MAX } from "../../src/flight/write.ts";
import { ControlService } from "../../src/grpc/generated/control.ts";
import {
  CancelFlightInfoRequest,
  FlightDescriptor_DescriptorType,
  FlightService,
} from "../../src/grpc/generated/flight.ts";
import { Health } from "../../src/grpc/generated/health.ts";
import { CLOSE_MS_MAX } from "../../src/http2/http2-window-shim.ts";
import { goClient, pythonClient } from "../clients/toolchain.ts";
import { RawCall } from "../http2/raw-call.ts";
import { collect, flightCalls, flightTotals, readRows } from "../support/flight-rows.ts";
import { SAMPLE, startProcessor } from "../support/processor.ts";

const KEEPALIVE_MS = 30_000; // grpcServerOptions: 20 s until the ping, 10 s for its answer
const FROZEN_MS_MAX = KEEPALIVE_MS + CLOSE_MS_MAX + 4000; // and a busy machine
const HALF_OPEN_MS_MAX = 2 * CLOSE_MS_MAX + 4000;
const AWAY_MS = 40_000;
const GRACE_MS = 2000; // SHUTDOWN_GRACE
const ENDS_MS_MAX = 10_000; // of a client that is back and reads what its system has kept for it

const failures: string[] = [];
const check = (holds: boolean, what: string) => {
  console.log(`${holds ? "ok    " : "FAILED"} ${what}`);
  if (!holds) failures.push(what);
};

const processor = await startProcessor([
  `--source-endpoint=repeat:${SAMPLE.folder}`,
  ...[
    "--include-deleted",
    "--worker-count=2",
    "--channel-buffer-size=4",
    "--slow-client-grace=1s",
    `--shutdown-grace=${GRACE_MS}ms`,
  ],
]);
const control = connectControl(processor.control);
const { sessionId: session } = await control.startProcessing({ startLedger: 1000, endLedger: 0, batchSize: 300 });
await readRows(processor.flight, { session }, { batchesMax: 12 }); // so that there is something to catch up with

/** Open sockets of the server, listening ones included. */
function sockets(): number {
  const folder = `/proc/${processor.pid}/fd`;
  return readdirSync(folder).filter((name) => {
    try {
      return readlinkSync(`${folder}/${name}`).startsWith("socket:");
    } catch {
      return false; // it was closed meanwhile
    }
  }).length;
}

interface Kind {
  name: string;
  address: string;
  path: string;
  request: Uint8Array;
}
const flight = (name: string, method: string, request: Uint8Array): Kind => ({
  ...{ name, request, address: processor.flight },
  path: `/${FlightService.typeName}/${method}`,
});
const get = (name: string, ticket: object) =>
  flight(
    `DoGet of a ${name}`,
    "DoGet",
    FlightService.methods.doGet.request.encode({ ticket: Buffer.from(JSON.stringify(ticket)) }),
  );
const descriptor = FlightService.methods.getFlightInfo.request.encode({
  type: FlightDescriptor_DescriptorType.PATH,
  path: ["contract", "data"],
});
const controlKind = (name: string, service: string, method: string, request: Uint8Array): Kind => ({
  ...{ name, request, address: processor.control },
  path: `/${service}/${method}`,
});
const KINDS: Kind[] = [
  get("session", { session, from: "now" }),
  get("session from its start", { session, from: "start" }),
  get("range", { start_ledger: 1000, end_ledger: 0 }),
  flight("GetFlightInfo", "GetFlightInfo", descriptor),
  flight("PollFlightInfo", "PollFlightInfo", descriptor),
  flight("GetSchema", "GetSchema", descriptor),
  flight("ListFlights", "ListFlights", new Uint8Array(0)),
  flight("ListActions", "ListActions", new Uint8Array(0)),
  flight("DoAction", "DoAction", FlightService.methods.doAction.request.encode({ type: "streams" })),
  controlKind(
    "WatchSession",
    ControlService.typeName,
    "WatchSession",
    ControlService.methods.watchSession.request.encode({ sessionId: session }),
  ),
  controlKind("ListSessions", ControlService.typeName, "ListSessions", new Uint8Array(0)),
  controlKind("Health.Watch", Health.typeName, "Watch", new Uint8Array(0)),
];

const start = ({ address, path, request }: Kind) => new RawCall(Number(address.split(":")[1]), path, request);
const PATIENT_MS = 1000; // until each call has been answered as far as its window allows

async function gone(before: number, msMax: number): Promise<number | undefined> {
  const begun = performance.now();
  while (performance.now() - begun < msMax) {
    if (sockets() <= before) return performance.now() - begun;
    await Bun.sleep(50);
  }
  return undefined;
}

const serves = async (when: string) => {
  const { rows, error } = await readRows(processor.flight, { start_ledger: 1000, end_ledger: 1006 });
  check(rows.length === SAMPLE.rows && error === undefined, `others are served ${when} ${error?.message ?? ""}`);
};

await Bun.sleep(PATIENT_MS);
const before = sockets();
const halfOpen = KINDS.map(start);
await Bun.sleep(PATIENT_MS);
for (const { socket } of halfOpen) {
  socket.pause();
  socket.end();
}
const halfOpenMs = await gone(before, HALF_OPEN_MS_MAX);
check(
  halfOpenMs !== undefined,
  `half-open clients of ${KINDS.length} kinds of call are closed (${halfOpenMs?.toFixed(0)} ms)`,
);
for (const call of halfOpen) call.close();

const frozen = KINDS.map(start);
await Bun.sleep(PATIENT_MS);
for (const { socket } of frozen) {
  socket.pause();
  socket.write = () => true;
}
await serves("beside frozen clients");
const frozenMs = await gone(before, FROZEN_MS_MAX);
check(
  frozenMs !== undefined,
  `frozen clients of ${KINDS.length} kinds of call are closed (${frozenMs?.toFixed(0)} ms)`,
);
if (frozenMs === undefined) console.log(`${sockets() - before} sockets of ${KINDS.length} are left`);
for (const call of frozen) call.close();

const unread = KINDS.map(start);
let unreadClosed = 0;
for (const { socket } of unread) socket.once("close", () => unreadClosed++);
await Bun.sleep(PATIENT_MS);
const away = [
  { name: "pyarrow", client: await pythonClient() },
  { name: "Go", client: await goClient() },
].flatMap(({ name, client: { command } }) =>
  command === undefined
    ? []
    : [
        { session, from: "now" },
        { start_ledger: 1000, end_ledger: 0 },
      ].map((ticket) => ({
        name: `a ${name} client of a ${"session" in ticket ? "session" : "range"}`,
        child: Bun.spawn(
          [...command, "get", "-addr", processor.flight, "-ticket", JSON.stringify(ticket), "-max-seconds", "300"],
          { stdout: "pipe", stderr: "ignore" },
        ),
      })),
);
await Bun.sleep(3000); // amid their rows
for (const { child } of away) child.kill("SIGSTOP");
await serves("beside clients that never read");
await Bun.sleep(AWAY_MS);
for (const { child } of away) child.kill("SIGCONT");
for (const { name, child } of away) {
  const ended = Promise.all([new Response(child.stdout).text(), child.exited]);
  const late = Bun.sleep(ENDS_MS_MAX).then((): [string, number | undefined] => ["", undefined]);
  const [output, status] = await Promise.race([ended, late]);
  const code = /"code": ?"(\w+)"/.exec(output)?.[1] ?? "";
  // One of a session may have held others back before keepalive missed it.
  const right = code === "Unavailable" || (name.endsWith("session") && code === "ResourceExhausted");
  check(status === 1 && right, `${name} that was away for ${AWAY_MS / 1000} s ends (${status}, ${code})`);
  child.kill("SIGKILL");
}
check(unreadClosed <= 1, `clients that never read and answer pings may stay (${unreadClosed} were ended)`); // a slow one of the session
await serves("after all that");
for (const call of unread) call.close();
const restMs = await gone(before, HALF_OPEN_MS_MAX);
check(restMs !== undefined, "no socket is left");
check((await flightTotals(processor.flight)).ranges === 0, "no range is left");

/** Whether such a frame of the call comes in time. */
async function comes(call: RawCall, msMax: number, isIt: (frame: RawCall["frames"][number]) => boolean) {
  const begun = performance.now();
  while (!call.frames.some(isIt) && performance.now() - begun < msMax) await Bun.sleep(20);
  return call.frames.some(isIt);
}

const calls = flightCalls(processor.flight);
const cmd = Buffer.from(JSON.stringify({ start_ledger: 1000, end_ledger: 0 }));
const info = await calls.getFlightInfo({ type: FlightDescriptor_DescriptorType.CMD, cmd });
const cancelled = start(get("cancelled range", JSON.parse(`${Buffer.from(info.endpoint[0]!.ticket!.ticket)}`)));
await Bun.sleep(PATIENT_MS);
const body = CancelFlightInfoRequest.encode({ info });
await collect(calls.doAction({ type: "CancelFlightInfo", body }));
await Bun.sleep(PATIENT_MS);
check((await flightTotals(processor.flight)).ranges === 0, "a cancelled range is over although its client is blocked");
const isReset = await comes(
  cancelled,
  FLUSH_STILL_MS_MAX + 4000,
  ({ type, payload }) => type === 3 && payload[3] === 8,
);
check(isReset, "its client, blocked for good, is told by RST_STREAM CANCEL");
calls.close();

const stopped = start(KINDS[0]!);
await Bun.sleep(PATIENT_MS);
control.close();
const begun = performance.now();
const status = await processor.stop();
const stopMs = performance.now() - begun;
check(status === 0 && stopMs < GRACE_MS + CLOSE_MS_MAX + 4000, `the server stops (${stopMs.toFixed(0)} ms)`);
const isTold = ({ type, payload }: { type: number; payload: Buffer }) => type === 7 && `${payload}`.includes("stops");
check(await comes(stopped, 1000, isTold), "a client that is blocked then is told why");
console.log(failures.length === 0 ? "all ends are as written" : `${failures.length} ends are not as written`);
process.exit(failures.length === 0 ? 0 : 1);
