import { describe, expect, test } from "bun:test";
import path from "node:path";
import { CodedError } from "../../src/error.ts";
import { LedgerChain } from "../../src/ledger/chain.ts";
import { ledgerHeader } from "../../src/ledger/header.ts";
import { headerOffsets, headerSequence } from "../../src/sources/file/header-offsets.ts";
import { openLedgerInput } from "../../src/sources/file/ledger-file.ts";
import { RepeatingSource } from "../../src/sources/repeating.ts";
import { PUBNET } from "../support/networks.ts";
import { TemporaryLake } from "./lake-fixture.ts";

const sample = path.join(import.meta.dir, "../../sample/lake");
const never = new AbortController().signal;

const templates: Uint8Array[] = [];
for await (const { bytes } of (await openLedgerInput(sample)).ledgers) templates.push(bytes.slice());

describe("RepeatingSource", () => {
  test("its own range gives its own ledgers", async () => {
    const source = await RepeatingSource.open(sample);
    let i = 0;
    for await (const object of source.read(58751994, 58752000, never)) {
      expect({ ...object, name: "", bytes: 0 }).toEqual({
        name: "",
        ledgerFirst: 58751994 + i,
        ledgerLast: 58751994 + i,
        encoding: "none",
        container: "ledger",
        bytes: 0,
      });
      expect(Buffer.from(object.bytes).equals(templates[i++]!)).toBe(true);
    }
    expect(i).toBe(7);
    expect(await source.networkPassphrase()).toBe(PUBNET);
    expect(await source.ledgerLatest()).toBeUndefined();
    expect(source.description).toBe(`7 ledgers of ${sample}, repeated`);
  });

  test.each([false, true])("any other range differs in number and hashes alone (reuse %p)", async (reuse) => {
    const source = await RepeatingSource.open(sample, { reuse });
    let ledger = 58751990;
    for await (const { name, bytes } of source.read(58751990, 58752011, never)) {
      const template = templates[(ledger - 58751990 + 3) % 7]!;
      expect(headerSequence(name, bytes)).toBe(ledger);
      const copy = bytes.slice();
      const { sequence, hash, previousLedgerHash } = ledgerHeader(template).offsets;
      for (const [at, length] of [[sequence, 4] as const, [hash, 32] as const, [previousLedgerHash, 32] as const]) {
        copy.set(template.subarray(at, at + length), at);
      }
      expect(Buffer.from(copy).equals(template)).toBe(true);
      ledger++;
    }
    expect(ledger).toBe(58752012);
  });

  test.each([
    [{ reuse: true }, 58751994], // the second round follows the sample's own chain
    [{ reuse: false, closeTimeStep: 5 }, 1000],
  ] as const)("the chain of what it gives holds (%p)", async (options, first) => {
    const source = await RepeatingSource.open(sample, options);
    const other = source.read(first + 3, 0, never);
    const chain = new LedgerChain();
    for await (const { name, bytes } of source.read(first, first + 30, never)) {
      expect(chain.take(bytes, name).ledger).toBeGreaterThanOrEqual(first);
      await other.next(); // which uses the same templates
    }
    expect(chain.last!.ledger).toBe(first + 30);
  });

  test("without reuse, objects kept stay as they were", async () => {
    const source = await RepeatingSource.open(sample);
    const kept: Uint8Array[] = [];
    for await (const { bytes } of source.read(1, 30, never)) kept.push(bytes);
    expect(kept.map((bytes) => headerSequence("x", bytes))).toEqual(Array.from({ length: 30 }, (_, i) => i + 1));
  });

  test("with reuse, reads at once do not disturb each other", async () => {
    const source = await RepeatingSource.open(sample, { reuse: true });
    const one = source.read(10, 20, never);
    const other = source.read(1010, 1020, never);
    for (let n = 0; n <= 10; n++) {
      const [a, b] = [(await one.next()).value!, (await other.next()).value!];
      expect([headerSequence("a", a.bytes), headerSequence("b", b.bytes)]).toEqual([10 + n, 1010 + n]);
    }
  });

  test("close times in steps", async () => {
    const source = await RepeatingSource.open(sample, { closeTimeStep: 5 });
    const closeTimes: bigint[] = [];
    for await (const { bytes } of source.read(58751992, 58751996, never)) {
      closeTimes.push(new DataView(bytes.buffer).getBigUint64(headerOffsets("x", bytes).closeTime));
    }
    expect(closeTimes).toEqual([-2n, -1n, 0n, 1n, 2n].map((step) => 1472600258n + 5n * step));
  });

  test("ends at the last number there can be; refuses what is no range", async () => {
    const source = await RepeatingSource.open(sample);
    let count = 0;
    for await (const _ of source.read(0xffff_fff0, 0, never)) count++;
    expect(count).toBe(16);
    await expect(source.read(0, 5, never).next()).rejects.toThrow(CodedError);
  });

  test("an endless read lets other work in, and stops when told", async () => {
    const source = await RepeatingSource.open(sample, { reuse: true });
    const stop = new AbortController();
    setTimeout(() => stop.abort(), 5);
    for await (const _ of source.read(5, 0, stop.signal)) {
    }
    setTimeout(() => source.close(), 5);
    for await (const _ of source.read(5, 0, never)) {
    }
  });

  test("of a lake too large to keep, the ledgers that fit", async () => {
    using lake = new TemporaryLake().putAll(1, 9);
    const source = await RepeatingSource.open(lake.folder, { bytesMax: 4 * 412 });
    expect(source.description).toBe(`the first 4 ledgers of ${lake.folder}, repeated`);
    const error = await RepeatingSource.open(lake.folder, { bytesMax: 411 }).catch((thrown) => thrown);
    expect(error.reason).toBe("REPEAT_TOO_LARGE");
  });
});
