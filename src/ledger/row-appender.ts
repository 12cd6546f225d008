/**
 * From a candidate to a row: the facts that can be read from its key and value. HOT PATH.
 */
import { LIST_OPERATION, skipContractExecutable } from "../xdr/generated/skip.ts";
import type { AssetFinder } from "./asset.ts";
import {
  AMOUNT_IN_TOKEN_VAL,
  AMOUNT_IN_VAL,
  balanceHolderKind,
  HOLDER_BEFORE_KEY_END,
  isBalanceValue,
  isTokenBalanceValue,
} from "./balance.ts";
import type { Candidates } from "./candidates.ts";
import type { CompiledFilter } from "./filter.ts";
import { NONE, type RowSet } from "./row-set.ts";
import {
  ADDRESS_CONTRACT,
  ASSET_NONE,
  CHANGE_EVICTED,
  CHANGE_REMOVED,
  INSTANCE_NONE,
  SCV_CONTRACT_INSTANCE,
  SCV_LEDGER_KEY_CONTRACT_INSTANCE,
  SCV_VEC,
} from "./terms.ts";

const CONTRACT_EXECUTABLE_WASM = 0;

/** Where the walk stands in its ledger. */
export class ChangePlace {
  /** Index among the row set's ledgers. */
  ledger = 0;
  /** The list of changes, LIST_…. */
  list = 0;
  /** Offset of the transaction's hash; NONE where the ledger itself makes the changes. */
  txHashAt: number = NONE;
  /** Transactions begun so far: the number of the one being read, from 1. */
  transactions = 0;
  /** The operation's place in its transaction, from 0. */
  operation = 0;
  /** Counts the transaction's contract-data changes from 0, or the ledger's own. */
  changeIndex = 0;
  /** The change's place in row order, counted in its rank: RowPlaces. */
  inRank = 0;

  /** At the start of a ledger, which is `ledger` among the row set's. */
  begin(ledger: number): void {
    this.ledger = ledger;
    this.list = 0;
    this.txHashAt = NONE;
    this.transactions = 0;
    this.operation = 0;
    this.changeIndex = 0;
    this.inRank = 0;
  }
}

/** What decides about a row's facts; constant for a decoder. */
export interface RowRules {
  isGo: boolean;
  /** Whether there are evicted rows, every kind of holder, and balances of tokens. */
  isComplete: boolean;
  /** Whether the filter's third part waits for the ledger's end, when the rows' assets are known. */
  filtersLate: boolean;
  filter: CompiledFilter | undefined;
}

/** Appends rows to the row set that the decoder is given. */
export class RowAppender {
  rows!: RowSet;

  constructor(
    private readonly rules: RowRules,
    private readonly assets: AssetFinder,
  ) {}

