/** The server as a component of flowctl: what it registers as, and what its heartbeats say. */
import type { Config } from "../config/schema.ts";
import type { FlowctlComponent, FlowctlHealth } from "../flowctl/component.ts";
import { FlowctlClient, type FlowctlCounts } from "../flowctl/flowctl-client.ts";
import { componentId, flowctlPlace, reachableAt } from "../flowctl/place.ts";
import { Rates } from "../flowctl/rates.ts";
import type { Logger } from "../ops/log.ts";
import type { ProcessMetrics } from "../ops/metrics.ts";
import type { Component } from "../ops/status.ts";

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
  private readonly rates = new Rates(["rows", "bytes"]);

  /**
   * @param httpTls whether health is served over https
   * @throws CodedError INVALID_ARGUMENT / TLS_FILE
   */
  constructor(
    private readonly config: Config,
    private readonly httpTls: boolean,
    private readonly log: Logger,
    private readonly place = flowctlPlace(config),
  ) {}

  get counts(): FlowctlCounts {
    return this.client?.counts ?? NONE;
  }

  /** The component of /health; none where flowctl is not enabled. */
  component(): Component[] {
    if (this.place === undefined) return [];
    const [ready, message] = this.client ? [this.counts.registered, this.client.message] : [false, "starting"];
    return [{ name: "flowctl", healthy: true, ready, message, advisory: true }]; // work does not need it
  }

  /** Registers, once the system has chosen no port any more (port 0); until `isUp` as STARTING. */
  announce(ports: Ports): void {
    const { config, place } = this;
    if (place === undefined || this.client || Object.values(ports).includes(0)) return;
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
    const rates = this.rates.of({ rows: metrics.contractsProcessed, bytes: metrics.bytesProcessed });
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

function componentOf(config: Config, ports: Ports, httpTls: boolean): FlowctlComponent {
  const shown = (host: string, port: number) => reachableAt(config, { host, port });
  const control = shown(config.grpcAddress.host, ports.control);
  const health = shown(config.healthAddress.host, ports.http);
  return {
    id: componentId(config, config.serviceName),
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
