/** What sessions are made with, out of the configuration. */
import { versionsOf } from "../columns/datasets.ts";
import type { Config } from "../config/schema.ts";
import type { SessionDefaults } from "../sessions/session-host.ts";
import { COMPRESSIONS } from "../vocabulary/compression.ts";
import { FILTER_KINDS } from "../vocabulary/filter-kinds.ts";
import type { FilterRecord } from "../vocabulary/row-filter.ts";

/** The defaults that a server with this configuration gives to sessions. */
export function sessionDefaultsOf(config: Config): SessionDefaults {
  return {
    filter: filterOf(config),
    knownAssets: config.knownAssets,
    network: config.networkPassphrase,
    batchRows: config.batchRows,
    dictionaries: config.dictionaries,
    slotsMax: config.channelBatches,
    sessionsMax: config.sessionsMax,
    checkpointIntervalMs: config.checkpointIntervalMs,
    resumeSessions: config.resumeSessions,
    terms: JSON.stringify([config.networkPassphrase, config.compat, config.onError]),
    limits: {
      schemaVersions: versionsOf("contract_data"),
      compressions: COMPRESSIONS,
      partitionsMax: config.partitionsMax,
    },
  };
}

/** The filter of a session that names none. */
function filterOf(config: Config): FilterRecord {
  const filter: FilterRecord = Object.fromEntries(FILTER_KINDS.map(({ name, setting }) => [name, config[setting]]));
  return { ...filter, durability: config.filterDurability === "both" ? undefined : config.filterDurability };
}
