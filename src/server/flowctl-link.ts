/** The server as a component of flowctl: what it registers as, and what its heartbeats say. */
import { hostname } from "node:os";
import { advertisedAddress } from "../config/advertised.ts";
import { flowctlComponentId } from "../config/flowctl-settings.ts";
import { readOutgoingTls } from "../config/outgoing-tls.ts";
import type { Config } from "../config/schema.ts";
import type { FlowctlComponent, FlowctlHealth } from "../flowctl/component.ts";
import { FlowctlClient, type FlowctlCounts } from "../flowctl/flowctl-client.ts";
import type { Logger } from "../ops/log.ts";
import type { ProcessMetrics } from "../ops/metrics.ts";
import type { Component } from "../ops/status.ts";

const RATE_MS_MIN = 1_000; // over less, a rate is chance
const NONE: FlowctlCounts = { registered: false, heartbeatsSent: 0, heartbeatErrors: 0 };

interface Ports {
  control: number;
  flight: number;
  http: number;
}

/** What the server knows of itself once it is up. */
interface ServerFacts {
  components(): Component[];
  metrics(): ProcessMetrics;
}

/** Does nothing while FLOWCTL_ENABLED is false. */
export class FlowctlLink {
  private client: FlowctlClient | undefined;
  private facts: ServerFacts | undefined;
  private isStopping = false;
  private readonly rates = new Rates();

  /**
   * @param httpTls whether health is served over https
   * @throws CodedError INVALID_ARGUMENT / TLS_FILE
   */
  constructor(
    private readonly config: Config,
    private readonly httpTls: boolean,
    private readonly log: Logger,
    private readonly tls = readOutgoingTls(config, "flowctl"),
  ) {}

  get counts(): FlowctlCounts {
    return this.client?.counts ?? NONE;
  }

  /** The component of /health; none where flowctl is not enabled. */
  component(): Component[] {
    if (!this.config.flowctlEnabled) return [];
    const [ready, message] = this.client ? [this.counts.registered, this.client.message] : [false, "starting"];
    return [{ name: "flowctl", healthy: true, ready, message, advisory: true }]; // work does not need it
  }

  /** Registers, once the system has chosen no port any more (port 0); until `isUp` as STARTING. */
  announce(ports: Ports): void {
    const { config } = this;
    if (!config.flowctlEnabled || this.client || Object.values(ports).includes(0)) return;
    const { address, tls } = config.flowctlEndpoint;
    const place = {
      address,
      tls: this.tls ?? (tls ? {} : undefined),
      protocol: config.flowctlProtocol,
      heartbeatIntervalMs: config.flowctlHeartbeatIntervalMs,
    };
    this.client = new FlowctlClient(place, componentOf(config, ports, this.httpTls), () => this.report(), this.log);
  }

  /** From now on heartbeats say how the server is. */
  isUp(facts: ServerFacts): void {
    this.facts = facts;
    this.client?.beat();
  }

  /** Tells at once that the server is on its way down. */
  stopping(): void {
    this.isStopping = true;
    this.client?.beat();
  }

  /** Unregisters; within a second whatever flowctl does. */
  async close(): Promise<void> {
    await this.client?.close();
  }

  private report() {
    const { facts } = this;
    if (facts === undefined) return { health: this.isStopping ? "STOPPING" : "STARTING", metrics: {} } as const;
    const health = this.isStopping ? "STOPPING" : healthOf(facts.components());
    return { health, metrics: this.metricsOf(facts.metrics()) };
  }

  private metricsOf(metrics: ProcessMetrics): Record<string, number> {
    const rates = this.rates.of(metrics.contractsProcessed, metrics.bytesProcessed);
    return {
      contracts_processed: metrics.contractsProcessed,
      entries_skipped: metrics.entriesSkipped,
      batches_created: metrics.batchesCreated,
      bytes_processed: metrics.bytesProcessed,
      processing_rate: rates.rows,
      current_ledger: metrics.currentLedger,
      error_count: metrics.processingErrors,
      success_count: metrics.processingDuration.counts.reduce((sum, count) => sum + count, 0),
      contracts_per_second: rates.rows,
      bytes_per_second: rates.bytes,
    };
  }
}

/** Advisory components count too: they say that work does not go on, which is what flowctl watches. */
function healthOf(components: readonly Component[]): FlowctlHealth {
  if (components.some(({ healthy }) => !healthy)) return "UNHEALTHY";
  return components.every(({ ready }) => ready) ? "HEALTHY" : "DEGRADED";
}

/** Rows and bytes a second since the report before. */
class Rates {
  private before = { ms: performance.now(), rows: 0, bytes: 0 };
  private rates = { rows: 0, bytes: 0 };

  of(rows: number, bytes: number): { rows: number; bytes: number } {
    const ms = performance.now();
    const seconds = (ms - this.before.ms) / 1000;
    if (seconds * 1000 < RATE_MS_MIN) return this.rates;
    this.rates = { rows: (rows - this.before.rows) / seconds, bytes: (bytes - this.before.bytes) / seconds };
    this.before = { ms, rows, bytes };
    return this.rates;
  }
}

function componentOf(config: Config, ports: Ports, httpTls: boolean): FlowctlComponent {
  // A flowctl on this machine reaches the server as this one reaches flowctl, another one by the machine's name.
  const { address } = config.flowctlEndpoint;
  const reachedBy = /^(localhost|127\.|\[::1\])/.test(address) ? address : hostname();
  const shown = (host: string, port: number) => advertisedAddress({ host, port }, config.advertisedHost, reachedBy);
  const control = shown(config.grpcAddress.host, ports.control);
  const health = shown(config.healthAddress.host, ports.http);
  return {
    id: flowctlComponentId(config.flowctlComponentId, config.serviceName),
    name: config.serviceName,
    description: "Reads Stellar ledgers and streams changes of Soroban contract data as Arrow batches",
    version: config.serviceVersion,
    kind: "processor",
    inputEventTypes: ["raw_ledger_service.RawLedgerChunk", "stellar.LedgerCloseMeta"],
    outputEventTypes: ["contract_data.ArrowBatch", "stellar.ContractDataEntry"],
    endpoint: control,
    healthEndpoint: `${httpTls ? "https" : "http"}://${health}/health`,
    metadata: {
      processor_type: "contract_data",
      network_passphrase: config.networkPassphrase,
      service_name: config.serviceName,
      version: config.serviceVersion,
      grpc_address: control,
      flight_address: shown(config.flightAddress.host, ports.flight),
      batch_size: String(config.batchRows),
      worker_count: String(config.workerCount),
      filter_contracts: config.filterContractIds.join(","),
      filter_assets: config.filterAssetCodes.join(","),
    },
  };
}
