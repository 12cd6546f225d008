/** Builds small ledgers byte by byte, so that each rule can be shown by a ledger that has nothing else in it. */
import { chainOf, link } from "../support/chain.ts";
import { PUBNET } from "../support/networks.ts";

/** Ledgers that are made here are pubnet's. */
export const NETWORK = PUBNET;

export type Bytes = Uint8Array;

export function concat(...parts: Bytes[]): Bytes {
  return new Uint8Array(Buffer.concat(parts));
}

export function u32(value: number): Bytes {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value >>> 0);
  return bytes;
}

export function u64(value: bigint): Bytes {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt.asUintN(64, value));
  return bytes;
}

export function opaque(bytes: Bytes): Bytes {
  return concat(u32(bytes.length), bytes, new Uint8Array(-bytes.length & 3));
}

const text = (value: string): Bytes => opaque(new TextEncoder().encode(value));
const list = (items: Bytes[]): Bytes => concat(u32(items.length), ...items);

/** 32 bytes, all of one value. */
export const id = (byte: number): Bytes => new Uint8Array(32).fill(byte);

// ScVals
export const scBool = (value: boolean): Bytes => concat(u32(0), u32(value ? 1 : 0));
export const scU32 = (value: number): Bytes => concat(u32(3), u32(value));
export const scI128 = (value: bigint): Bytes => concat(u32(10), u64(value >> 64n), u64(value));
export const scBytes = (bytes: Bytes): Bytes => concat(u32(13), opaque(bytes));
export const scString = (value: string): Bytes => concat(u32(14), text(value));
export const scSymbol = (value: string): Bytes => concat(u32(15), text(value));
export const scVec = (items: Bytes[]): Bytes => concat(u32(16), u32(1), list(items));
export const scMap = (entries: [Bytes, Bytes][]): Bytes =>
  concat(u32(17), u32(1), list(entries.map((e) => concat(...e))));
export const contractAddress = (contract: Bytes): Bytes => concat(u32(1), contract);
export const muxedAddress = (account: Bytes, number: bigint): Bytes => concat(u32(2), u64(number), account);
export const claimableBalanceAddress = (hash: Bytes): Bytes => concat(u32(3), u32(0), hash);
export const poolAddress = (pool: Bytes): Bytes => concat(u32(4), pool);
export const accountAddress = (account: Bytes): Bytes => concat(u32(0), u32(0), account);
export const scAddress = (address: Bytes): Bytes => concat(u32(18), address);
export const scInstanceKey = u32(20);
export const scNonceKey = concat(u32(21), u64(7n));
/** `executable`: wasm hash, or "asset". */
export const scInstance = (executable: Bytes | "asset", storage: [Bytes, Bytes][]): Bytes =>
  concat(
    u32(19),
    executable === "asset" ? u32(1) : concat(u32(0), executable),
    u32(1),
    list(storage.map((e) => concat(...e))),
  );

/** Key and value of a token balance entry that a contract holds. */
export const balance = (holder: Bytes, amount: bigint): { key: Bytes; val: Bytes } =>
  balanceOf(contractAddress(holder), amount);

/** The same of any holder, given as an SCAddress. */
export const balanceOf = (holder: Bytes, amount: bigint): { key: Bytes; val: Bytes } => ({
  key: scVec([scSymbol("Balance"), scAddress(holder)]),
  val: scMap([
    [scSymbol("amount"), scI128(amount)],
    [scSymbol("authorized"), scBool(true)],
    [scSymbol("clawback"), scBool(false)],
  ]),
});

interface Data {
  contract?: Bytes;
  /** An SCAddress instead of the contract's. */
  address?: Bytes;
  key: Bytes;
  val?: Bytes;
  durability?: number;
  lastModified?: number;
}

const keyTail = (data: Data): Bytes =>
  concat(data.address ?? contractAddress(data.contract ?? id(1)), data.key, u32(data.durability ?? 1));

export const ledgerKey = (data: Data): Bytes => concat(u32(6), keyTail(data));

const entry = (data: Data): Bytes =>
  concat(u32(data.lastModified ?? 100), u32(6), u32(0), keyTail(data), data.val ?? scU32(0), u32(0));

// LedgerEntryChanges
export const created = (data: Data): Bytes => concat(u32(0), entry(data));
export const updated = (data: Data): Bytes => concat(u32(1), entry(data));
export const removed = (data: Data): Bytes => concat(u32(2), ledgerKey(data));
export const state = (data: Data): Bytes => concat(u32(3), entry(data));
export const restored = (data: Data): Bytes => concat(u32(4), entry(data));
export const ttlCreated = (keyHash: Bytes, liveUntil: number): Bytes =>
  concat(u32(0), u32(100), u32(9), keyHash, u32(liveUntil), u32(0));

