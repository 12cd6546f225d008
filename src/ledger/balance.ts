/**
 * Which rows are balances. Both shapes have the key Vec[Sym "Balance", Address].
 *
 * - Of asset contracts, as upstream's ContractBalanceFromContractData has it: the value is Map{amount: I128 >= 0,
 *   authorized: Bool, clawback: Bool}, exactly and in this order. Durability is not looked at.
 * - Of tokens, in schema version 2: the value is an I128 >= 0 and the entry persistent. This is how the SDK writes
 *   `Balance(Address)` of a `contracttype` enum, which the published SEP-41 implementations keep an i128 under.
 *
 * Any contract may write such an entry: whether it is an asset contract, or a token at all, is not looked at. Upstream
 * (and schema version 1) knows contracts as holders only; schema version 2 knows every kind of address.
 */
import { SymbolPattern } from "./symbol.ts";
import { DURABILITY_PERSISTENT, SCV_ADDRESS, SCV_I128, SCV_MAP, SCV_VEC } from "./terms.ts";

const BALANCE = new SymbolPattern("Balance");
const AMOUNT = new SymbolPattern("amount");
const AUTHORIZED = new SymbolPattern("authorized");
const CLAWBACK = new SymbolPattern("clawback");

const HEAD = 12; // discriminant, "present" flag, element count
const BOOL = 8;
const I128 = 20;
const SCV_BOOL = 0;

const ADDRESS_VALUE = HEAD + BALANCE.bytes;
const ADDRESS_TYPE = ADDRESS_VALUE + 4;
/** SCAddress by its type, discriminant included: whatever comes before, 32 bytes of key or hash come last. */
const ADDRESS_BYTES = [4 + 4 + 32, 4 + 32, 4 + 8 + 32, 4 + 4 + 32, 4 + 32];
const KEY_BYTES_MIN = ADDRESS_TYPE + 36;

// The value has one size when it matches, so every offset is a constant.
const AMOUNT_VALUE = HEAD + AMOUNT.bytes;
const AUTHORIZED_KEY = AMOUNT_VALUE + I128;
const AUTHORIZED_VALUE = AUTHORIZED_KEY + AUTHORIZED.bytes;
const CLAWBACK_KEY = AUTHORIZED_VALUE + BOOL;
const CLAWBACK_VALUE = CLAWBACK_KEY + CLAWBACK.bytes;
const VAL_BYTES = CLAWBACK_VALUE + BOOL;

/** In the key of a balance, counted from its end: the holder's 32 bytes. */
export const HOLDER_BEFORE_KEY_END = 32;
/** In the value of an asset contract's balance: the 16-byte amount. */
export const AMOUNT_IN_VAL = AMOUNT_VALUE + 4;
/** In the value of a token's balance: the 16-byte amount. */
export const AMOUNT_IN_TOKEN_VAL = 4;

/** Address type (SCAddressType) of the holder that the ScVal at `keyAt` names, if it is the key of a balance; else -1. */
export function balanceHolderKind(d: DataView, keyAt: number, keyBytes: number): number {
  if (
    keyBytes < KEY_BYTES_MIN ||
    d.getInt32(keyAt) !== SCV_VEC ||
    d.getInt32(keyAt + 4) !== 1 ||
    d.getInt32(keyAt + 8) !== 2 ||
    !BALANCE.matches(d, keyAt + HEAD) ||
    d.getInt32(keyAt + ADDRESS_VALUE) !== SCV_ADDRESS
  ) {
    return -1;
  }
  const kind = d.getInt32(keyAt + ADDRESS_TYPE);
  return keyBytes === ADDRESS_TYPE + ADDRESS_BYTES[kind]! ? kind : -1;
}

/** Whether the ScVal at `valAt` is what the value of an asset contract's balance is. */
export function isBalanceValue(d: DataView, valAt: number, valBytes: number): boolean {
  return (
    valBytes === VAL_BYTES &&
    d.getInt32(valAt) === SCV_MAP &&
    d.getInt32(valAt + 4) === 1 &&
    d.getInt32(valAt + 8) === 3 &&
    AMOUNT.matches(d, valAt + HEAD) &&
    d.getInt32(valAt + AMOUNT_VALUE) === SCV_I128 &&
    d.getInt32(valAt + AMOUNT_IN_VAL) >= 0 &&
    AUTHORIZED.matches(d, valAt + AUTHORIZED_KEY) &&
    d.getInt32(valAt + AUTHORIZED_VALUE) === SCV_BOOL &&
    CLAWBACK.matches(d, valAt + CLAWBACK_KEY) &&
    d.getInt32(valAt + CLAWBACK_VALUE) === SCV_BOOL
  );
}

/** Whether the ScVal at `valAt`, of an entry of that durability, is what the value of a token's balance is. */
export function isTokenBalanceValue(d: DataView, valAt: number, valBytes: number, durability: number): boolean {
  return (
    valBytes === I128 &&
    d.getInt32(valAt) === SCV_I128 &&
    d.getInt32(valAt + AMOUNT_IN_TOKEN_VAL) >= 0 &&
    durability === DURABILITY_PERSISTENT
  );
}
