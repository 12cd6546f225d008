/** A sink as a consumer that flowctl knows of, where FLOWCTL_ENABLED says so. */
import type { Address } from "../config/address.ts";
import type { ConfigInputs } from "../config/load.ts";
import { loadConfig } from "../config/load.ts";
import { VERSION } from "../config/version.ts";
import { FlowctlClient } from "../flowctl/flowctl-client.ts";
import { componentId, FLOWCTL_KEYS, flowctlPlace, reachableAt } from "../flowctl/place.ts";
import { Rates } from "../flowctl/rates.ts";
import type { Logger } from "../ops/log.ts";

/** What a sink says of itself at each heartbeat; counts since it began. */
interface SinkReport {
  received: number;
  inserted: number;
  commits: number;
  errors: number;
  ledger: number;
  /** It waits after a failure. */
  isFailing: boolean;
}

/** What is registered. */
interface SinkComponent {
  name: string;
  description: string;
  /** Where its /health is served, if anywhere. */
  http: Address | undefined;
  metadata: Readonly<Record<string, string>>;
}

/**
 * Reads the settings; what it returns registers the sink, or does nothing where flowctl is not enabled.
 * @throws CodedError INVALID_ARGUMENT / CONFIG_INVALID, TLS_FILE
 */
export function sinkFlowctl(
  env: NonNullable<ConfigInputs["env"]>,
): (component: SinkComponent, report: () => SinkReport, log: Logger) => FlowctlClient | undefined {
  const config = loadConfig({ env }, FLOWCTL_KEYS).values;
  const place = flowctlPlace(config);
  return ({ name, description, http, metadata }, report, log) => {
    if (place === undefined) return undefined;
    const rates = new Rates(["inserted"]);
    const component = {
      ...{ id: componentId(config, name), name, description, version: VERSION, kind: "consumer" as const, metadata },
      inputEventTypes: ["contract_data.ArrowBatch", "stellar.ContractDataEntry"],
      ...{ outputEventTypes: [], endpoint: "" },
      healthEndpoint: http === undefined ? "" : `http://${reachableAt(config, http)}/health`,
    };
    const said = () => {
      const { received, inserted, commits, errors, ledger, isFailing } = report();
      const metrics = {
        ...{ records_received: received, records_inserted: inserted, batches_processed: commits },
        ...{ error_count: errors, success_count: commits, current_ledger: ledger },
        processing_rate: rates.of({ inserted }).inserted,
      };
      return { health: isFailing ? "DEGRADED" : "HEALTHY", metrics } as const;
    };
    return new FlowctlClient(place, component, said, log);
  };
}
