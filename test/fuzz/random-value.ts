/** Random values of any XDR type, valid by construction; whole ledgers lean towards what the rules care about. */
import { createHash } from "node:crypto";
import { concat, int, opaqueBytes } from "./bytes.ts";
import type { Dice } from "./dice.ts";
import { randomChanges, randomDataKey, randomEvent } from "./random-changes.ts";
import { padded, type Shape, sizeMin } from "./sdk-types.ts";

const DEPTH_RICH = 12; // below this many containers every arm may be taken, deeper only the smallest
const ITEMS_MAX = 3;
const CLOSE_TIME_MAX_USUAL = 2n ** 42n;

export interface RandomAsset {
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
