/**
 * LedgerCloseMeta to contract-data rows once more, written to be read: over trees of nodes, with lists and sorts and
 * strings. What src/ledger gives must be what this gives.
 */
import { createHash } from "node:crypto";
import { formatStrkey, parseStrkey, STRKEY_CONTRACT } from "../../src/xdr/strkey.ts";
import {
  assetsOfEvents,
  contractOf,
  isAssetCode,
  issuedAsset,
  knownAsset,
  NATIVE_ASSET,
  type PlainAsset,
  type PlainKnownAssets,
} from "./plain-assets.ts";
import { CREATED, EVICTED, type PlainRow, REMOVED, RESTORED, type Reason, STATE, UPDATED } from "./plain-rows.ts";
import {
  armOf,
  balanceOf,
  goName,
  holderOf,
  isSymbol,
  mapOf,
  SCV_LEDGER_KEY_CONTRACT_INSTANCE,
  unsigned,
  vecOf,
} from "./plain-values.ts";
import {
  contentOf,
  field,
  hasField,
  int32,
  LEDGER_CLOSE_META,
  PlainFault,
  rawOf,
  readTree,
  type Unvalidated,
  type XdrNode,
} from "./tree.ts";

interface PlainSettings {
  passphrase: string;
  compat: "default" | "go";
  /** Version 2 has evicted rows, every kind of holder and balances of tokens, but not in the setting `go`. */
  schemaVersion: 1 | 2;
  /** What ledgers before this one have shown. */
  knownAssets?: PlainKnownAssets;
}

export interface PlainLedger {
  ledgerSequence: number;
  rows: PlainRow[];
  unvalidated: Unvalidated[];
  /** By hex contract id: the issued assets that instances among the changes prove. */
  shownAssets: ReadonlyMap<string, PlainAsset>;
}

interface Change {
  kind: number;
  /** What the entry is after the change; before it, where it was removed. */
  entry: XdrNode;
  /** What an updated entry was before; the same as `entry` of a removed one. */
  before?: XdrNode;
  /** The LedgerKey of a removed entry. */
  key?: XdrNode;
}

interface Place {
  reason: Reason;
  txHash: string;
  txIndex: number;
  opIndex: number;
}

const CLOSE_TIME_MAX = (2n ** 63n - 1n) / 1_000_000n; // in microseconds it is an int64

/** The rows of one ledger. @throws PlainFault */
export function plainDecode(bytes: Uint8Array, settings: PlainSettings): PlainLedger {
  const { root, unvalidated } = readTree(LEDGER_CLOSE_META, bytes);
  const meta = root.children[0]!;
  const header = field(field(meta, "ledgerHeader"), "header");
  const closeTime = Buffer.from(rawOf(field(field(header, "scpValue"), "closeTime"))).readBigUInt64BE();
  if (closeTime > CLOSE_TIME_MAX) throw new PlainFault("header", `close time ${closeTime}`);
  const context = new LedgerContext(settings, unsigned(field(header, "ledgerSeq")), Number(closeTime));

  const fees: PlainRow[] = [];
  const own: PlainRow[] = [];
  const refunds: PlainRow[] = [];
  field(meta, "txProcessing").children.forEach((processing, i) => {
    const txHash = hex(rawOf(field(field(processing, "result"), "transactionHash")));
    const place = { txHash, txIndex: i + 1, opIndex: 0 };
    context.beginTransaction();
    fees.push(...context.list(field(processing, "feeProcessing"), { ...place, reason: "fee" }));
    own.push(...transactionRows(context, field(processing, "txApplyProcessing"), place));
    if (hasField(processing, "postTxApplyFeeProcessing")) {
      refunds.push(...context.list(field(processing, "postTxApplyFeeProcessing"), { ...place, reason: "fee_refund" }));
    }
  });
  const upgrades: PlainRow[] = [];
  context.beginTransaction();
  for (const upgrade of field(meta, "upgradesProcessing").children) {
    const place: Place = { reason: "upgrade", txHash: "", txIndex: 0, opIndex: 0 };
    upgrades.push(...context.list(field(upgrade, "changes"), place));
  }
  const evictions = hasField(meta, "evictedKeys") ? context.evictions(field(meta, "evictedKeys")) : [];
  const rows = [...fees, ...own, ...refunds, ...upgrades, ...evictions];
  if (settings.compat === "default") {
    const byEvents = assetsOfEvents(field(meta, "txProcessing"), context.networkId);
    for (const row of rows) {
      row.liveUntil = context.liveUntil.get(row.keyHash) ?? 0;
      const contract = hex(parseStrkey(row.contractId, STRKEY_CONTRACT));
      row.contractAsset =
        knownAsset(settings.knownAssets, contract, context.sequence) ??
        (contract === context.nativeContract ? NATIVE_ASSET : undefined) ??
        context.shownAssets.get(contract) ??
        byEvents.get(contract);
    }
  }
  return { ledgerSequence: context.sequence, rows, unvalidated, shownAssets: context.shownAssets };
}

