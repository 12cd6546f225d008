/** Small ledgers to begin from: real ones with most of their transactions left out. */
import { LOAD_TEST, PUBNET } from "../support/networks.ts";
import type { Dice } from "./dice.ts";
import { classicLedgers, ledger53312000, ledger58752000, loadTestLedgers } from "./ledger-fixtures.ts";
import { copyOf, field, hasField, LEDGER_CLOSE_META, readTree, walk, type XdrNode } from "./tree.ts";

interface Source {
  passphrase: string;
  root: XdrNode;
  /** Positions in txProcessing whose meta has contract data. */
  soroban: number[];
}

interface SmallLedger {
  passphrase: string;
  root: XdrNode;
}

const TRANSACTIONS_MAX = 4;
const ENVELOPES_MAX = 2;
const BYTES_MAX_TRANSACTION = 40_000; // one huge transaction would slow every case made from it

let sources: Source[] | undefined;

function load(): Source[] {
  sources ??= [
    ...[ledger58752000(), ledger53312000(), classicLedgers()[2]!].map((bytes) => sourceOf(bytes, PUBNET)),
    sourceOf(loadTestLedgers()[0]!, LOAD_TEST),
  ];
  return sources;
}

function sourceOf(bytes: Uint8Array, passphrase: string): Source {
  const { root } = readTree(LEDGER_CLOSE_META, bytes);
  const soroban = field(root.children[0]!, "txProcessing").children.flatMap((transaction, i) =>
    transaction.end - transaction.start < BYTES_MAX_TRANSACTION && hasContractData(transaction) ? [i] : [],
  );
  return { passphrase, root, soroban };
}

function hasContractData(node: XdrNode): boolean {
  for (const { shape } of walk(node)) if (shape.kind === "struct" && shape.name === "ContractDataEntry") return true;
  return false;
}

/** A real ledger with a few of its transactions, most of them with contract data. */
export function smallLedger(dice: Dice): SmallLedger {
  const { root, passphrase, soroban } = dice.pick(load());
  const meta = { ...root.children[0]! };
  meta.children = [...meta.children];
  const replace = (name: string, change: (node: XdrNode) => XdrNode): void => {
    if (!hasField(meta, name) || meta.shape.kind !== "struct") return;
    const index = meta.shape.fields.findIndex((f) => f.name === name);
    meta.children[index] = change(meta.children[index]!);
  };
  replace("txProcessing", (list) => {
    const kept: XdrNode[] = [];
    for (let n = dice.between(1, TRANSACTIONS_MAX); n > 0 && list.children.length > 0; n--) {
      const at = soroban.length > 0 && dice.chance(0.8) ? dice.pick(soroban) : dice.below(list.children.length);
      const transaction = list.children[at]!;
      if (transaction.end - transaction.start < BYTES_MAX_TRANSACTION) kept.push(transaction);
    }
    return { ...list, children: kept };
  });
  replace("txSet", withFewEnvelopes);
  replace("scpInfo", (list) => ({ ...list, children: list.children.slice(0, 1) }));
  // the transactions stay shared with the source: whoever changes the tree works on a copy
  return { passphrase, root: copyOf({ ...root, children: [meta] }) };
}

function withFewEnvelopes(node: XdrNode): XdrNode {
  const isEnvelopes =
    node.shape.kind === "list" && node.shape.of.kind === "union" && node.shape.of.name === "TransactionEnvelope";
  if (isEnvelopes) return { ...node, children: node.children.slice(0, ENVELOPES_MAX) };
  const children = node.shape.kind === "list" ? node.children.slice(0, ENVELOPES_MAX) : node.children;
  return { ...node, children: children.map(withFewEnvelopes) };
}
