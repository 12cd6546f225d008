/**
 * Random values of any XDR type, valid by construction. Whole ledgers lean towards what the rules care about:
 * lists of changes are paired as core pairs them, mostly, and rich in what rows are made of.
 */
import { createHash } from "node:crypto";
import { formatStrkey, STRKEY_ACCOUNT } from "../../src/xdr/strkey.ts";
import { concat, int, opaqueBytes } from "./bytes.ts";
import type { Dice } from "./dice.ts";
import { padded, type Shape, shapeNamed, sizeMin } from "./sdk-types.ts";

const DEPTH_RICH = 12; // below this many containers every arm may be taken, deeper only the smallest
const ITEMS_MAX = 3;
const CLOSE_TIME_MAX_USUAL = 2n ** 42n;
const GROUPS_MAX = 5;
const SCV = {
  bool: 0,
  u128: 9,
  i128: 10,
  bytes: 13,
  string: 14,
  symbol: 15,
  vec: 16,
  map: 17,
  address: 18,
  instance: 19,
};
const SC_VAL = shapeNamed("ScVal");
const SC_ADDRESS = shapeNamed("ScAddress");
const LEDGER_ENTRY = shapeNamed("LedgerEntry");
const CREATED = 0;
const UPDATED = 1;
const REMOVED = 2;
const STATE = 3;
const RESTORED = 4;

interface RandomAsset {
  contract: Uint8Array;
  /** What its instance stores under AssetInfo. */
  info: Uint8Array;
  text: Uint8Array;
}

export interface RandomContext {
  dice: Dice;
  /** Decides which contract an asset has. */
  networkId: Uint8Array;
  /** Hashes of the ledger keys made so far: TTL entries name some of them. */
  keyHashes: Uint8Array[];
  /** The issued assets whose contracts were made so far (SEP-11): balances and events are of some of them. */
  assets: RandomAsset[];
  /** Those of them whose contract's instance was made. */
  shown: RandomAsset[];
}

export function randomContext(dice: Dice, passphrase: string): RandomContext {
  return { dice, networkId: createHash("sha256").update(passphrase).digest(), keyHashes: [], assets: [], shown: [] };
}

/** The XDR of a random value. */
export function randomValue(shape: Shape, context: RandomContext, depth = 0): Uint8Array {
  const { dice } = context;
  const isPoor = depth >= DEPTH_RICH;
  switch (shape.kind) {
    case "number":
      return dice.chance(0.5) ? int(dice.below(200), shape.size) : dice.bytes(shape.size);
    case "bool":
      return int(dice.below(2), 4);
    case "enum":
      return int(dice.pick(shape.values), 4);
    case "opaque":
      return concat(dice.bytes(shape.length), new Uint8Array(padded(shape.length) - shape.length));
    case "bytes":
      return opaqueBytes(dice.bytes(Math.min(shape.max, isPoor ? 0 : dice.below(24))));
    case "array":
      return concat(...Array.from({ length: shape.length }, () => randomValue(shape.of, context, depth + 1)));
    case "list":
      return randomList(shape, context, depth);
    case "option":
      if (isPoor || dice.chance(0.3)) return int(0, 4);
      return concat(int(1, 4), randomValue(shape.of, context, depth + 1));
    case "struct":
      return concat(
        ...shape.fields.map((field) => {
          if (shape.name === "StellarValue" && field.name === "closeTime" && !dice.chance(0.02)) return closeTime(dice);
          return randomValue(field.shape, context, depth + 1);
        }),
      );
    case "union": {
      let arms = [...shape.arms];
      if (isPoor) {
        const smallest = Math.min(...arms.map(([, arm]) => (arm.shape ? sizeMin(arm.shape) : 0)));
        arms = arms.filter(([, arm]) => (arm.shape ? sizeMin(arm.shape) : 0) === smallest);
      } else if (shape.name === "TransactionMeta" && dice.chance(0.8)) {
        arms = arms.filter(([version]) => version >= 3);
      }
      const [discriminant, arm] = dice.pick(arms);
      return concat(int(discriminant, 4), arm.shape ? randomValue(arm.shape, context, depth + 1) : new Uint8Array());
    }
  }
}

function randomList(shape: Shape & { kind: "list" }, context: RandomContext, depth: number): Uint8Array {
  const { dice } = context;
  if (shape.of.kind === "union" && shape.of.name === "LedgerEntryChange") {
    // lists of changes are what the rules are about: they are made whole, however deep they lie
    return randomChanges(context, depth);
  }
  if (shape.of.kind === "struct" && shape.of.name === "ContractEvent" && dice.chance(0.7)) {
    const length = dice.below(ITEMS_MAX + 1);
    return concat(int(length, 4), ...Array.from({ length }, () => randomEvent(context, depth)));
  }
  if (shape.of.kind === "union" && shape.of.name === "LedgerKey" && dice.chance(0.7)) {
    const length = dice.below(ITEMS_MAX + 1);
    return concat(int(length, 4), ...Array.from({ length }, () => randomDataKey(context, depth)));
  }
  const isRow =
    shape.of.kind === "struct" && /^(TransactionResultMeta|OperationMeta|UpgradeEntryMeta)/.test(shape.of.name);
  const most = Math.min(shape.max, depth >= DEPTH_RICH && !isRow ? 0 : ITEMS_MAX);
  const length = Math.max(isRow && dice.chance(0.8) ? 1 : 0, dice.below(most + 1));
  return concat(int(length, 4), ...Array.from({ length }, () => randomValue(shape.of, context, depth + 1)));
}

