/** What the HTTP side tells of the process: plain values, put together at each request. */
import type { SessionSnapshot } from "../sessions/session-service.ts";
import type { MetricsSource } from "./metrics.ts";

/** A part of the process that can fail or not be ready by itself: source, flight, control, workers. */
export interface Component {
  name: string;
  /** False where only a restart or a person can help. */
  healthy: boolean;
  /** False while it cannot do its work: not started yet, its peer away, shutting down. */
  ready: boolean;
  /** For people: what it is doing, or what is wrong. */
  message: string;
  /** True where it does not count for the readiness of the whole: the server answers its clients all the same. */
  advisory?: boolean;
}

/** Where to connect. An empty host means every interface. */
interface Endpoint {
  host: string;
  port: number;
  tls: boolean;
  /** Clients are refused without a certificate. */
  needsCert: boolean;
}

/** What the ops server asks the rest of the process. Each is called at every request and has to be cheap. */
export interface OpsSource {
  service: { name: string; version: string };
  startedUnixMs: number;
  /** A passphrase. */
  network: string;
  /** Where ledgers come from, for people. */
  source: string;
  components(): Component[];
  sessions(): SessionSnapshot[];
  metrics: MetricsSource;
  endpoints(): { control: Endpoint; flight: Endpoint };
  /** Live nodes of the cluster, this one first; undefined where CLUSTER is not set. */
  nodes?(): readonly object[] | undefined;
}

interface HealthReport {
  service: string;
  version: string;
  status: "healthy" | "unhealthy";
  ready: boolean;
  uptime_seconds: number;
  components: Record<string, { healthy: boolean; ready: boolean; message: string }>;
}

/**
 * The JSON body of /health. Unhealthy: some component is. Ready: all components are healthy, and all but advisory ones
 * are ready.
 */
export function healthReport(source: OpsSource, nowUnixMs = Date.now()): HealthReport {
  const components = source.components();
  return {
    service: source.service.name,
    version: source.service.version,
    status: components.every((component) => component.healthy) ? "healthy" : "unhealthy",
    ready: components.every(({ healthy, ready, advisory }) => healthy && (ready || advisory === true)),
    uptime_seconds: Math.max(0, Math.floor((nowUnixMs - source.startedUnixMs) / 1000)),
    components: Object.fromEntries(components.map(({ name, advisory: _, ...rest }) => [name, rest])),
  };
}