  /** Makes a row of a candidate that stands at `place`; false where the filter refuses it for its facts. */
  append(d: DataView, candidates: Candidates, candidate: number, place: ChangePlace): boolean {
    const { rows } = this;
    const row = rows.add();
    const change = candidates.change[candidate]!;
    const keyAt = candidates.keyAt[candidate]!;
    const keyBytes = candidates.keyEnd[candidate]! - keyAt;
    const valAt = candidates.valAt[candidate]!;
    const valBytes = candidates.valEnd[candidate]! - valAt;
    const keyType = d.getInt32(keyAt);
    rows.ledger[row] = place.ledger;
    rows.change[row] = change;
    rows.reason[row] = place.list;
    rows.durability[row] = candidates.durability[candidate]!;
    rows.keyType[row] = keyType;
    rows.contractAt[row] = candidates.addressAt[candidate]! + 4;
    rows.keyAt[row] = keyAt;
    rows.keyBytes[row] = keyBytes;
    rows.valAt[row] = valAt;
    rows.valBytes[row] = valBytes;
    rows.lastModified[row] = candidates.lastModified[candidate]!;
    rows.liveUntil[row] = 0;
    rows.txHashAt[row] = place.txHashAt;
    rows.txIndex[row] = place.txHashAt === NONE ? 0 : place.transactions;
    rows.opIndex[row] = place.list === LIST_OPERATION ? place.operation : 0;
    rows.changeIndex[row] = place.changeIndex;
    rows.place[row] = place.inRank;
    rows.assetType[row] = ASSET_NONE;
    rows.assetCodeAt[row] = NONE;
    rows.assetCodeBytes[row] = 0;
    rows.assetIssuerAt[row] = NONE;
    rows.contractAsset[row] = NONE;
    rows.instanceType[row] = INSTANCE_NONE;
    rows.wasmHashAt[row] = NONE;
    rows.holderAt[row] = NONE;
    rows.balanceAt[row] = NONE;
    if (keyType === SCV_VEC) this.balance(d, row, change);
    else if (keyType === SCV_LEDGER_KEY_CONTRACT_INSTANCE && change !== CHANGE_EVICTED) {
      if (d.getInt32(valAt) === SCV_CONTRACT_INSTANCE) this.instance(d, row, valAt + 4, change);
    }
    const { filter } = this.rules;
    if (filter?.needsFacts && !this.passesFacts(d, row, filter)) {
      rows.length = row;
      return false;
    }
    return true;
  }

  /** The filter's second and third part; where the third has to wait, those rows pass whose assets may be selected. */
  private passesFacts(d: DataView, row: number, filter: CompiledFilter): boolean {
    const { rows } = this;
    if (!filter.selectsBalance(d, rows, row)) return false;
    return this.rules.filtersLate ? filter.mayHaveAsset(rows, row) : filter.selectsAsset(d, rows, row);
  }

  /** Holder and amount, if the row is a balance. An evicted row has its key alone, which names the holder. */
  private balance(d: DataView, row: number, change: number): void {
    const { rows } = this;
    const keyAt = rows.keyAt[row]!;
    const keyBytes = rows.keyBytes[row]!;
    const kind = balanceHolderKind(d, keyAt, keyBytes);
    if (kind < 0 || (kind !== ADDRESS_CONTRACT && !this.rules.isComplete)) return;
    if (change !== CHANGE_EVICTED) {
      const amountIn = this.amountIn(d, row);
      if (amountIn < 0) return;
      rows.balanceAt[row] = rows.valAt[row]! + amountIn;
    }
    rows.holderAt[row] = keyAt + keyBytes - HOLDER_BEFORE_KEY_END;
    rows.holderKind[row] = kind;
  }

  /** Where in its value a balance's amount is; -1 where the value is none of a balance. */
  private amountIn(d: DataView, row: number): number {
    const { rows } = this;
    const valAt = rows.valAt[row]!;
    const valBytes = rows.valBytes[row]!;
    if (isBalanceValue(d, valAt, valBytes)) return AMOUNT_IN_VAL;
    const isToken = this.rules.isComplete && isTokenBalanceValue(d, valAt, valBytes, rows.durability[row]!);
    return isToken ? AMOUNT_IN_TOKEN_VAL : -1;
  }

  /** ScContractInstance at `p`: executable, storage. */
  private instance(d: DataView, row: number, p: number, change: number): void {
    const { rows } = this;
    const executable = d.getInt32(p);
    if (!this.rules.isGo || change !== CHANGE_REMOVED) {
      rows.instanceType[row] = executable + 1; // INSTANCE_… follow ContractExecutableType
      rows.wasmHashAt[row] = executable === CONTRACT_EXECUTABLE_WASM ? p + 4 : NONE;
    }
    const { assets } = this;
    if (!assets.find(d, skipContractExecutable(d, p), rows.contractAt[row]!)) return;
    rows.assetType[row] = assets.type;
    rows.assetCodeAt[row] = assets.codeAt;
    rows.assetCodeBytes[row] = assets.codeBytes;
    rows.assetIssuerAt[row] = assets.issuerAt;
  }
}
