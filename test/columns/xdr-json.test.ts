/** XDR-JSON against the reference implementation (Rust, by way of npm), and by hand where that is older than we are. */
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import * as reference from "@stellar/stellar-xdr-json";
import { BatchEncoder } from "../../src/columns/batch-encoder.ts";
import { XdrJsonWriter } from "../../src/columns/xdr-json.ts";
import { splitBatch } from "../../src/ledger/batch.ts";
import { LedgerDecoder } from "../../src/ledger/decoder.ts";
import { detectNetwork } from "../../src/ledger/network.ts";
import { RowSet } from "../../src/ledger/row-set.ts";
import { classicLedgers, ledger53312000, ledger58752000, loadTestLedgers } from "../fuzz/ledger-fixtures.ts";
import {
  accountAddress,
  type Bytes,
  claimableBalanceAddress,
  concat,
  contractAddress,
  id,
  muxedAddress,
  opaque,
  poolAddress,
  scAddress,
  scBool,
  scBytes,
  scInstance,
  scInstanceKey,
  scMap,
  scNonceKey,
  scSymbol,
  scU32,
  scVec,
  u32,
  u64,
} from "../ledger/build.ts";
import { filesUnder, hasShared, readLedgers, records } from "../ledger/shared-ledgers.ts";
import { PASSPHRASES, PUBNET } from "../support/networks.ts";
import { randomFrom, seedOf } from "../support/random.ts";

const wasm = join(createRequire(import.meta.url).resolve("@stellar/stellar-xdr-json"), "../stellar_xdr_json_bg.wasm");
reference.initSync(readFileSync(wasm));

const writer = new XdrJsonWriter();

function json(bytes: Bytes): string {
  writer.end = 0;
  writer.write(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), 0);
  return new TextDecoder().decode(writer.bytes.subarray(0, writer.end));
}

const wanted = (bytes: Bytes): string => reference.decode("ScVal", Buffer.from(bytes).toString("base64"));

const everyByte = Uint8Array.from({ length: 256 }, (_, byte) => byte);
const voidValue = u32(1);
const deep = (levels: number): Bytes => (levels === 0 ? voidValue : scVec([deep(levels - 1)]));
const addresses = [
  accountAddress(id(1)),
  contractAddress(id(2)),
  muxedAddress(id(3), 2n ** 64n - 1n),
  claimableBalanceAddress(id(4)),
  poolAddress(id(5)),
];
const numbers = (bytes: number): Bytes[] => [
  new Uint8Array(bytes),
  new Uint8Array(bytes).fill(0xff),
  concat(new Uint8Array(bytes - 1), Uint8Array.of(1)),
  concat(Uint8Array.of(0x80), new Uint8Array(bytes - 1)),
  concat(Uint8Array.of(0x7f), new Uint8Array(bytes - 1).fill(0xff)),
  concat(new Uint8Array(bytes / 2), new Uint8Array(bytes / 2).fill(0xff)),
  concat(new Uint8Array(bytes / 2).fill(0xff), new Uint8Array(bytes / 2)),
  ...(bytes >= 16 ? [concat(new Uint8Array(bytes - 9).fill(0xff), Uint8Array.of(0xfe), new Uint8Array(8))] : []),
];
const sized = (type: number, bytes: number): Bytes[] => numbers(bytes).map((number) => concat(u32(type), number));

describe("every arm equals the reference", () => {
  const cases: [string, Bytes[]][] = [
    ["bool", [scBool(false), scBool(true)]],
    ["void", [voidValue]],
    ["contract error", [concat(u32(2), u32(0), u32(4_000_000_000))]],
    ["errors", Array.from({ length: 90 }, (_, i) => concat(u32(2), u32(1 + Math.floor(i / 10)), u32(i % 10)))],
    ["u32 and i32", [...sized(3, 4), ...sized(4, 4)]],
    ["64 bits", [5, 6, 7, 8].flatMap((type) => sized(type, 8))],
    ["128 bits", [9, 10].flatMap((type) => sized(type, 16))],
    ["256 bits", [11, 12].flatMap((type) => sized(type, 32))],
    ["bytes", [0, 1, 2, 3, 4, 255].map((length) => scBytes(everyByte.slice(0, length)))],
    ["strings", [0, 1, 31, 256].map((length) => concat(u32(14), opaque(everyByte.slice(0, length))))],
    ["symbols", [scSymbol(""), scSymbol("a_B9"), concat(u32(15), opaque(everyByte.slice(90, 120)))]],
    ["vec", [concat(u32(16), u32(0)), scVec([]), scVec([voidValue]), scVec([scU32(1), scVec([]), voidValue])]],
    [
      "map",
      [
        concat(u32(17), u32(0)),
        scMap([]),
        scMap([
          [scU32(1), voidValue],
          [scMap([]), scVec([])],
        ]),
      ],
    ],
    ["addresses", addresses.map(scAddress)],
    [
      "instances",
      [
        scInstance(id(9), []),
        scInstance("asset", [
          [scSymbol("k"), scU32(1)],
          [voidValue, voidValue],
        ]),
        concat(u32(19), u32(1), u32(0)),
      ],
    ],
    ["ledger keys", [scInstanceKey, scNonceKey, concat(u32(21), u64(-(2n ** 63n)))]],
    ["deep", [deep(60), deep(100)]],
  ];
  test.each(cases)("%s", (_, values) => {
    for (const value of values) expect(json(value)).toBe(wanted(value));
  });
});

