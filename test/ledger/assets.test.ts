/** Which asset a balance row is of: what the table says, what the ledger itself proves, and nothing else. */
import { describe, expect, test } from "bun:test";
import { LedgerDecoder } from "../../src/ledger/decoder.ts";
import { ASSET_DELAY_LEDGERS, KnownAssets, knownFrom, settledBefore } from "../../src/ledger/known-assets.ts";
import { networkId } from "../../src/ledger/network.ts";
import { NONE, RowSet } from "../../src/ledger/row-set.ts";
import { ASSET_ALPHANUM4, ASSET_ALPHANUM12, ASSET_NATIVE } from "../../src/ledger/terms.ts";
import type { RowFilter } from "../../src/vocabulary/row-filter.ts";
import { sha256 } from "../../src/xdr/sha256.ts";
import { formatStrkey, STRKEY_ACCOUNT, STRKEY_CONTRACT } from "../../src/xdr/strkey.ts";
import {
  type Bytes,
  balance,
  buildLedger,
  concat,
  contractEvent,
  created,
  id,
  NETWORK,
  scBytes,
  scInstance,
  scInstanceKey,
  scMap,
  scString,
  scSymbol,
  scU32,
  scVec,
  type Transaction,
  u32,
} from "./build.ts";

const text = (value: string, bytes: number): Bytes => {
  const padded = new Uint8Array(bytes);
  padded.set(new TextEncoder().encode(value));
  return padded;
};
const preimage = (asset: Bytes): Bytes => sha256(concat(u32(8), networkId(NETWORK), u32(1), asset));
const issued = (code: string, issuer: Bytes): Bytes =>
  code.length <= 4
    ? preimage(concat(u32(1), text(code, 4), u32(0), issuer))
    : preimage(concat(u32(2), text(code, 12), u32(0), issuer));

const issuer = id(0x33);
const ISSUER = formatStrkey(issuer, STRKEY_ACCOUNT);
const usd = issued("USD", issuer);
const longer = issued("LONGERCODE", issuer);
const dashed = issued("US-D", issuer);
const native = preimage(u32(0));

const transfer = (contract: Bytes, asset: string): Bytes =>
  contractEvent(contract, [scSymbol("transfer"), scU32(1), scU32(2), scString(asset)]);
const instanceOf = (contract: Bytes, code: string): Bytes =>
  created({
    contract,
    key: scInstanceKey,
    val: scInstance("asset", [
      [
        scVec([scSymbol("AssetInfo")]),
        scVec([
          scSymbol("AlphaNum4"),
          scMap([
            [scSymbol("asset_code"), scString(code)],
            [scSymbol("issuer"), scBytes(issuer)],
          ]),
        ]),
      ],
    ]),
  });
const held = (contract: Bytes): Bytes => created({ contract, ...balance(id(7), 5n) });

interface Options {
  known?: KnownAssets;
  filter?: RowFilter;
  sequence?: number;
  schemaVersion?: 1 | 2;
}

/** Per row of the ledger: its contract's asset as SEP-11 has it, or undefined. */
function assets(transactions: Transaction[], options: Options = {}): (string | undefined)[] {
  const rows = new RowSet();
  const { known: knownAssets, filter, sequence, schemaVersion = 2 } = options;
  const base = { networkPassphrase: NETWORK, compat: "default", assets: true } as const;
  new LedgerDecoder({ ...base, schemaVersion, knownAssets, filter }).decode(
    buildLedger({ sequence, transactions }),
    rows,
  );
  return Array.from({ length: rows.length }, (_, row) => {
    const index = rows.contractAsset[row]!;
    if (index === NONE) return undefined;
    const { assets: store } = rows;
    if (store.type(index) === ASSET_NATIVE) return "native";
    const bytes = (at: number, length: number): Uint8Array =>
      Uint8Array.from({ length }, (_, i) => store.view.getUint8(at + i));
    const code = new TextDecoder().decode(bytes(store.codeAt(index), store.codeBytes(index)));
    return `${code}:${formatStrkey(bytes(store.issuerAt(index), 32), STRKEY_ACCOUNT)}`;
  });
}

