/** What ScVals and ledger entries hold, read off their trees. */
import {
  formatStrkey,
  STRKEY_ACCOUNT,
  STRKEY_CLAIMABLE_BALANCE,
  STRKEY_CONTRACT,
  STRKEY_LIQUIDITY_POOL,
  STRKEY_MUXED,
} from "../../src/xdr/strkey.ts";
import { contentOf, field, rawOf, type XdrNode } from "./tree.ts";

export const SCV_LEDGER_KEY_CONTRACT_INSTANCE = 20;
const GO_NAMES: Readonly<Record<number, string>> = {
  ...{ 0: "Bool", 1: "Void", 2: "Error", 3: "U32", 4: "I32", 5: "U64", 6: "I64", 7: "Timepoint", 8: "Duration" },
  ...{ 9: "U128", 10: "I128", 11: "U256", 12: "I256", 13: "Bytes", 14: "String", 15: "Symbol", 16: "Vec", 17: "Map" },
  ...{ 18: "Address", 19: "ContractInstance", 20: "LedgerKeyContractInstance", 21: "LedgerKeyNonce" },
  22: "ExecutableTag",
};

export function goName(val: XdrNode): string {
  return `ScValTypeScv${GO_NAMES[val.number]}`;
}

/** The name of the arm that a union has. */
export function armOf(node: XdrNode): string {
  if (node.shape.kind !== "union") throw new Error(`${node.shape.kind} has no arm`);
  return node.shape.arms.get(node.number)!.name;
}

export function isSymbol(val: XdrNode, text: string): boolean {
  return armOf(val) === "sym" && Buffer.from(contentOf(val.children[0]!)).toString("latin1") === text;
}

export function vecOf(val: XdrNode): XdrNode[] | undefined {
  return armOf(val) === "vec" ? val.children[0]!.children[0]?.children : undefined;
}

export function mapOf(val: XdrNode): { key: XdrNode; val: XdrNode }[] | undefined {
  if (armOf(val) !== "map") return undefined;
  return val.children[0]!.children[0]?.children.map((e) => ({ key: field(e, "key"), val: field(e, "val") }));
}

/** Strkey of the holder that a balance's key names; `isAny`: of any kind, else contracts only. */
export function holderOf(keyVal: XdrNode, isAny: boolean): string | undefined {
  const key = vecOf(keyVal);
  if (key?.length !== 2 || !isSymbol(key[0]!, "Balance") || armOf(key[1]!) !== "address") return undefined;
  const address = key[1]!.children[0]!;
  const content = Buffer.from(rawOf(address.children[0]!));
  switch (address.number) {
    case 0: // account: the type of the public key, then the key
      return isAny ? formatStrkey(content.subarray(4), STRKEY_ACCOUNT) : undefined;
    case 1:
      return formatStrkey(content, STRKEY_CONTRACT);
    case 2: // muxed account: its number, then the key, which come the other way round in a strkey
      if (!isAny) return undefined;
      return formatStrkey(Buffer.concat([content.subarray(8), content.subarray(0, 8)]), STRKEY_MUXED);
    case 3: // claimable balance: the type of its id in one byte, then the hash
      return isAny ? formatStrkey(content.subarray(3), STRKEY_CLAIMABLE_BALANCE) : undefined;
    default:
      return isAny ? formatStrkey(content, STRKEY_LIQUIDITY_POOL) : undefined;
  }
}

/** What a balance's value says; `isTokenToo`: an amount alone is one too. */
export function balanceOf(val: XdrNode, isTokenToo: boolean): { balance: bigint; balanceKind: string } | undefined {
  const [balance, balanceKind] =
    isTokenToo && armOf(val) === "i128" ? [amountOf(val), "token"] : [assetBalanceOf(val), "asset_contract"];
  return balance === undefined || balance < 0n ? undefined : { balance, balanceKind };
}

function assetBalanceOf(val: XdrNode): bigint | undefined {
  const entries = mapOf(val);
  if (entries?.length !== 3) return undefined;
  const [amount, authorized, clawback] = entries;
  if (!isSymbol(amount!.key, "amount") || armOf(amount!.val) !== "i128") return undefined;
  if (!isSymbol(authorized!.key, "authorized") || armOf(authorized!.val) !== "b") return undefined;
  if (!isSymbol(clawback!.key, "clawback") || armOf(clawback!.val) !== "b") return undefined;
  return amountOf(amount!.val);
}

function amountOf(val: XdrNode): bigint {
  const parts = Buffer.from(rawOf(val.children[0]!));
  return (parts.readBigInt64BE(0) << 64n) | parts.readBigUInt64BE(8);
}

export function unsigned(node: XdrNode): number {
  return node.number >>> 0;
}