test("the arms that the reference does not have yet", () => {
  const tag = opaque(new TextEncoder().encode('v"1'));
  expect(json(concat(u32(22), tag))).toBe('{"executable_tag":"v\\"1"}');
  const external = concat(u32(19), u32(2), contractAddress(id(2)), tag, u32(1), u32(0));
  const owner = json(scAddress(contractAddress(id(2)))).slice(12, -2);
  const executable = `{"external_ref":{"executable_owner":"${owner}","tag":"v\\"1"}}`;
  expect(json(external)).toBe(`{"contract_instance":{"executable":${executable},"storage":[]}}`);
});

test("what no walker validates is written as it can be", () => {
  expect(json(concat(u32(0), u32(2)))).toBe('{"bool":true}');
  expect(json(concat(u32(2), u32(1), u32(77)))).toBe('{"error":{"wasm_vm":"77"}}');
});

test("random values equal the reference, whatever the memory held before", () => {
  const seed = seedOf();
  const random = randomFrom(seed);
  const below = (n: number): number => Math.floor(random() * n);
  const bytes = (n: number): Bytes => Uint8Array.from({ length: n }, () => below(256));
  const value = (depth: number): Bytes => {
    const type = below(depth > 4 ? 16 : 20);
    const some = (): Bytes[] => Array.from({ length: below(5) }, () => value(depth + 1));
    const pairs = (): [Bytes, Bytes][] => some().map((key) => [key, value(depth + 1)]);
    switch (type) {
      case 0:
        return scBool(random() < 0.5);
      case 1:
        return voidValue;
      case 2:
        return concat(u32(2), u32(below(10)), u32(below(10)));
      case 13:
        return scBytes(bytes(below(400)));
      case 14:
        return concat(u32(14), opaque(bytes(below(400))));
      case 15:
        return concat(u32(15), opaque(bytes(below(33))));
      case 16:
        return scVec(some());
      case 17:
        return scMap(pairs());
      case 18:
        return scAddress(addresses[below(5)]!);
      case 19:
        return scInstance(random() < 0.5 ? "asset" : bytes(32), pairs());
      default:
        return concat(u32(type), bytes(type < 5 ? 4 : type < 9 ? 8 : type < 11 ? 16 : 32));
    }
  };
  for (let i = 0; i < 3000; i++) {
    const made = value(0);
    if (json(made) !== wanted(made)) throw new Error(`seed ${seed}, value ${i}: ${Buffer.from(made).toString("hex")}`);
  }
});

describe("every key and value of the golden ledgers", () => {
  let compared = 0;
  const check = (ledgers: Uint8Array[]): void => {
    let networkPassphrase: string | undefined;
    for (const bytes of ledgers) networkPassphrase ??= detectNetwork(bytes, PASSPHRASES);
    networkPassphrase ??= PUBNET;
    const columns = ["key_xdr", "key_json", "val_xdr", "val_json"];
    const encoder = new BatchEncoder({ schemaVersion: 2, networkPassphrase, columns });
    const decoder = new LedgerDecoder({ networkPassphrase, compat: "default", ...encoder.decoderOptions });
    const rows = new RowSet();
    for (const bytes of ledgers) {
      rows.clear();
      decoder.decode(bytes, rows);
      for (let row = 0; row < rows.length; row++) {
        const [key, keyJson, val, valJson] = encoder.columns.map((column) => column.cell(rows, row));
        if (reference.decode("ScVal", key as string) !== keyJson) throw new Error(`${key}: ${keyJson}`);
        if (val === null ? valJson !== null : reference.decode("ScVal", val as string) !== valJson) {
          throw new Error(`${val}: ${valJson}`);
        }
        compared++;
      }
    }
  };
  test("the committed ones", () => {
    const before = compared;
    check([ledger58752000()]);
    check([ledger53312000()]);
    check(loadTestLedgers());
    check(classicLedgers());
    expect(compared - before).toBeGreaterThan(1300);
  });
  const shared = test.skipIf(!hasShared);
  shared("pubnet and edge", () => {
    for (const path of [...filesUnder("pubnet", ".xdr.zst"), ...filesUnder("edge", ".xdr")]) check([readLedgers(path)]);
  });
  shared("ledgers from before Soroban, which have none", () => {
    const before = compared;
    for (const path of filesUnder("classic", ".xdr")) check([readLedgers(path)]);
    expect(compared).toBe(before);
  });
  shared("stellar-core's unit tests", () => {
    for (const path of filesUnder("core", ".xdr.zst")) check(records(readLedgers(path)));
  });
  shared("load-test ledgers", () => {
    for (const path of filesUnder("loadgen", ".xdr.zstd")) check(records(readLedgers(path)));
  });
  for (const [folder, rowsMin] of [
    ["lake", 90_000],
    ["lake-lpf8", 4_900],
  ] as const) {
    shared(
      `the ${folder}`,
      () => {
        const before = compared;
        for (const path of filesUnder(folder, ".xdr.zst")) {
          check([...splitBatch(readLedgers(path))].map((ledger) => ledger.bytes));
        }
        expect(compared - before).toBeGreaterThan(rowsMin);
      },
      60_000,
    );
  }
});
