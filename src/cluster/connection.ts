/**
 * The connection to the cluster's NATS. Nothing waits for it: it is made, and made again, in the background for as long as
 * the process runs, and whoever needs it while it is away gets UNAVAILABLE / CLUSTER_AWAY at once.
 *
 *   connecting ──connected──▶ connected ──lost──▶ connecting ──▶ …   `close` ends it in any state
 */
import { type JetStreamClient, jetstream } from "@nats-io/jetstream";
import { connect, credsAuthenticator, type NatsConnection, type NodeConnectionOptions } from "@nats-io/transport-node";
import { backoffMs } from "../base/backoff.ts";
import { pause } from "../base/pause.ts";
import { settlesWithin } from "../base/settles-within.ts";
import { CodedError } from "../error.ts";
import type { Logger } from "../ops/log.ts";
import type { ClusterPlace } from "./place.ts";

const RETRY_MS_MIN = 200;
const RETRY_MS_MAX = 2_000; // a NATS that is back is found within its nodes' shortest usual lease
const CONNECT_MS_MAX = 5_000; // a handshake takes milliseconds
const PING_MS = 5_000; // with PINGS_OUT_MAX, a NATS that is silently gone is known as such within 15 s
const PINGS_OUT_MAX = 2;
const REQUEST_MS_MAX = 5_000; // what JetStream answers in; it elects a leader in less
const CLOSE_MS_MAX = 1_000; // of a shutdown; the 10 s of `docker stop` are for clients

/** One connection, from its construction to `close`. */
export class ClusterConnection {
  private readonly stop = new AbortController();
  private readonly running: Promise<void>;
  private readonly listeners = new Set<() => void>();
  private readonly subjects = new Map<string, (message: Uint8Array) => void>();
  private nats: NatsConnection | undefined;
  private isConnected = false;
  private trouble: string | undefined;
  private attempts = 0;

  constructor(
    readonly place: ClusterPlace,
    private readonly log: Logger,
  ) {
    this.running = this.run();
  }

  /** Whether NATS is there, and a sentence for people. */
  get condition(): { well: boolean; message: string } {
    const servers = this.place.nats.servers.join(", ");
    if (this.isConnected) return { well: true, message: `connected to NATS at ${this.nats!.getServer()}` };
    return { well: false, message: `NATS at ${servers} is away: ${this.trouble ?? "it is being connected to"}` };
  }

  /**
   * JetStream over the connection as it is now: get it anew for each piece of work. Its requests end within 5 s.
   * @throws CodedError UNAVAILABLE / CLUSTER_AWAY while NATS is away
   */
  jetstream(): JetStreamClient {
    if (!this.isConnected) throw new CodedError("UNAVAILABLE", "CLUSTER_AWAY", this.condition.message);
    return jetstream(this.nats!, { timeout: REQUEST_MS_MAX });
  }

  /** Calls `listener` each time that NATS is there (again); at once where it is there. @returns ends that */
  onConnected(listener: () => void): () => void {
    this.listeners.add(listener);
    if (this.isConnected) listener();
    return () => this.listeners.delete(listener);
  }

  /** Tells whoever listens to the subject just now; nobody where NATS is away. */
  publish(subject: string, message: Uint8Array): void {
    if (this.isConnected) this.nats!.publish(subject, message);
  }

  /** Hands over each message of a subject, this node's own too, until `close`. */
  listen(subject: string, take: (message: Uint8Array) => void): void {
    this.subjects.set(subject, take);
    if (this.nats !== undefined && !this.nats.isClosed()) this.subscribe(this.nats, subject, take);
  }

  /** Sends what is under way and ends, within a second whatever NATS does. */
  async close(): Promise<void> {
    this.stop.abort();
    const { nats } = this;
    if (nats && this.isConnected) await settlesWithin(nats.drain(), CLOSE_MS_MAX);
    await nats?.close();
    await settlesWithin(this.running, CLOSE_MS_MAX);
  }

  private async run(): Promise<void> {
    const { signal } = this.stop;
    while (!signal.aborted) {
      try {
        const nats = await connect(this.options());
        for (const [subject, take] of this.subjects) this.subscribe(nats, subject, take);
        this.nats = nats;
        this.connected();
        await this.follow(this.nats); // until it is closed for good
        this.lost(undefined);
      } catch (thrown) {
        this.lost(thrown);
      }
      await pause(this.retryMs(), signal);
    }
  }

  /** Lasts as long as that connection does, lost and made again. */
  private subscribe(nats: NatsConnection, subject: string, take: (message: Uint8Array) => void): void {
    nats.subscribe(subject, {
      callback(error, message) {
        if (error === null) take(message.data);
      },
    });
  }

  /** The client connects again by itself; what it cannot mend closes it. */
  private async follow(nats: NatsConnection): Promise<void> {
    const { signal } = this.stop;
    if (signal.aborted) return nats.close(); // `close` came while it was being made
    for await (const status of nats.status()) {
      if (status.type === "reconnect") this.connected();
      else if (status.type === "disconnect") this.lost(undefined);
      else if (status.type === "error") this.trouble = sentenceOf(status.error);
    }
    const fault = await nats.closed();
    if (fault) throw fault;
  }

  private connected(): void {
    this.isConnected = true;
    this.trouble = undefined;
    this.attempts = 0;
    this.log.info("connected to the cluster's NATS", { nats: this.nats?.getServer() });
    for (const listener of [...this.listeners]) listener();
  }

  private lost(thrown: unknown): void {
    if (this.stop.signal.aborted) return;
    const trouble = thrown === undefined ? "the connection has ended" : sentenceOf(thrown);
    if (this.isConnected || trouble !== this.trouble) {
      this.log.warn("the cluster's NATS is away; this node goes on alone", {
        nats: this.place.nats.servers.join(", "),
        why: trouble,
      });
    }
    this.isConnected = false;
    this.trouble = trouble;
  }

  private retryMs(): number {
    return backoffMs(this.attempts++, RETRY_MS_MIN, RETRY_MS_MAX);
  }

  private options(): NodeConnectionOptions {
    const { nats, tls, nodeName } = this.place;
    return {
      servers: nats.servers,
      name: `contract-data-processor ${nodeName}`,
      ...(tls && { tls: { ...tls, ca: tls.ca?.join("\n") } }),
      ...this.login(),
      timeout: CONNECT_MS_MAX,
      pingInterval: PING_MS,
      maxPingOut: PINGS_OUT_MAX,
      maxReconnectAttempts: -1,
      reconnectDelayHandler: () => this.retryMs(),
      ignoreAuthErrorAbort: true, // credentials may be renewed at NATS while we run
    };
  }

  private login(): NodeConnectionOptions {
    const { nats, credentials } = this.place;
    if (credentials) return { authenticator: credsAuthenticator(credentials) };
    if (nats.login === undefined || "token" in nats.login) return { ...nats.login };
    return { user: nats.login.user, pass: nats.login.password };
  }
}

/** A request to JetStream that failed, as an error of ours: UNAVAILABLE / CLUSTER_AWAY; a CodedError stays as it is. */
export function clusterFault(thrown: unknown): CodedError {
  if (thrown instanceof CodedError) return thrown;
  return new CodedError("UNAVAILABLE", "CLUSTER_AWAY", `NATS does not do its part: ${sentenceOf(thrown)}`, {
    cause: thrown,
  });
}

function sentenceOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown);
  const cause =
    thrown.cause instanceof Error && thrown.cause.message !== thrown.message ? `: ${thrown.cause.message}` : "";
  return `${thrown.message || thrown.name}${cause}`;
}