describe("the ledger itself proves an asset", () => {
  for (const metaVersion of [3, 4] as const) {
    test(`by an event of its contract, before or after the change (meta version ${metaVersion})`, () => {
      const events = [transfer(usd, `USD:${ISSUER}`), transfer(longer, `LONGERCODE:${ISSUER}`)];
      const changes = { metaVersion, operations: [[held(usd)], [held(longer)]] };
      const expected = [`USD:${ISSUER}`, `LONGERCODE:${ISSUER}`];
      expect(assets([{ ...changes, events }])).toEqual(expected);
      expect(assets([{ ...changes }, { metaVersion, operations: [[]], events }])).toEqual(expected);
      expect(assets([{ metaVersion, operations: [[]], events }, changes])).toEqual(expected);
    });
  }

  test("by the instance of its contract, whichever comes first and whatever a filter thinks of the instance", () => {
    const usdRows = [`USD:${ISSUER}`, `USD:${ISSUER}`];
    expect(assets([{ operations: [[held(usd)], [instanceOf(usd, "USD")]] }])).toEqual(usdRows);
    expect(assets([{ operations: [[instanceOf(usd, "USD")], [held(usd)]] }])).toEqual(usdRows);
    const filter = { keyTypes: ["Vec"] };
    expect(assets([{ operations: [[held(usd)], [instanceOf(usd, "USD")]] }], { filter })).toEqual([`USD:${ISSUER}`]);
  });

  test("and the native asset's contract is always known", () => {
    expect(assets([{ operations: [[held(native)]] }])).toEqual(["native"]);
  });

  test.each<[string, Bytes[], Bytes?]>([
    ["nothing", []],
    ["a claim of another contract", [transfer(id(1), `USD:${ISSUER}`)]],
    ["a claim of another asset", [transfer(usd, `EUR:${ISSUER}`)]],
    ["another issuer", [transfer(usd, `USD:${formatStrkey(id(0x34), STRKEY_ACCOUNT)}`)]],
    ["something that is no asset", [transfer(usd, `USD;${ISSUER}`), transfer(usd, "USD"), transfer(usd, "")]],
    ["a code that is not letters and digits", [transfer(dashed, `US-D:${ISSUER}`)], dashed],
    ["an issuer that is none", [transfer(usd, `USD:${"1".repeat(56)}`), transfer(usd, `USD:C${ISSUER.slice(1)}`)]],
    ["a topic that is not the last", [contractEvent(usd, [scString(`USD:${ISSUER}`), scU32(1)])]],
    ["no topics", [contractEvent(usd, [])]],
  ])("%s proves nothing", (_, events, contract = usd) => {
    expect(assets([{ operations: [[held(contract)]], events }])).toEqual([undefined]);
  });

  test("a forged claim beside a true one does no harm", () => {
    const events = [transfer(usd, `EUR:${ISSUER}`), transfer(usd, `USD:${ISSUER}`), transfer(usd, `XYZ:${ISSUER}`)];
    expect(assets([{ operations: [[held(usd)], [created({ contract: usd, key: scU32(1) })]], events }])).toEqual([
      `USD:${ISSUER}`,
      `USD:${ISSUER}`,
    ]);
  });

  test("not in the next ledger, and never in the setting go", () => {
    const rows = new RowSet();
    const options = { networkPassphrase: NETWORK, schemaVersion: 2, assets: true } as const;
    const proven = buildLedger({
      transactions: [{ operations: [[held(usd)]], events: [transfer(usd, `USD:${ISSUER}`)] }],
    });
    const bare = buildLedger({ transactions: [{ operations: [[held(usd)]] }] });
    const decoder = new LedgerDecoder({ ...options, compat: "default" });
    for (const bytes of [proven, bare]) decoder.decode(bytes, rows);
    expect([...rows.contractAsset.subarray(0, 2)]).toEqual([0, NONE]);
    rows.clear();
    new LedgerDecoder({ ...options, compat: "go" }).decode(proven, rows);
    expect(rows.contractAsset[0]).toBe(NONE);
  });
});

