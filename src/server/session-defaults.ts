/** What sessions are made with, out of the configuration. */
import { SCHEMA_VERSIONS } from "../columns/batch-encoder.ts";
import type { Config } from "../config/schema.ts";
import type { SessionDefaults } from "../sessions/session-host.ts";
import type { ChangeType } from "../vocabulary/change-type.ts";
import { COMPRESSIONS } from "../vocabulary/compression.ts";

/** The defaults that a server with this configuration gives to sessions. */
export function sessionDefaultsOf(config: Config): SessionDefaults {
  return {
    filter: {
      contractIds: config.filterContractIds,
      assetCodes: config.filterAssetCodes,
      assetIssuers: config.filterAssetIssuers,
      balanceHolders: config.filterBalanceHolders,
      balanceMin: config.filterMinBalance,
      keyTypes: config.filterKeyTypes,
      durability: config.filterDurability === "both" ? undefined : config.filterDurability,
      changeTypes: config.filterChangeTypes as ChangeType[],
      modifiedAfterLedger: config.filterModifiedAfterLedger,
      includeDeleted: config.includeDeleted,
    },
    knownAssets: config.knownAssets,
    network: config.networkPassphrase,
    batchRows: config.batchRows,
    slotsMax: config.channelBatches,
    sessionsMax: config.sessionsMax,
    checkpointIntervalMs: config.checkpointIntervalMs,
    resumeSessions: config.resumeSessions,
    limits: { schemaVersions: SCHEMA_VERSIONS, compressions: COMPRESSIONS, partitionsMax: config.partitionsMax },
  };
}
