/** One stream's side of what is known of assets: where it is needed, and what has come in of what was learned. */
import { BatchEncoder } from "../columns/batch-encoder.ts";
import { DATASET_DEFAULT } from "../vocabulary/dataset.ts";
import type { FilterRecord } from "../vocabulary/row-filter.ts";
import type { AssetRecord, StreamSpec } from "../workers/records.ts";
import type { AssetTable } from "./asset-table.ts";

/** Decides which ledgers of a stream need known assets, and adds to the table what the stream's spans have taught. */
export class StreamAssets {
  /** Messages with learned assets that have come from the data plane; the cell counts those sent. */
  messages = 0;
  private readonly byColumns: boolean;
  /** Other datasets have no assets. */
  private readonly hasContractData: boolean;

  /** @throws CodedError INVALID_ARGUMENT for columns that cannot be */
  constructor(
    readonly table: AssetTable,
    private readonly spec: StreamSpec,
  ) {
    const { datasets = [DATASET_DEFAULT], schemaVersion, columns } = spec;
    this.hasContractData = datasets.includes("contract_data");
    this.byColumns =
      this.hasContractData && new BatchEncoder({ schemaVersion, networkPassphrase: "", columns }).decoderOptions.assets;
  }

  /** After how many ledgers what a ledger shows is known; undefined where the stream does not learn. */
  get delayLedgers(): number | undefined {
    return this.spec.assetDelayLedgers;
  }

  /** Whether rows of these ledgers need to know their assets, for a column or for a filter. */
  needed(ledgerFirst: number, ledgerLast: number): boolean {
    const { compat, filters } = this.spec;
    if (compat === "go" || !this.hasContractData) return false;
    if (this.byColumns) return true;
    return filters.some(
      ({ ledgerFrom, filter }, step) =>
        namesAssets(filter) &&
        ledgerFrom <= ledgerLast &&
        !((filters[step + 1]?.ledgerFrom ?? Infinity) <= ledgerFirst),
    );
  }

  /** What a span has taught, in the order of spans. */
  learned(assets: readonly AssetRecord[]): void {
    this.messages += 1;
    for (const asset of assets) this.table.add(asset);
  }
}

function namesAssets({ assetCodes = [], assetIssuers = [] }: FilterRecord): boolean {
  return assetCodes.length + assetIssuers.length > 0;
}
