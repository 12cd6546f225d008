/**
 * What the data plane has done for all clients together, since the process began: shared memory with one writer (the
 * data plane), so that the process's metrics are exact at any moment and carry no label per stream.
 */
const FLIGHT_COUNTERS = [
  /** DoGet calls that are open now. */
  "clients",
  /** Range and catch-up streams that are open now. */
  "ranges",
  "catchUps",
  /** Ever opened. */
  "rangesOpened",
  "catchUpsOpened",
  /** To all clients of sessions, their catch-ups and ranges; batches without rows count as batches. */
  "batchesSent",
  "rowsSent",
  "bytesSent",
  /** Time that DoGet calls have waited for their clients to read, in microseconds. */
  "blockedMicros",
  /** Clients ended by SLOW_CLIENT_GRACE. */
  "slowClientsEnded",
  /** DoGet calls that ended with an error of ours, and those that the client left. */
  "getsFailed",
  "getsCancelled",
  "getsCompleted",
  /** What is open now: how far the slowest client is behind its stream, and what all have not taken yet. */
  "lagLedgersMax",
  "lagBytes",
  /** Refused by the listener's limits (grpc/listen.ts), ever. */
  "connectionsRefused",
  "connectionsEnded",
  "callsRefused",
  /** Refused by the gate (security/gate.ts), ever: UNAUTHENTICATED, and everything else. */
  "unauthenticated",
  "denied",
] as const;
type FlightCounter = (typeof FLIGHT_COUNTERS)[number];

const INDEX = Object.fromEntries(FLIGHT_COUNTERS.map((name, index) => [name, index])) as Record<FlightCounter, number>;

/** Counters of the Flight service in shared memory: the data plane adds, the main thread reads. */
export class FlightTotals {
  private readonly counters: BigInt64Array;

  constructor(readonly memory: SharedArrayBuffer) {
    this.counters = new BigInt64Array(memory);
  }

  static create(): FlightTotals {
    return new FlightTotals(new SharedArrayBuffer(FLIGHT_COUNTERS.length * 8));
  }

  get(counter: FlightCounter): number {
    return Number(Atomics.load(this.counters, INDEX[counter]));
  }

  add(counter: FlightCounter, value: number): void {
    Atomics.add(this.counters, INDEX[counter], BigInt(Math.round(value)));
  }

  set(counter: FlightCounter, value: number): void {
    Atomics.store(this.counters, INDEX[counter], BigInt(Math.round(value)));
  }

  read(): Record<FlightCounter, number> {
    return Object.fromEntries(FLIGHT_COUNTERS.map((name) => [name, this.get(name)])) as Record<FlightCounter, number>;
  }
}