describe("the table of known assets", () => {
  test("knows what it was given from the first ledger on, and the rest from its ledger on", () => {
    const known = new KnownAssets(NETWORK, [`USD:${ISSUER}`]);
    const transactions = [{ operations: [[held(usd)], [held(longer)]] }];
    expect(assets(transactions, { known, sequence: 1 })).toEqual([`USD:${ISSUER}`, undefined]);
    known.add(`LONGERCODE:${ISSUER}`, 500);
    expect(assets(transactions, { known, sequence: 499 })).toEqual([`USD:${ISSUER}`, undefined]);
    expect(assets(transactions, { known, sequence: 500 })).toEqual([`USD:${ISSUER}`, `LONGERCODE:${ISSUER}`]);
    expect(known.list()).toEqual([
      { asset: "native", contractId: formatStrkey(native, STRKEY_CONTRACT), ledgerFrom: 0 },
      { asset: `USD:${ISSUER}`, contractId: formatStrkey(usd, STRKEY_CONTRACT), ledgerFrom: 0 },
      { asset: `LONGERCODE:${ISSUER}`, contractId: formatStrkey(longer, STRKEY_CONTRACT), ledgerFrom: 500 },
    ]);
  });

  test("of two ledgers the earlier counts, whichever comes first; its version tells changes", () => {
    const known = new KnownAssets(NETWORK);
    const { version } = known;
    known.add(`USD:${ISSUER}`, 900);
    known.add(`USD:${ISSUER}`, 300);
    expect(known.version).toBe(version + 2);
    known.add(`USD:${ISSUER}`, 600);
    expect(known.version).toBe(version + 2);
    expect(known.list()[1]!.ledgerFrom).toBe(300);
    expect(known.size).toBe(2);
  });

  test("holds many", () => {
    const codes = Array.from({ length: 3000 }, (_, i) => `C${i}`);
    const known = new KnownAssets(
      NETWORK,
      codes.map((code) => `${code}:${ISSUER}`),
    );
    expect(known.size).toBe(3001);
    for (const code of codes) {
      const contract = issued(code, issuer);
      expect(known.find(new DataView(contract.buffer, contract.byteOffset), 0, 1)).toBe(codes.indexOf(code) + 1);
    }
    expect(known.find(new DataView(id(1).buffer), 0, 1)).toBe(-1);
  });

  test.each([["USD"], [":"], [`:${ISSUER}`], [`TOOLONGACODE1:${ISSUER}`], [`U$D:${ISSUER}`], [`USD:${ISSUER}A`]])(
    "refuses %p",
    (asset) => {
      expect(() => new KnownAssets(NETWORK, [asset])).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
    },
  );

  test.each([ASSET_DELAY_LEDGERS, 1, 10])(
    "what is learned counts %d ledgers later, and no earlier ledger waits for it",
    (delay) => {
      for (let ledger = 1; ledger < 1000; ledger += 7) {
        expect(knownFrom(ledger, delay)).toBe(ledger + delay);
        // Whoever decodes a ledger that knows it has waited for it, and the one before has not.
        expect(settledBefore(knownFrom(ledger, delay), delay)).toBe(ledger + 1);
        expect(settledBefore(ledger, delay)).toBe(Math.max(0, ledger - delay + 1));
      }
    },
  );
});

