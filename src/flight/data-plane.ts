/**
 * The data-plane thread: takes finished batches off the workers' rings, keeps the streams, serves Flight. It shares
 * no event loop with the control plane, so a status call answers at once whatever a DoGet does.
 */
import type { MessagePort } from "node:worker_threads";
import * as grpc from "@grpc/grpc-js";
import { Descriptors } from "../base/descriptors.ts";
import { collect, MemoryPressure } from "../base/memory-pressure.ts";
import { Hub } from "../delivery/hub.ts";
import { MainThread } from "../delivery/main-thread-client.ts";
import { CodedError } from "../error.ts";
import { CALL_LIMITS_DEFAULT, type CallLimits } from "../grpc/call-budget.ts";
import { ControlService } from "../grpc/generated/control.ts";
import { FlightService } from "../grpc/generated/flight.ts";
import { Health } from "../grpc/generated/health.ts";
import { healthService } from "../grpc/health-service.ts";
import { HealthState } from "../grpc/health-state.ts";
import { routeLibraryLog } from "../grpc/library-log.ts";
import { type GrpcListener, grpcServerOptions, listenGrpc } from "../grpc/listen.ts";
import { limitOptionsOf, listenLimitsOf } from "../grpc/listener-limits.ts";
import { addReflection } from "../grpc/reflection-service.ts";
import { addService, type OnUnexpected } from "../grpc/service.ts";
import { addWrongPort } from "../grpc/wrong-port.ts";
import type { Access } from "../security/access.ts";
import { Gate } from "../security/gate.ts";
import { Refusals } from "../security/refusals.ts";
import type { DataPlaneData, FromDataPlane, ToDataPlane } from "../threads/data-plane-messages.ts";
import { FlightTotals } from "../threads/flight-totals.ts";
import { BEAT_MS, Heartbeat } from "../threads/heartbeat.ts";
import type { CallFacts, GetFacts } from "../tracing/span-facts.ts";
import { Bell } from "../workers/bell.ts";
import { StageTimes } from "../workers/stage-times.ts";
import { ContractDataProducer } from "./contract-data-producer.ts";
import { addFlightService } from "./flight-server.ts";
import { type RangeFlights, TICKET_TTL_MS } from "./range-flights.ts";
import { RowReads } from "./row-reads.ts";
import { describeStream } from "./stream-description.ts";
import { TicketSeal } from "./ticket-seal.ts";

const REQUEST_BYTES_MAX = 4 << 20; // descriptors, tickets and actions are small; gRPC's own default
/** Requests have 4 MiB at most, and answers are about as large. What DoGet sends is counted with its stream instead. */
const CALL_LIMITS: CallLimits = {
  ...CALL_LIMITS_DEFAULT,
  peerBytesMax: 16 << 20,
  bytesMax: 48 << 20,
  requestBytesMax: REQUEST_BYTES_MAX,
};
const SLOW_CHECKS_PER_GRACE = 4; // a slow client is ended at most a quarter of the grace late
const SLOW_CHECK_MS_MIN = 50;
const PRESSURE_LOOK_MS = 25; // much shorter than the time between two rounds of collections
const LAG_LOOK_MS = 1000; // as fresh as any scrape needs
const STARTING = new CodedError(
  "UNAVAILABLE",
  "STARTING",
  "the server is still starting, and its sessions are being restored: try again",
);