function closeTime(dice: Dice): Uint8Array {
  const bytes = new Uint8Array(8);
  const wide = (BigInt(dice.below(2 ** 31)) << 22n) | BigInt(dice.below(2 ** 22));
  new DataView(bytes.buffer).setBigUint64(0, wide % CLOSE_TIME_MAX_USUAL);
  return bytes;
}

/** The XDR of a LedgerEntryChanges. */
function randomChanges(context: RandomContext, depth: number): Uint8Array {
  const { dice } = context;
  const changes: Uint8Array[] = [];
  for (let groups = dice.below(GROUPS_MAX + 1); groups > 0; groups--) changes.push(...group(context, depth));
  // now and then, pairs that are none
  if (changes.length > 1 && dice.chance(0.03)) changes.splice(dice.below(changes.length), 1);
  return concat(int(changes.length), ...changes);
}

/** One entry's changes: alone, or with what it was before. */
function group(context: RandomContext, depth: number): Uint8Array[] {
  const { dice } = context;
  if (dice.chance(0.15))
    return [concat(int(dice.pick([CREATED, STATE, RESTORED])), randomValue(LEDGER_ENTRY, context, depth))];
  if (dice.chance(0.2)) return [concat(int(dice.pick([CREATED, RESTORED, STATE])), ttl(context))];
  const data = contractData(context, depth);
  const before = concat(int(dice.pick([STATE, STATE, RESTORED])), data.entry());
  switch (dice.below(5)) {
    case 0:
      return [concat(int(CREATED), data.entry())];
    case 1:
      return [concat(int(RESTORED), data.entry())];
    case 2:
      return [before, concat(int(UPDATED), data.entry())];
    case 3:
      return [before, concat(int(REMOVED), int(6), data.key)];
    default:
      return [before];
  }
}

/** The XDR of a LedgerKey of contract data: what is evicted, for one. */
function randomDataKey(context: RandomContext, depth: number): Uint8Array {
  return concat(int(6), contractData(context, depth).key);
}

/** The XDR of a ContractEvent that ends its topics with an asset, mostly that of its contract. */
function randomEvent(context: RandomContext, depth: number): Uint8Array {
  const { dice, assets } = context;
  const asset = assets.length > 0 && dice.chance(0.6) ? dice.pick(assets) : randomAsset(context);
  const contract = dice.chance(0.9) ? asset.contract : dice.bytes(32);
  const text = dice.chance(0.05) ? dice.bytes(dice.below(80)) : asset.text;
  const topics = [symbol("transfer"), concat(int(SCV.string), opaqueBytes(text))];
  if (dice.chance(0.05)) topics.reverse();
  return concat(
    ...[int(0), int(1), contract, int(1), int(0), int(topics.length), ...topics],
    randomValue(SC_VAL, context, depth + 4),
  );
}

/** A contract-data entry of one key: each call of `entry` gives it another value. */
function contractData(context: RandomContext, depth: number): { key: Uint8Array; entry: () => Uint8Array } {
  const { dice } = context;
  const kind = context.shown.length > 0 && dice.chance(0.2) ? 0 : dice.below(6);
  let contract = concat(int(1), new Uint8Array(32).fill(dice.below(4)));
  let scKey = randomValue(SC_VAL, context, depth + 4);
  let value = (): Uint8Array => randomValue(SC_VAL, context, depth + 4);
  if (kind === 0) {
    const holder = dice.chance(0.6) ? concat(int(1), dice.bytes(32)) : randomValue(SC_ADDRESS, context, depth);
    scKey = vec(symbol(dice.chance(0.95) ? "Balance" : "balance"), concat(int(SCV.address), holder));
    const assets = context.shown.length > 0 && dice.chance(0.7) ? context.shown : context.assets;
    if (assets.length > 0 && dice.chance(0.7)) contract = concat(int(1), dice.pick(assets).contract);
    else if (dice.chance(0.3)) contract = concat(int(1), randomAsset(context).contract);
    value = () => balance(dice);
  } else if (kind === 1) {
    const asset = context.assets.length > 0 && dice.chance(0.2) ? dice.pick(context.assets) : randomAsset(context);
    scKey = int(20); // SCV_LEDGER_KEY_CONTRACT_INSTANCE
    if (dice.chance(0.8)) {
      contract = concat(int(1), asset.contract);
      context.shown.push(asset);
    }
    value = () => instance(context, asset.info, depth);
  } else if (kind === 2 && dice.chance(0.3))
    scKey = concat(int(21), dice.bytes(8)); // SCV_LEDGER_KEY_NONCE
  else if (kind === 3 && dice.chance(0.3)) contract = randomValue(SC_ADDRESS, context, depth);
  const key = concat(contract, scKey, int(dice.chance(0.98) ? dice.below(2) : dice.below(5)));
  context.keyHashes.push(createHash("sha256").update(int(6)).update(key).digest());
  return {
    key,
    entry: () => concat(int(dice.below(1000)), int(6), int(0), key, value(), int(0)),
  };
}

