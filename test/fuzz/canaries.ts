/** Decoders that are wrong, each in one way: a judge that lets one of them pass cannot be believed. */
import { AMOUNT_IN_TOKEN_VAL } from "../../src/ledger/balance.ts";
import { LedgerDecoder } from "../../src/ledger/decoder.ts";
import type { DecoderOptions, LearnedAsset } from "../../src/ledger/decoder-options.ts";
import { NONE, type RowSet } from "../../src/ledger/row-set.ts";
import { ADDRESS_ACCOUNT, ADDRESS_LIQUIDITY_POOL, CHANGE_EVICTED } from "../../src/ledger/terms.ts";
import { makeLedgerDecoder } from "./check.ts";
import type { MakeDecoder } from "./finding.ts";

type Decode = LedgerDecoder["decode"];

/** A decoder that does something with what the real one does. */
function broken(change: (decode: Decode, bytes: Uint8Array, rows: RowSet) => ReturnType<Decode>): MakeDecoder {
  return (options: DecoderOptions) => {
    const real = new LedgerDecoder(options);
    const takeLearned = real.takeLearned.bind(real);
    const decode: Decode = (bytes, first, ...others) =>
      change((given, rows) => real.decode(given, rows!, ...others), bytes, first!);
    return { decode, takeLearned };
  };
}

/** A decoder that teaches its stream something else. */
function teaching(change: (learned: LearnedAsset[]) => LearnedAsset[]): MakeDecoder {
  return (options: DecoderOptions) => {
    const real = new LedgerDecoder(options);
    return { decode: real.decode.bind(real), takeLearned: () => change(real.takeLearned()) };
  };
}

/** After the real decoder, one change to its rows. */
function after(change: (rows: RowSet) => void): MakeDecoder {
  return broken((decode, bytes, rows) => {
    const summary = decode(bytes, rows);
    if (rows.length > 0) change(rows);
    return summary;
  });
}

export const CANARIES: Readonly<Record<string, MakeDecoder>> = {
  "loses the last row": after((rows) => rows.truncate(rows.length - 1, rows.ledgers.length)),
  "gives a row twice": after((rows) => {
    rows.add();
    rows.reorder(
      0,
      Array.from({ length: rows.length }, (_, i) => Math.max(0, i - 1)),
    );
  }),
  "has rows in another order": after((rows) => {
    const order = Array.from({ length: rows.length }, (_, i) => rows.length - 1 - i);
    rows.reorder(0, order);
  }),
  "takes another ledger for the last modification": after((rows) => {
    rows.lastModified[0]!++;
  }),
  "has another hash": after((rows) => {
    rows.keyHash[31]! ^= 1;
  }),
  "forgets expirations": after((rows) => rows.liveUntil.fill(0)),
  "has a balance that is one byte off": after((rows) => {
    for (let row = 0; row < rows.length; row++) if (rows.balanceAt[row] !== 0xffff_ffff) rows.balanceAt[row]! -= 4;
  }),
  "loses what was evicted": after((rows) => {
    const kept = Array.from({ length: rows.length }, (_, i) => i).filter((row) => rows.change[row] !== CHANGE_EVICTED);
    rows.keep(0, kept);
  }),
  "takes one kind of holder for another": after((rows) => {
    for (let row = 0; row < rows.length; row++) {
      if (rows.holderAt[row] !== NONE && rows.holderKind[row] === ADDRESS_ACCOUNT) {
        rows.holderKind[row] = ADDRESS_LIQUIDITY_POOL;
      }
    }
  }),
  "does not know the balances of tokens": after((rows) => {
    for (let row = 0; row < rows.length; row++) {
      if (rows.balanceAt[row] === rows.valAt[row]! + AMOUNT_IN_TOKEN_VAL) {
        rows.holderAt[row] = NONE;
        rows.balanceAt[row] = NONE;
      }
    }
  }),
  "forgets how long entries lived before": after((rows) => rows.liveUntilBefore.fill(0)),
  "does not know whose time to live it is": after((rows) => {
    if (rows.ledgers[0]!.dataset === "ttl") rows.keyAt.fill(NONE);
  }),
  "counts changes of both datasets together": after((rows) => {
    if (rows.ledgers[0]!.dataset === "ttl") for (let row = 0; row < rows.length; row++) rows.changeIndex[row]! *= 2;
  }),
  "does not know the asset of a balance": after((rows) => rows.contractAsset.fill(NONE)),
  "learns no asset": teaching(() => []),
  "knows an asset a ledger too early": teaching((learned) =>
    learned.map(({ asset, ledgerSequence }) => ({ asset, ledgerSequence: ledgerSequence - 1 })),
  ),
  "knows an asset a ledger too late": teaching((learned) =>
    learned.map(({ asset, ledgerSequence }) => ({ asset, ledgerSequence: ledgerSequence + 1 })),
  ),
  "throws what is not a coded error": broken((decode, bytes, rows) => {
    try {
      return decode(bytes, rows);
    } catch {
      throw new RangeError("out of bounds");
    }
  }),
  "leaves rows behind an error": broken((decode, bytes, rows) => {
    try {
      return decode(bytes, rows);
    } catch (thrown) {
      rows.add();
      throw thrown;
    }
  }),
  "takes bytes that end early": broken((decode, bytes, rows) => {
    try {
      return decode(bytes, rows);
    } catch {
      return { rows: 0 } as ReturnType<Decode>;
    }
  }),
  "does not filter": (options) => new LedgerDecoder({ ...options, filter: undefined }),
  "refuses what it does not like": broken((decode, bytes, rows) => {
    if (bytes.some((byte, i) => byte === 0xff && i % 64 === 0)) return decode(bytes.subarray(0, 8), rows);
    return decode(bytes, rows);
  }),
};

/** Right rows, at the cost of reading the ledger once more for every 16 bytes of it. */
export const STEP_CANARY: MakeDecoder = broken((decode, bytes, rows) => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let from = 0; from + 4 <= bytes.length; from += 16) {
    for (let at = from; at + 4 <= bytes.length; at += 4) view.getUint32(at);
  }
  return decode(bytes, rows);
});

/** The same only where assets are asked for. */
export const ASSET_STEP_CANARY: MakeDecoder = (options) => (options.assets ? STEP_CANARY : makeLedgerDecoder)(options);
