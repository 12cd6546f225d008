/** The reader of an export's chunks: which rows, the export's own settings say. */
import { LedgerRows } from "../export/ledger-rows.ts";
import { datasetOf } from "../export/settings.ts";
import type { ExportTarget } from "../export/target.ts";
import type { RowReader } from "../export/write-chunk.ts";
import { JsonObject } from "../flight/json-object.ts";
import { takeFilter } from "../flight/range-ticket.ts";
import { rowFilterOf } from "../ledger/filter.ts";
import { checkedFilter } from "../sessions/filters.ts";
import type { LedgerSource, TroubleListener } from "../sources/source.ts";

/** @param openSource as LedgerRows has it. @throws CodedError INVALID_ARGUMENT where the settings' filters are none of this version */
export function rowsOfTarget(
  { settings }: ExportTarget,
  openSource: () => Promise<LedgerSource>,
  onTrouble: TroubleListener,
): RowReader {
  const filter = rowFilterOf(checkedFilter(takeFilter(new JsonObject(settings.filters, "filters of the export"))));
  const { network_passphrase: networkPassphrase, known_assets: knownAssets } = settings;
  return new LedgerRows({
    dataset: datasetOf(settings),
    openSource,
    networkPassphrase,
    filter,
    knownAssets,
    onTrouble,
  });
}