function ttl(context: RandomContext): Uint8Array {
  const { dice, keyHashes } = context;
  const keyHash = keyHashes.length > 0 && dice.chance(0.8) ? dice.pick(keyHashes) : dice.bytes(32);
  return concat(int(dice.below(1000)), int(9), keyHash, int(dice.chance(0.05) ? 0 : dice.below(2 ** 31)), int(0));
}

function symbol(text: string): Uint8Array {
  return concat(int(SCV.symbol), opaqueBytes(Buffer.from(text)));
}

function vec(...items: Uint8Array[]): Uint8Array {
  return concat(int(SCV.vec), int(1), int(items.length), ...items);
}

function map(...entries: [Uint8Array, Uint8Array][]): Uint8Array {
  return concat(int(SCV.map), int(1), int(entries.length), ...entries.flat());
}

/** Of an asset contract, or of a token: the amount alone. */
function balance(dice: Dice): Uint8Array {
  const high = dice.chance(0.6) ? new Uint8Array(8) : dice.bytes(8);
  const amount = concat(int(dice.chance(0.95) ? SCV.i128 : SCV.u128), high, dice.bytes(8));
  if (dice.chance(0.4)) return amount;
  const entries: [Uint8Array, Uint8Array][] = [
    [symbol("amount"), amount],
    [symbol("authorized"), concat(int(SCV.bool), int(dice.below(2)))],
    [symbol("clawback"), concat(int(SCV.bool), int(dice.below(2)))],
  ];
  if (dice.chance(0.05)) entries.push(entries[0]!);
  if (dice.chance(0.05)) entries.reverse();
  return map(...entries);
}

function randomAsset(context: RandomContext): RandomAsset {
  const { dice, networkId } = context;
  const contractOf = (asset: Uint8Array): Uint8Array =>
    createHash("sha256")
      .update(concat(int(8), networkId, int(1), asset))
      .digest();
  if (dice.chance(0.2)) {
    const info = vec(symbol("Native"), ...(dice.chance(0.3) ? [int(1)] : []));
    return { contract: contractOf(int(0)), info, text: Buffer.from("native") };
  }
  const length = dice.between(1, 12);
  const isNormal = dice.chance(0.7);
  const character = (): number => {
    if (isNormal) return dice.between(0x41, 0x5a);
    return dice.chance(0.2) ? 0 : dice.between(0x30, 0x5a);
  };
  const code = Buffer.from(Array.from({ length }, character));
  const issuer = dice.bytes(32);
  const room = length <= 4 ? 4 : 12;
  const asset = concat(int(room === 4 ? 1 : 2), Buffer.concat([code], room), int(0), issuer);
  const kind = dice.chance(0.9) ? `AlphaNum${room}` : dice.pick(["AlphaNum4", "AlphaNum12", "Native", "Other"]);
  const fields: [Uint8Array, Uint8Array][] = [
    [symbol("asset_code"), concat(int(SCV.string), opaqueBytes(code))],
    [symbol("issuer"), concat(int(SCV.bytes), opaqueBytes(issuer))],
  ];
  if (dice.chance(0.05)) fields.reverse();
  const text = concat(code, Buffer.from(`:${formatStrkey(issuer, STRKEY_ACCOUNT)}`));
  const contract = contractOf(asset);
  const made = { contract, info: vec(symbol(kind), map(...fields)), text };
  context.assets.push(made);
  return made;
}

function instance(context: RandomContext, info: Uint8Array, depth: number): Uint8Array {
  const { dice } = context;
  const executable = dice.chance(0.6) ? int(1) : concat(int(0), dice.bytes(32));
  if (dice.chance(0.1)) return concat(int(SCV.instance), executable, int(0));
  const entries: [Uint8Array, Uint8Array][] = [[vec(symbol("AssetInfo")), info]];
  if (dice.chance(0.4))
    entries.unshift([randomValue(SC_VAL, context, depth + 4), randomValue(SC_VAL, context, depth + 4)]);
  if (dice.chance(0.1)) entries.push([vec(symbol("AssetInfo")), int(1)]);
  return concat(int(SCV.instance), executable, int(1), int(entries.length), ...entries.flat());
}