/** A ContractEvent of one contract. */
export const contractEvent = (contract: Bytes, topics: Bytes[]): Bytes =>
  concat(u32(0), u32(1), contract, u32(1), u32(0), list(topics), scI128(1n));

export interface Transaction {
  /** Contract events: of the transaction (meta version 3), or of its first operation (4). */
  events?: Bytes[];
  metaVersion?: 3 | 4;
  hash?: Bytes;
  /** What stands in the transaction set; readers that pair it with the changes need `hash` to be its own. */
  envelope?: Bytes;
  fee?: Bytes[];
  before?: Bytes[];
  operations?: Bytes[][];
  after?: Bytes[];
}

const SEQUENCE = 100; // of a ledger that is given none
const CLOSE_TIME_MAX = 9_223_372_036_854n; // no header with a later one is read

const VOID_RESULT_CODE = -6; // txBAD_SEQ: a result arm without content

function transactionMeta(tx: Transaction): Bytes {
  const result = concat(tx.hash ?? id(9), u64(100n), u32(VOID_RESULT_CODE), u32(0));
  return concat(result, list(tx.fee ?? []), tx.metaVersion === 4 ? metaV4(tx) : metaV3(tx));
}

function metaV3(tx: Transaction): Bytes {
  const operations = (tx.operations ?? []).map((changes) => list(changes));
  const soroban = tx.events === undefined ? u32(0) : concat(u32(1), u32(0), list(tx.events), u32(1), u32(0));
  return concat(u32(3), u32(0), list(tx.before ?? []), list(operations), list(tx.after ?? []), soroban);
}

function metaV4(tx: Transaction): Bytes {
  const operations = (tx.operations ?? []).map((changes, i) =>
    concat(u32(0), list(changes), list(i === 0 ? (tx.events ?? []) : [])),
  );
  const none = concat(u32(0), u32(0), u32(0)); // soroban meta, events, diagnostic events
  return concat(u32(4), u32(0), list(tx.before ?? []), list(operations), list(tx.after ?? []), none);
}

export interface Ledger {
  sequence?: number;
  closeTime?: bigint;
  /** Its StellarValue says that the transaction set is empty by decision of the validators (protocol 28). */
  emptySet?: boolean;
  transactions?: Transaction[];
  /** Changes of one upgrade each. */
  upgrades?: Bytes[][];
  /** LedgerKeys. */
  evicted?: Bytes[];
}

const before = chainOf((sequence) => unlinked({ sequence }));

/** A LedgerCloseMeta of version 1. The chain of those holds whose header says nothing else than its default. */
export function buildLedger(ledger: Ledger): Bytes {
  const bytes = unlinked(ledger);
  if ((ledger.closeTime ?? 0n) <= CLOSE_TIME_MAX) link(bytes, before(ledger.sequence ?? SEQUENCE));
  return bytes;
}

/** Phases of a generalized transaction set: one, of one component, or none. */
function phases(envelopes: Bytes[]): Bytes {
  return envelopes.length === 0 ? u32(0) : concat(u32(1), u32(0), u32(1), u32(0), u32(0), list(envelopes));
}

/** A transaction of one operation, BumpSequence, with nothing else in it: its content, and its envelope without signatures. */
export function bumpSequence(number: bigint): { content: Bytes; envelope: Bytes } {
  const content = concat(
    concat(u32(0), id(5), u32(100), u64(number), u32(0), u32(0)),
    concat(u32(1), u32(0), u32(11), u64(number), u32(0)),
  );
  return { content, envelope: concat(u32(2), content, u32(0)) };
}

function unlinked(ledger: Ledger): Bytes {
  // the transaction set proposed, the hash before it, and a signature (CAP-83)
  const emptySet = (): Bytes => concat(u32(2), id(7), id(8), u32(27), u32(0), id(9), opaque(id(10)));
  const valueExt = ledger.emptySet ? emptySet() : u32(0);
  const scpValue = concat(id(2), u64(ledger.closeTime ?? 1_700_000_000n), u32(0), valueExt);
  const counters = concat(u64(0n), u64(0n), u32(0), u64(0n), u32(100), u32(100), u32(100));
  const header = concat(
    concat(u32(22), id(3), scpValue, id(4), id(5), u32(ledger.sequence ?? SEQUENCE)),
    concat(counters, id(0), id(0), id(0), id(0), u32(0)),
  );
  const txSet = concat(u32(1), id(3), phases((ledger.transactions ?? []).flatMap(({ envelope }) => envelope ?? [])));
  const baseFeeUpgrade = concat(u32(2), u32(100));
  return concat(
    concat(u32(1), u32(0)),
    concat(id(6), header, u32(0)),
    txSet,
    list((ledger.transactions ?? []).map(transactionMeta)),
    list((ledger.upgrades ?? []).map((changes) => concat(baseFeeUpgrade, list(changes)))),
    u32(0),
    concat(u64(0n), list(ledger.evicted ?? []), u32(0)),
  );
}
