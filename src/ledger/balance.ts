/**
 * Which rows are balances, as upstream's ContractBalanceFromContractData has it: key Vec[Sym "Balance", Address of a
 * contract], value Map{amount: I128 >= 0, authorized: Bool, clawback: Bool}, exactly and in this order. Any contract may
 * write such an entry; neither its being a Stellar Asset Contract nor its durability is looked at.
 */
import { SymbolPattern } from "./symbol.ts";
import { ADDRESS_CONTRACT, SCV_ADDRESS, SCV_I128, SCV_MAP, SCV_VEC } from "./terms.ts";

const BALANCE = new SymbolPattern("Balance");
const AMOUNT = new SymbolPattern("amount");
const AUTHORIZED = new SymbolPattern("authorized");
const CLAWBACK = new SymbolPattern("clawback");

const HEAD = 12; // discriminant, "present" flag, element count
const BOOL = 8;
const I128 = 20;
const SCV_BOOL = 0;

// Both values have one size when they match, so every offset is a constant.
const KEY_BYTES = HEAD + BALANCE.bytes + 8 + 32;
const AMOUNT_VALUE = HEAD + AMOUNT.bytes;
const AUTHORIZED_KEY = AMOUNT_VALUE + I128;
const AUTHORIZED_VALUE = AUTHORIZED_KEY + AUTHORIZED.bytes;
const CLAWBACK_KEY = AUTHORIZED_VALUE + BOOL;
const CLAWBACK_VALUE = CLAWBACK_KEY + CLAWBACK.bytes;
const VAL_BYTES = CLAWBACK_VALUE + BOOL;

/** In a balance row: where the holder's 32-byte contract id lies in the key, */
export const HOLDER_IN_KEY = HEAD + BALANCE.bytes + 8;
/** and where the 16-byte amount lies in the value. */
export const AMOUNT_IN_VAL = AMOUNT_VALUE + 4;

/** Whether the ScVals at `keyAt` and `valAt` make a balance row. */
export function isBalance(d: DataView, keyAt: number, keyBytes: number, valAt: number, valBytes: number): boolean {
  return (
    keyBytes === KEY_BYTES &&
    valBytes === VAL_BYTES &&
    d.getInt32(keyAt) === SCV_VEC &&
    d.getUint32(keyAt + 4) === 1 &&
    d.getUint32(keyAt + 8) === 2 &&
    BALANCE.matches(d, keyAt + HEAD) &&
    d.getInt32(keyAt + HEAD + BALANCE.bytes) === SCV_ADDRESS &&
    d.getInt32(keyAt + HEAD + BALANCE.bytes + 4) === ADDRESS_CONTRACT &&
    d.getInt32(valAt) === SCV_MAP &&
    d.getUint32(valAt + 4) === 1 &&
    d.getUint32(valAt + 8) === 3 &&
    AMOUNT.matches(d, valAt + HEAD) &&
    d.getInt32(valAt + AMOUNT_VALUE) === SCV_I128 &&
    d.getInt32(valAt + AMOUNT_IN_VAL) >= 0 &&
    AUTHORIZED.matches(d, valAt + AUTHORIZED_KEY) &&
    d.getInt32(valAt + AUTHORIZED_VALUE) === SCV_BOOL &&
    CLAWBACK.matches(d, valAt + CLAWBACK_KEY) &&
    d.getInt32(valAt + CLAWBACK_VALUE) === SCV_BOOL
  );
}