/** Runs until told to close. */
export async function runDataPlane(data: DataPlaneData, port: MessagePort): Promise<void> {
  const post = (message: FromDataPlane) => port.postMessage(message);
  routeLibraryLog((line) =>
    post({ type: "log", level: "warn", message: "grpc-js, of a Flight call", fields: { line } }),
  );
  const main = new MainThread(post);
  const totals = new FlightTotals(data.totals);
  const hub = new Hub(
    data.workerCount,
    new Bell(data.bell, 0),
    {
      ended: (stream, error) => post({ type: "ended", stream, error: error?.toRecord() }),
      learned: (stream, assets) => post({ type: "learned", stream, assets }),
      skipped: (stream, skips, count) => post({ type: "skipped", stream, skips, count }),
      traced: (stream, done, orderedUnixMs) => post({ type: "traced", stream, done, orderedUnixMs }),
    },
    totals,
    new StageTimes(data.times),
    data.slotBytesMax,
  );
  const producer = new ContractDataProducer({
    ...{ hub, main, totals, slowClientGraceMs: data.slowClientGraceMs },
    ...{ networkPassphrase: data.networkPassphrase, dictionaries: data.dictionaries },
    service: data.service,
    seal: data.ticketKey && new TicketSeal(data.ticketKey, TICKET_TTL_MS),
    nowMs: () => performance.now(),
    told: (event) => post({ type: "client", event }),
  });
  const served = flightPort(data, producer, post);
  const descriptors = new Descriptors();
  let listener: GrpcListener;
  try {
    listener = await listenGrpc(served.server, {
      ...{ host: data.host, port: data.port, tls: data.tls },
      setting: "FLIGHT_ADDRESS",
      ...listenLimitsOf(data.limits),
      callLimits: CALL_LIMITS,
      warn: (message, fields) =>
        post({ type: "log", level: "warn", message, fields: { listener: "flight", ...fields } }),
      hasRoom: () => descriptors.hasRoom("flight"),
    });
  } catch (thrown) {
    post({ type: "failedToListen", error: CodedError.from(thrown).toRecord() });
    return;
  }
  const slowCheck = setInterval(
    () => producer.endSlowClients(),
    Math.max(SLOW_CHECK_MS_MIN, data.slowClientGraceMs / SLOW_CHECKS_PER_GRACE),
  );
  const heartbeat = new Heartbeat(data.heartbeat);
  setInterval(() => heartbeat.beat(), BEAT_MS); // to the thread's end
  const pressure = new MemoryPressure(data.pressure);
  const pressureLook = setInterval(() => {
    if (!pressure.isAsked()) return;
    hub.trim();
    collect(pressure);
  }, PRESSURE_LOOK_MS);
  const lagLook = setInterval(() => {
    producer.measureLag();
    countRefused(totals, listener, served.refusals);
  }, LAG_LOOK_MS);
  port.on("message", (message: ToDataPlane) => {
    if (message.type === "close") void close(message.graceMs);
    else if (message.type === "renewTls") listener.renewTls(message.tls);
    else if (message.type === "read") served.reads.handle(message.number, message.read);
    else handle(message, { hub, main, served, post, flights: producer.flights });
  });
  async function close(graceMs: number): Promise<void> {
    clearInterval(slowCheck);
    clearInterval(lagLook);
    clearInterval(pressureLook);
    hub.endWaits();
    served.stopping();
    await Promise.all([listener.close(graceMs), served.reads.close(graceMs)]);
    hub.close();
    post({ type: "closed" });
  }
  post({ type: "listening", port: listener.port });
  await hub.run();
}

function countRefused(totals: FlightTotals, listener: GrpcListener, { counts }: Refusals): void {
  totals.set("connectionsRefused", listener.connectionsRefused);
  totals.set("connectionsEnded", listener.connectionsEnded);
  totals.set("callsRefused", listener.callsRefused);
  totals.set("unauthenticated", counts.unauthenticated);
  totals.set("denied", counts.denied);
}

/** What messages of the main thread are for. */
interface Addressees {
  hub: Hub;
  main: MainThread;
  served: FlightPort;
  post: (message: FromDataPlane) => void;
  flights: RangeFlights;
}

