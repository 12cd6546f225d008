/**
 * A component's side of flowctl: registers, sends heartbeats, registers again where flowctl has forgotten it, and takes
 * its leave. Nothing waits for flowctl: one loop of its own tries without end, and `close` has a bound.
 */
import * as grpc from "@grpc/grpc-js";
import { backoffMs } from "../base/backoff.ts";
import { pause } from "../base/pause.ts";
import { settlesWithin } from "../base/settles-within.ts";
import type { OutgoingTls } from "../config/tls-files.ts";
import { CodedError } from "../error.ts";
import { clientCredentials, TlsCredentials } from "../grpc/tls-credentials.ts";
import { tlsSentence } from "../grpc/tls-fault.ts";
import type { Logger } from "../ops/log.ts";
import type { FlowctlComponent, FlowctlReport } from "./component.ts";
import { type FlowctlCalls, type FlowctlProtocol, PROTOCOLS } from "./protocols.ts";

const CALL_MS_MAX = 10_000; // a third of the time after which flowctl takes a component for dead
const TTL_MS = 30_000; // flowctl's own: without heartbeats for so long it counts a component as unhealthy
const RETRY_MS_MIN = 500;
const RETRY_MS_MAX = 10_000; // `flowctl run` waits 30 s for a registration
const LEAVE_MS_MAX = 1_000; // of a shutdown; the 10 s of `docker stop` are for clients
const TLS_NAMES = { ca: "FLOWCTL_CA_FILE", cert: "FLOWCTL_CERT_FILE", key: "FLOWCTL_KEY_FILE" };

/** Where flowctl is, and how it is spoken to. */
export interface FlowctlPlace {
  /** host:port. */
  address: string;
  /** Absent: no TLS. */
  tls?: OutgoingTls;
  /** auto: today's, and the first one where flowctl does not serve that. */
  protocol: "auto" | FlowctlProtocol;
  heartbeatIntervalMs: number;
}

/** Time, for tests that do not want to wait for it. */
export interface FlowctlClock {
  nowMs(): number;
  /** Resolves early where the signal aborts. */
  pause(ms: number, signal: AbortSignal): Promise<void>;
}

interface FlowctlOptions {
  clock?: FlowctlClock;
  /** Default CALL_MS_MAX. */
  callMsMax?: number;
}

/** For metrics: a gauge and two counters. */
export interface FlowctlCounts {
  registered: boolean;
  heartbeatsSent: number;
  heartbeatErrors: number;
}

interface Registration {
  serviceId: string;
  protocol: FlowctlProtocol;
}

/** One component at one flowctl, from its construction to `close`. */
export class FlowctlClient {
  private readonly stop = new AbortController();
  private readonly clock: FlowctlClock;
  private readonly counted = { heartbeatsSent: 0, heartbeatErrors: 0 };
  private readonly running: Promise<void>;
  private wake = new AbortController();
  private connection: Connection;
  private registration: Registration | undefined;
  /** When flowctl last took a registration or a heartbeat. */
  private takenMs = Number.NEGATIVE_INFINITY;
  private failures = 0;
  private trouble: string | undefined;

  /** @param report asked for at each heartbeat */
  constructor(
    private readonly place: FlowctlPlace,
    private readonly component: FlowctlComponent,
    private readonly report: () => FlowctlReport,
    private readonly log: Logger,
    private readonly options: FlowctlOptions = {},
  ) {
    this.clock = options.clock ?? { nowMs: () => performance.now(), pause };
    this.connection = new Connection(place);
    this.running = this.run();
  }

  get counts(): FlowctlCounts {
    return { registered: this.registration !== undefined, ...this.counted };
  }

  /** For people: registered as what, or why not. */
  get message(): string {
    const { address } = this.place;
    if (this.registration === undefined) {
      return `not registered with flowctl at ${address}: ${this.trouble ?? "it is being asked"}`;
    }
    const as = `registered with flowctl at ${address} as ${this.registration.serviceId} (${this.registration.protocol})`;
    return this.trouble === undefined ? as : `${as}, and the last heartbeat failed: ${this.trouble}`;
  }

  /** Sends a heartbeat now rather than when it is due: the health has changed. */
  beat(): void {
    this.wake.abort();
  }

  /** Unregisters, within LEAVE_MS_MAX, and ends. */
  async close(): Promise<void> {
    this.stop.abort();
    this.wake.abort();
    await settlesWithin(this.running, LEAVE_MS_MAX);
    const { registration } = this;
    this.registration = undefined;
    if (registration !== undefined) {
      const left = this.connection.calls(registration.protocol).unregister(registration.serviceId, {
        deadlineMs: LEAVE_MS_MAX,
      });
      left.catch((thrown) => this.log.warn("flowctl took no leave", { why: this.connection.sentence(thrown) }));
      await settlesWithin(left, LEAVE_MS_MAX);
    }
    this.connection.close();
  }