test("instances are learned once each, before filters, and forged ones never", () => {
  const decoder = new LedgerDecoder({
    networkPassphrase: NETWORK,
    compat: "default",
    schemaVersion: 2,
    assets: true,
    filter: { keyTypes: ["U32"] },
  });
  const rows = new RowSet();
  for (const sequence of [100, 101]) {
    const operations = [[instanceOf(usd, "USD")], [instanceOf(id(5), "EUR")]];
    decoder.decode(buildLedger({ sequence, transactions: [{ operations }] }), rows);
  }
  expect(rows.length).toBe(0);
  expect(decoder.takeLearned()).toEqual([{ asset: `USD:${ISSUER}`, ledgerSequence: 100 }]);
  expect(decoder.takeLearned()).toEqual([]);
  const bytes = buildLedger({ sequence: 102, transactions: [{ operations: [[instanceOf(longer, "LONGERCODE")]] }] });
  expect(() => decoder.decode(bytes.subarray(0, bytes.length - 4), rows)).toThrow();
  expect(decoder.takeLearned()).toEqual([]);
  // what a good ledger has taught stays when a broken one with its number follows
  decoder.decode(bytes, rows);
  expect(() => decoder.decode(bytes.subarray(0, bytes.length - 4), rows)).toThrow();
  expect(decoder.takeLearned()).toEqual([{ asset: `LONGERCODE:${ISSUER}`, ledgerSequence: 102 }]);
});

test.each([
  ["\0\0", []],
  ["U\0D", []],
  ["USD\0", [`USD:${ISSUER}`]],
  ["USD\0\0\0", []], // of another type than USD, and so another contract's
])("an asset with the code %j teaches what SEP-11 can name", (code, learned) => {
  const decoder = new LedgerDecoder({ networkPassphrase: NETWORK, compat: "default", schemaVersion: 2, assets: true });
  const rows = new RowSet();
  decoder.decode(buildLedger({ transactions: [{ operations: [[instanceOf(issued(code, issuer), code)]] }] }), rows);
  expect(rows.assetType[0]).toBe(code.length <= 4 ? ASSET_ALPHANUM4 : ASSET_ALPHANUM12);
  expect(decoder.takeLearned().map(({ asset }) => asset)).toEqual(learned);
});

test("any split of ledgers over decoders gives the same assets when the rule is kept", () => {
  const B = ASSET_DELAY_LEDGERS;
  const ledgers = Array.from({ length: 5 * B }, (_, i) => {
    const sequence = B + i;
    const operations = [
      [held(usd)],
      ...(sequence === B + 3 ? [[instanceOf(longer, "LONGERCODE")]] : []),
      [held(longer)],
    ];
    const events = sequence % 100 === 0 ? [transfer(usd, `USD:${ISSUER}`)] : [];
    return { sequence, bytes: buildLedger({ sequence, transactions: [{ operations, events }] }) };
  });
  /** `workers` decoders take turns in spans of `span`; what was learned reaches all as late as it may. */
  const run = (workers: number, span: number): string => {
    const known = new KnownAssets(NETWORK);
    const options = { networkPassphrase: NETWORK, compat: "default", schemaVersion: 2, assets: true } as const;
    const decoders = Array.from({ length: workers }, () => new LedgerDecoder({ ...options, knownAssets: known }));
    let waiting: { asset: string; ledgerSequence: number }[] = [];
    let found = "";
    ledgers.forEach(({ sequence, bytes }, i) => {
      const due = waiting.filter((learned) => learned.ledgerSequence < settledBefore(sequence));
      waiting = waiting.filter((learned) => !due.includes(learned));
      for (const { asset, ledgerSequence } of due) known.add(asset, knownFrom(ledgerSequence));
      const decoder = decoders[Math.floor(i / span) % workers]!;
      const rows = new RowSet();
      decoder.decode(bytes, rows);
      waiting.push(...decoder.takeLearned());
      found += Array.from(rows.contractAsset.subarray(0, rows.length), (index) => (index === NONE ? "-" : "+")).join(
        "",
      );
    });
    return found;
  };
  const alone = run(1, 1);
  expect(alone).toContain("+");
  for (const [workers, span] of [
    [2, 1],
    [3, 10],
    [4, 64],
  ] as const)
    expect(run(workers, span)).toBe(alone);
});