/** Does what the main thread says, but for what concerns the listener. */
function handle(
  message: Exclude<ToDataPlane, { type: "close" | "renewTls" | "read" }>,
  { hub, main, served, post, flights }: Addressees,
): void {
  switch (message.type) {
    case "ring":
      hub.ring(message.index, message.memory);
      return;
    case "renewAccess":
      served.renewAccess(message.access);
      return;
    case "restored":
      served.restored();
      return;
    case "open":
      hub.open(message.opening);
      return;
    case "end":
      hub.stream(message.stream)?.sourceEnded(message.spans, message.error);
      return;
    case "fail":
      hub.stream(message.stream)?.fail(CodedError.fromRecord(message.error));
      return;
    case "resized":
      hub.stream(message.stream)?.resized();
      return;
    case "retire":
      hub.stream(message.stream)?.retire();
      return;
    case "forget":
      hub.forget(message.stream, message.why && CodedError.fromRecord(message.why));
      return;
    case "cancel":
      for (const flight of message.flights) flights.cancel(flight);
      return;
    case "clientsOf": {
      const clients = hub.stream(message.stream)?.clientReports() ?? [];
      post({ type: "clients", number: message.number, clients });
      return;
    }
    case "streamsOf":
      post({ type: "streams", number: message.number, streams: hub.all().map(describeStream) });
      return;
    case "answer":
      main.answered(message.number, message.answer, message.error);
      return;
  }
}

interface FlightPort {
  server: grpc.Server;
  /** What clients of HTTP read. */
  reads: RowReads;
  /** What its gate has refused. */
  refusals: Refusals;
  /** Every session that there was before is open: calls are answered from now on. */
  restored(): void;
  /** Calls are judged by other files from now on, and those under way too. */
  renewAccess(access: Access): void;
  /** Health says that the port goes away, and its watches end. */
  stopping(): void;
}

/** All services of the Flight port: Flight itself, health, reflection, and a sentence for those who meant the other. */
function flightPort(
  data: DataPlaneData,
  producer: ContractDataProducer,
  post: (message: FromDataPlane) => void,
): FlightPort {
  const server = new grpc.Server(
    grpcServerOptions({ ...limitOptionsOf(data.limits), "grpc.max_receive_message_length": REQUEST_BYTES_MAX }),
  );
  const onUnexpected: OnUnexpected = (error, method) => {
    const stack = error instanceof Error ? (error.stack ?? "") : "";
    const fields = { method, error: String(error), stack };
    post({ type: "log", level: "error", message: "unexpected error in a Flight call", fields });
  };
  const refusals = new Refusals("flight", (message, fields) => post({ type: "log", level: "warn", message, fields }));
  const gate = data.access && new Gate(data.access, refusals.told);
  let restored = false; // a session that is not there yet would be NOT_FOUND, and the newest one not the newest
  const refusal = () => (restored ? undefined : STARTING);
  const ended = data.traces
    ? {
        getEnded: (facts: GetFacts) => post({ type: "get", facts }),
        callEnded: (facts: CallFacts) => post({ type: "flightCall", facts }),
      }
    : undefined;
  addFlightService(server, producer, { refusal, gate, onUnexpected, ...ended });
  const reads = new RowReads(producer, (number, read) => post({ type: "read", number, read }), {
    refusal,
    onUnexpected,
    getEnded: ended?.getEnded,
  });
  const health = new HealthState([FlightService.typeName]);
  const healthCalls = healthService(health);
  addService(server, Health, healthCalls.handlers, onUnexpected, gate?.admit);
  addReflection(server, [FlightService.typeName, Health.typeName], gate?.admit);
  addWrongPort(
    server,
    ControlService,
    "this is the Arrow Flight port (FLIGHT_ADDRESS); the control plane is at the port of GRPC_ADDRESS, 50054 by default",
    gate?.admit,
  );
  return {
    server,
    reads,
    refusals,
    restored: () => {
      restored = true;
      health.set(FlightService.typeName, true);
    },
    renewAccess(access) {
      if (gate === undefined) return;
      gate.renew(access);
      producer.named.judge(gate.again);
    },
    stopping: () => {
      health.set(FlightService.typeName, false);
      healthCalls.close();
    },
  };
}
