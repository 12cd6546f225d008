/** The rows of the dataset `ttl` once more, written to be read: over the trees of tree.ts. */
import { createHash } from "node:crypto";
import { formatStrkey, STRKEY_CONTRACT } from "../../src/xdr/strkey.ts";
import { dataOf, isContractsOwn, ledgerKeyOf, paired } from "./plain-decoder.ts";
import { REMOVED, UPDATED } from "./plain-rows.ts";
import { armOf, unsigned } from "./plain-values.ts";
import { field, hasField, LEDGER_CLOSE_META, PlainFault, rawOf, readTree, type XdrNode } from "./tree.ts";

const WORDS = ["created", "extended", "removed", "", "restored"];
const NO_TRANSACTION = "4294967295";

/** One list of changes, and where it stands. */
interface List {
  changes: XdrNode;
  /** 0 for the ledger's own. */
  txIndex: number;
  txHash: string;
  opIndex: number | undefined;
}

/**
 * One line a row, in the columns' order but for closed_at: absent values are empty.
 * @throws PlainFault where a change of a TTL entry follows the state of another; the bytes are a ledger that plainDecode takes
 */
export function plainTtl(bytes: Uint8Array): string[] {
  const meta = readTree(LEDGER_CLOSE_META, bytes).root.children[0]!;
  const sequence = unsigned(field(field(field(meta, "ledgerHeader"), "header"), "ledgerSeq"));
  const lists = listsOf(meta);
  const evicted = hasField(meta, "evictedKeys") ? field(meta, "evictedKeys").children : [];
  const owners = ownersOf(lists, evicted);
  const counts = new Map<number, number>();
  const lines: string[] = [];
  const add = (hash: string, until: string, before: string, word: string, { txIndex, txHash, opIndex }: List): void => {
    const count = counts.get(txIndex) ?? 0;
    counts.set(txIndex, count + 1);
    const index = txIndex === 0 ? "" : String(txIndex);
    const place = [txHash, index, index || NO_TRANSACTION, opIndex ?? "", count];
    lines.push([sequence, hash, until, before, word, ...place, ...(owners.get(hash) ?? ["", "", ""])].join("\t"));
  };
  for (const list of lists) {
    for (const { hash, until, before, word } of changesOf(list.changes)) add(hash, until, before, word, list);
  }
  for (const key of evicted) {
    if (armOf(key) !== "ttl") continue;
    const own = { changes: key, txIndex: 0, txHash: "", opIndex: undefined };
    add(hashOf(key.children[0]!), "", "", "evicted", own);
  }
  return lines;
}

/** All lists in the order of their rows: fees, then each transaction's, then refunds, then upgrades. */
function listsOf(meta: XdrNode): List[] {
  const fees: List[] = [];
  const own: List[] = [];
  const refunds: List[] = [];
  field(meta, "txProcessing").children.forEach((processing, i) => {
    const txHash = hex(rawOf(field(field(processing, "result"), "transactionHash")));
    const list = (changes: XdrNode, opIndex?: number): List => ({ changes, txIndex: i + 1, txHash, opIndex });
    fees.push(list(field(processing, "feeProcessing")));
    const content = field(processing, "txApplyProcessing").children[0]!;
    for (const name of ["txChanges", "txChangesBefore"]) {
      if (hasField(content, name)) own.push(list(field(content, name)));
    }
    const operations = content.shape.kind === "list" ? content : field(content, "operations");
    own.push(...operations.children.map((operation, index) => list(field(operation, "changes"), index)));
    if (hasField(content, "txChangesAfter")) own.push(list(field(content, "txChangesAfter")));
    if (hasField(processing, "postTxApplyFeeProcessing")) {
      refunds.push(list(field(processing, "postTxApplyFeeProcessing")));
    }
  });
  const upgrades = field(meta, "upgradesProcessing").children.map((upgrade) => ({
    ...{ changes: field(upgrade, "changes"), txIndex: 0, txHash: "", opIndex: undefined },
  }));
  return [...fees, ...own, ...refunds, ...upgrades];
}

/** The TTL changes of one list, sorted by their keys. */
function changesOf(changes: XdrNode) {
  const found = paired(changes.children).flatMap(({ kind, entry, before, key }) => {
    const { name, content } = dataOf(entry);
    if (name !== "ttl") return [];
    const hash = hashOf(key === undefined ? content : key.children[0]!);
    const prior = before === undefined ? undefined : dataOf(before).content;
    if (prior !== undefined && hashOf(prior) !== hash) throw new PlainFault("pairing", "a TTL change of another key");
    const until = kind === REMOVED ? "" : untilOf(content);
    const wasUntil = kind === UPDATED || kind === REMOVED ? untilOf(prior!) : "";
    return [{ hash, until, before: wasUntil, word: WORDS[kind]! }];
  });
  return found.sort((a, b) => (a.hash < b.hash ? -1 : a.hash > b.hash ? 1 : 0));
}

/** What the ledger tells of entries, by the hashes of their keys: contract, key and durability. */
function ownersOf(lists: readonly List[], evicted: readonly XdrNode[]): Map<string, string[]> {
  const owners = new Map<string, string[]>();
  const note = (data: XdrNode): void => {
    const durability = unsigned(field(data, "durability"));
    if (!isContractsOwn(data) || durability > 1) return;
    owners.set(createHash("sha256").update(ledgerKeyOf(data)).digest("hex"), [
      formatStrkey(rawOf(field(data, "contract").children[0]!), STRKEY_CONTRACT),
      Buffer.from(rawOf(field(data, "key"))).toString("base64"),
      `ContractDataDurability${durability === 1 ? "Persistent" : "Temporary"}`,
    ]);
  };
  for (const { changes } of lists) {
    for (const { entry } of paired(changes.children)) {
      const { name, content } = dataOf(entry);
      if (name === "contractData") note(content);
    }
  }
  for (const key of evicted) if (armOf(key) === "contractData") note(key.children[0]!);
  return owners;
}

/** Of a TTLEntry, or the content of its LedgerKey. */
function hashOf(ttl: XdrNode): string {
  return hex(rawOf(field(ttl, "keyHash")));
}

function untilOf(ttl: XdrNode): string {
  return String(unsigned(field(ttl, "liveUntilLedgerSeq")));
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