  private async run(): Promise<void> {
    while (!this.stop.signal.aborted) {
      const begunMs = this.clock.nowMs();
      const waitMs = await this.turn();
      const leftMs = Math.max(0, waitMs - (this.clock.nowMs() - begunMs));
      await this.clock.pause(leftMs, this.wake.signal);
      if (this.wake.signal.aborted) this.wake = new AbortController();
    }
  }

  /** Registers where that is to be done, and sends a heartbeat. @returns when the next turn is due, from this one's begin */
  private async turn(): Promise<number> {
    try {
      // Over v0 a component that has counted as unhealthy once stays so, whatever it sends.
      if (this.registration?.protocol === "v0" && this.isOverdue()) this.registration = undefined;
      this.registration ??= await this.register();
      await this.heartbeat(this.registration);
      if (this.trouble !== undefined) this.log.info("flowctl takes heartbeats again", { flowctl: this.place.address });
      this.trouble = undefined;
      this.failures = 0;
      return this.place.heartbeatIntervalMs;
    } catch (thrown) {
      if (this.stop.signal.aborted) return 0;
      return this.failed(thrown);
    }
  }

  private async register(): Promise<Registration> {
    const { protocol } = this.place;
    if (protocol !== "auto") return this.registerBy(protocol);
    try {
      return await this.registerBy("v1");
    } catch (thrown) {
      if (CodedError.from(thrown).code !== "UNIMPLEMENTED") throw thrown;
      return this.registerBy("v0");
    }
  }

  private async registerBy(protocol: FlowctlProtocol): Promise<Registration> {
    const serviceId = await this.connection.calls(protocol).register(this.component, this.callOptions());
    this.takenMs = this.clock.nowMs();
    this.log.info("registered with flowctl", { flowctl: this.place.address, protocol, serviceId });
    return { serviceId, protocol };
  }

  private async heartbeat({ serviceId, protocol }: Registration): Promise<void> {
    try {
      await this.connection.calls(protocol).heartbeat(serviceId, this.report(), this.callOptions());
    } catch (thrown) {
      if (!this.stop.signal.aborted) this.counted.heartbeatErrors += 1;
      throw thrown;
    }
    this.counted.heartbeatsSent += 1;
    this.takenMs = this.clock.nowMs();
  }

  /** @returns how long to wait before the next try */
  private failed(thrown: unknown): number {
    const sentence = this.connection.sentence(thrown);
    const isUnknown = isUnknownService(thrown);
    if (isUnknown || this.isOverdue()) this.registration = undefined;
    if (sentence !== this.trouble) {
      this.log.warn("flowctl does not take part; work goes on", { flowctl: this.place.address, why: sentence });
    }
    this.trouble = sentence;
    if (!isUnknown) {
      // A connection that is silently dead, or whose name has another address by now, is not used again.
      this.connection.close();
      this.connection = new Connection(this.place);
    }
    const waitMs = isUnknown && this.failures === 0 ? 0 : backoffMs(this.failures, RETRY_MS_MIN, RETRY_MS_MAX);
    this.failures += 1;
    return Math.min(waitMs, this.place.heartbeatIntervalMs);
  }

  /** flowctl has counted this component as unhealthy by now. */
  private isOverdue(): boolean {
    return this.clock.nowMs() - this.takenMs > TTL_MS;
  }

  private callOptions(): { deadlineMs: number; signal: AbortSignal } {
    return { deadlineMs: this.options.callMsMax ?? CALL_MS_MAX, signal: this.stop.signal };
  }
}

/** flowctl answers UNKNOWN with "service X not found"; others would say NOT_FOUND. */
function isUnknownService(thrown: unknown): boolean {
  const { code, reason, message } = CodedError.from(thrown);
  return code === "NOT_FOUND" || (reason === "GRPC_UNKNOWN" && /not found|not registered/i.test(message));
}

/** One connection, for both protocols. */
class Connection {
  private readonly credentials: grpc.ChannelCredentials;
  private readonly client: grpc.Client;
  private readonly made = new Map<FlowctlProtocol, FlowctlCalls>();

  constructor({ address, tls }: FlowctlPlace) {
    this.credentials = clientCredentials(address, tls);
    // A pool of its own: grpc-js shares connections of one address otherwise, and a dead one would come back.
    this.client = new grpc.Client(address, this.credentials, { "grpc.use_local_subchannel_pool": 1 });
  }

  calls(protocol: FlowctlProtocol): FlowctlCalls {
    const calls = this.made.get(protocol) ?? PROTOCOLS[protocol](this.client);
    this.made.set(protocol, calls);
    return calls;
  }

  /** What a failed call means. */
  sentence(thrown: unknown): string {
    const { code, message } = CodedError.from(thrown);
    const { credentials } = this;
    const tls = credentials instanceof TlsCredentials ? tlsSentence(credentials.failure, TLS_NAMES) : undefined;
    // grpc-js says what it has tried, and then why that failed, which is what matters.
    const why = /Last error: (?:Error: )?(.*?)\.?\s*(?:Resolution note:.*)?$/.exec(message)?.[1] ?? message;
    return tls ?? `${code}: ${why}`;
  }

  close(): void {
    this.client.close();
  }
}