function transactionRows(context: LedgerContext, meta: XdrNode, place: Omit<Place, "reason">): PlainRow[] {
  const content = meta.children[0]!;
  const rows: PlainRow[] = [];
  const before = (name: string): void => {
    if (hasField(content, name)) rows.push(...context.list(field(content, name), { ...place, reason: "transaction" }));
  };
  before("txChanges");
  before("txChangesBefore");
  const operations = content.shape.kind === "list" ? content : field(content, "operations");
  operations.children.forEach((operation, opIndex) => {
    rows.push(...context.list(field(operation, "changes"), { ...place, reason: "operation", opIndex }));
  });
  before("txChangesAfter");
  return rows;
}

class LedgerContext {
  readonly liveUntil = new Map<string, number>();
  readonly networkId: Buffer;
  readonly nativeContract: string;
  readonly shownAssets = new Map<string, PlainAsset>();
  private changeIndex = 0;
  private readonly isComplete: boolean;

  constructor(
    private readonly settings: PlainSettings,
    readonly sequence: number,
    private readonly closedAt: number,
  ) {
    this.networkId = sha256(Buffer.from(settings.passphrase));
    this.isComplete = settings.schemaVersion === 2 && settings.compat === "default";
    this.nativeContract = contractOf(int32(0), this.networkId);
  }

  beginTransaction(): void {
    this.changeIndex = 0;
  }

  /** The rows of one change list. */
  list(changes: XdrNode, place: Place): PlainRow[] {
    const candidates = paired(changes.children).filter((change) => {
      const data = dataOf(change.entry);
      if (data.name === "ttl" && change.kind !== REMOVED) this.noteTtl(data.content);
      return data.name === "contractData" && this.becomesRow(change, data.content, place);
    });
    for (const { entry } of candidates) checkDurability(dataOf(entry).content);
    const byKey = candidates.map((change) => ({ change, key: ledgerKeyOf(dataOf(change.entry).content) }));
    byKey.sort((a, b) => Buffer.compare(a.key, b.key)); // Array.sort is stable
    return byKey.map(({ change }) => this.row(change, place));
  }

  /** The rows of the ledger's evicted keys, in their order. */
  evictions(keys: XdrNode): PlainRow[] {
    if (!this.isComplete) return [];
    const data = keys.children.filter((key) => armOf(key) === "contractData").map((key) => key.children[0]!);
    const rows = data.filter((key) => isContractsOwn(key));
    rows.forEach(checkDurability);
    return rows.map((key) => {
      const row = this.rowOfKey(key, { reason: "eviction", txHash: "", txIndex: 0, opIndex: 0 });
      row.change = EVICTED;
      row.holder = holderOf(field(key, "key"), true) ?? "";
      return row;
    });
  }

  private noteTtl(ttl: XdrNode): void {
    const key = hex(rawOf(field(ttl, "keyHash")));
    const until = unsigned(field(ttl, "liveUntilLedgerSeq"));
    this.liveUntil.set(key, Math.max(until, this.liveUntil.get(key) ?? 0));
  }

  private becomesRow(change: Change, data: XdrNode, place: Place): boolean {
    if (!isContractsOwn(data)) return false;
    if (this.settings.compat === "default") return true;
    return change.kind !== RESTORED && (place.reason === "operation" || place.reason === "transaction");
  }

  private row(change: Change, place: Place): PlainRow {
    const data = dataOf(change.entry).content;
    const row = this.rowOfKey(data, place);
    const keyVal = field(data, "key");
    const val = field(data, "val");
    row.lastModified = unsigned(field(change.entry, "lastModifiedLedgerSeq"));
    row.change = change.kind;
    row.valXdr = Buffer.from(rawOf(val)).toString("base64");
    const holder = holderOf(keyVal, this.isComplete);
    const balance = balanceOf(val, this.isComplete && row.durability.endsWith("Persistent"));
    if (holder !== undefined && balance !== undefined) Object.assign(row, { holder, ...balance });
    const isInstance = keyVal.number === SCV_LEDGER_KEY_CONTRACT_INSTANCE && armOf(val) === "instance";
    if (isInstance) this.instance(row, val.children[0]!, rawOf(field(data, "contract").children[0]!));
    return row;
  }

  /** What the key alone says: of a ContractDataEntry, or of the key of one. */
  private rowOfKey(data: XdrNode, place: Place): PlainRow {
    const keyVal = field(data, "key");
    return {
      ...place,
      ledgerSequence: this.sequence,
      closedAt: this.closedAt,
      changeIndex: this.changeIndex++,
      contractId: formatStrkey(rawOf(field(data, "contract").children[0]!), STRKEY_CONTRACT),
      keyType: goName(keyVal),
      durability: `ContractDataDurability${unsigned(field(data, "durability")) === 1 ? "Persistent" : "Temporary"}`,
      ...{ assetCode: "", hasAssetCode: false, assetIssuer: "", assetType: "", contractAsset: undefined },
      ...{ holder: "", balance: undefined, balanceKind: "", instanceType: "", wasmHash: "", storage: undefined },
      ...{ lastModified: 0, change: 0, liveUntil: 0 },
      keyHash: hex(sha256(ledgerKeyOf(data))),
      keyXdr: Buffer.from(rawOf(keyVal)).toString("base64"),
      valXdr: "",
    };
  }

