/** What skip.ts has: the walkers with their visitors, and the skippers that hand-written code calls. */

/** `visits` maps `Type` or `Struct.field` to the visitor call made there. */
export interface Walk {
  name: string;
  visits: Record<string, Visit>;
}

export interface Visit {
  method: string;
  /** Extra argument, as source text. */
  argument?: string;
  /** The visitor steps over the value itself and returns the position after it. */
  consumes: boolean;
}

const list = (argument: string): Visit => ({ method: "changes", argument, consumes: true });
const evicted: Visit = { method: "evicted", consumes: true };
const events: Visit = { method: "events", consumes: true };
const CHANGES_VISITS: Record<string, Visit> = {
  LedgerHeaderHistoryEntry: { method: "header", consumes: false },
  TransactionResultPair: { method: "transaction", consumes: false },
  "TransactionResultMeta.feeProcessing": list("LIST_FEE"),
  "TransactionResultMetaV1.feeProcessing": list("LIST_FEE"),
  "TransactionResultMetaV1.postTxApplyFeeProcessing": list("LIST_FEE_REFUND"),
  "TransactionMetaV1.txChanges": list("LIST_TRANSACTION"),
  "TransactionMetaV2.txChangesBefore": list("LIST_TRANSACTION"),
  "TransactionMetaV2.txChangesAfter": list("LIST_TRANSACTION"),
  "TransactionMetaV3.txChangesBefore": list("LIST_TRANSACTION"),
  "TransactionMetaV3.txChangesAfter": list("LIST_TRANSACTION"),
  "TransactionMetaV4.txChangesBefore": list("LIST_TRANSACTION"),
  "TransactionMetaV4.txChangesAfter": list("LIST_TRANSACTION"),
  "OperationMeta.changes": list("LIST_OPERATION"),
  "OperationMetaV2.changes": list("LIST_OPERATION"),
  "UpgradeEntryMeta.changes": list("LIST_UPGRADE"),
  "LedgerCloseMetaV1.evictedKeys": evicted,
  "LedgerCloseMetaV2.evictedKeys": evicted,
};

export const WALKS: (Walk & { root: string; doc: string })[] = [
  {
    name: "walkChanges",
    root: "LedgerCloseMeta",
    doc: "Called at the header, at each transaction's result and for each list of ledger entry changes, in wire order; at last for the evicted keys.",
    visits: CHANGES_VISITS,
  },
  {
    name: "walkEvents",
    root: "LedgerCloseMeta",
    doc: "As ChangesVisitor, and for the lists of contract events that operations emit.",
    visits: {
      ...CHANGES_VISITS,
      "SorobanTransactionMeta.events": events,
      "OperationMetaV2.events": events,
    },
  },
  {
    name: "walkEnvelopes",
    root: "LedgerCloseMeta",
    doc: "Called for each transaction envelope of the transaction set, then for each transaction's result.",
    visits: {
      TransactionEnvelope: { method: "envelope", consumes: true },
      TransactionResultPair: { method: "transaction", consumes: false },
    },
  },
];

/** Skippers that hand-written code calls. */
export const SKIPS = [
  ...["LedgerCloseMeta", "LedgerHeader", "StellarValue"],
  ...["LedgerEntry", "LedgerEntryExt", "LedgerKey", "ScVal", "ScAddress", "ContractExecutable"],
  ...["TransactionEnvelope", "TransactionV0", "Transaction", "FeeBumpTransaction"],
];

export function visitorName(walk: Walk): string {
  return `${walk.name.replace(/^walk/, "")}Visitor`;
}
