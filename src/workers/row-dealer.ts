/**
 * Deals the rows of one ledger out to a stream's partitions, by the hash of their contract ids that a filter's shard
 * goes by too: so all changes of a contract are in one partition, in order, and a partition can be read again from the
 * source by a plain stream with that shard.
 */
import { shardHash } from "../ledger/filter.ts";
import { RowSet } from "../ledger/row-set.ts";

/** Deals a ledger's rows out to the partitions of a stream, by contract. */
export class RowDealer {
  /** Where the next ledger is to be decoded to. */
  readonly rows = new RowSet();
  private readonly hands: number[][];

  /** @param partitions what is dealt to, in their order */
  constructor(private readonly partitions: readonly RowSet[]) {
    this.hands = partitions.map(() => []);
  }

  /** All rows, which are of one ledger, each to its partition. */
  deal(): void {
    const { rows, hands, partitions } = this;
    const view = rows.ledgers[0]?.view;
    if (view === undefined) return; // the ledger has no rows
    for (const hand of hands) hand.length = 0;
    for (let row = 0; row < rows.length; row++) {
      hands[shardHash(view, rows.contractAt[row]!) % hands.length]!.push(row);
    }
    for (let index = 0; index < hands.length; index++) partitions[index]!.append(rows, hands[index]!);
    rows.clear();
  }
}