  private instance(row: PlainRow, instance: XdrNode, contractId: Uint8Array): void {
    const executable = field(instance, "executable");
    if (this.settings.compat === "default" || row.change !== REMOVED) {
      row.instanceType = ["wasm", "stellar_asset", "external_ref"][executable.number]!;
      if (executable.number === 0) row.wasmHash = hex(rawOf(executable.children[0]!));
    }
    const storage = field(instance, "storage").children[0];
    if (row.instanceType !== "") {
      const entries = storage?.children ?? [];
      row.storage = { entries: entries.length, bytes: entries.reduce((sum, entry) => sum + rawOf(entry).length, 0) };
    }
    const info = storage?.children.find((entry) => {
      const key = vecOf(field(entry, "key"));
      return key?.length === 1 && isSymbol(key[0]!, "AssetInfo");
    });
    const named = info === undefined ? undefined : vecOf(field(info, "val"));
    if (named !== undefined) this.asset(row, named, contractId);
  }

  private asset(row: PlainRow, named: XdrNode[], contractId: Uint8Array): void {
    if (named.length < 1 || named.length > 2) return;
    const [kind, content] = named;
    const contract = hex(contractId);
    if (isSymbol(kind!, "Native")) {
      const isRecognised = named.length === 2 || this.settings.compat === "default";
      if (isRecognised && contractOf(int32(0), this.networkId) === contract) {
        row.assetType = "AssetTypeAssetTypeNative";
        return;
      }
    } else if (!isSymbol(kind!, "AlphaNum4") && !isSymbol(kind!, "AlphaNum12")) return;
    const entries = content === undefined ? undefined : mapOf(content);
    if (entries?.length !== 2) return;
    const [code, issuer] = entries;
    if (!isSymbol(code!.key, "asset_code") || armOf(code!.val) !== "str") return;
    if (!isSymbol(issuer!.key, "issuer") || armOf(issuer!.val) !== "bytes") return;
    const codeBytes = contentOf(code!.val.children[0]!);
    const issuerBytes = contentOf(issuer!.val.children[0]!);
    if (codeBytes.length < 1 || codeBytes.length > 12 || issuerBytes.length !== 32) return;
    if (this.settings.compat === "default" && !isAssetCode(codeBytes)) return;
    const [own, asset] = issuedAsset(codeBytes, issuerBytes, this.networkId);
    if (own !== contract) return;
    row.assetType = asset.type;
    row.assetCode = asset.code;
    row.hasAssetCode = true;
    row.assetIssuer = asset.issuer;
    if (!this.shownAssets.has(own)) this.shownAssets.set(own, asset);
  }
}

/** Changes with the entry that each is about; states alone are none. */
export function paired(changes: readonly XdrNode[]): Change[] {
  const found: Change[] = [];
  changes.forEach((change, i) => {
    const kind = change.number;
    const content = change.children[0]!;
    if (kind === STATE) return;
    if (kind === CREATED || kind === RESTORED) {
      found.push({ kind, entry: content });
      return;
    }
    const prior = changes[i - 1];
    if (prior === undefined || (prior.number !== STATE && prior.number !== RESTORED)) {
      throw new PlainFault("pairing", `change ${i} follows neither a state nor a restored entry`);
    }
    const before = dataOf(prior.children[0]!);
    const own = kind === UPDATED ? dataOf(content) : { name: armOf(content), content: content.children[0]! };
    if (own.name !== before.name) throw new PlainFault("pairing", `change ${i} follows an entry of another type`);
    if (own.name === "contractData" && !keyPartsOf(own.content).equals(keyPartsOf(before.content))) {
      throw new PlainFault("pairing", `change ${i} follows the state of another key`);
    }
    const beforeEntry = prior.children[0]!;
    if (kind === UPDATED) found.push({ kind, entry: content, before: beforeEntry });
    else found.push({ kind, entry: beforeEntry, before: beforeEntry, key: content });
  });
  return found;
}

export function dataOf(entry: XdrNode): { name: string; content: XdrNode } {
  const data = field(entry, "data");
  return { name: armOf(data), content: data.children[0]! };
}

/** Contract, key and durability of a ContractDataEntry or a LedgerKeyContractData: the LedgerKey's content. */
function keyPartsOf(data: XdrNode): Buffer {
  return Buffer.concat(["contract", "key", "durability"].map((name) => rawOf(field(data, name))));
}

export function ledgerKeyOf(data: XdrNode): Buffer {
  return Buffer.concat([int32(6), keyPartsOf(data)]);
}

/** Data of a contract, and no nonce: anything else never is a row. */
export function isContractsOwn(data: XdrNode): boolean {
  return armOf(field(data, "key")) !== "nonceKey" && armOf(field(data, "contract")) === "contractId";
}

function checkDurability(data: XdrNode): void {
  const durability = unsigned(field(data, "durability"));
  if (durability > 1) throw new PlainFault("durability", `durability ${durability}`);
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

function sha256(bytes: Uint8Array): Buffer {
  return createHash("sha256").update(bytes).digest();
}
