/**
 * Deals the rows of one ledger out to a dataset's partitions, by the hash that a filter's shard goes by too: of contract
 * ids, so that all changes of a contract are in one partition, in order; rows of other datasets by their key hashes. A
 * partition can be read again from the source by a plain stream with that shard.
 */
import { shardHash } from "../ledger/filter.ts";
import { RowSet } from "../ledger/row-set.ts";
import type { Dataset } from "../vocabulary/dataset.ts";

/** Deals a ledger's rows out to the partitions of a dataset. */
export class RowDealer {
  /** Where the next ledger is to be decoded to. */
  readonly rows = new RowSet();
  private readonly hands: number[][];

  /** @param partitions what is dealt to, in their order */
  constructor(
    private readonly dataset: Dataset,
    private readonly partitions: readonly RowSet[],
  ) {
    this.hands = partitions.map(() => []);
  }

  /** All rows, which are of one ledger, each to its partition. */
  deal(): void {
    const { rows, hands, partitions } = this;
    const ledger = rows.ledgers[0];
    if (ledger === undefined) return; // it has no rows
    for (const hand of hands) hand.length = 0;
    const byContract = this.dataset === "contract_data";
    const view = byContract ? ledger.view : new DataView(rows.keyHash.buffer);
    for (let row = 0; row < rows.length; row++) {
      const at = byContract ? rows.contractAt[row]! : row * 32;
      hands[shardHash(view, at) % hands.length]!.push(row);
    }
    for (let index = 0; index < hands.length; index++) partitions[index]!.append(rows, hands[index]!);
    rows.clear();
  }
}
