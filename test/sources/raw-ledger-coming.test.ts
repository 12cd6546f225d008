/** Large ledgers that a raw-ledger service sends, given while they come. */
import { expect, test } from "bun:test";
import type { CodedError } from "../../src/error.ts";
import { type RawLedgerOptions, RawLedgerSource } from "../../src/sources/raw-ledger/raw-ledger-grpc.ts";
import type { LedgerObject } from "../../src/sources/source.ts";
import { ByteProxy } from "../support/byte-proxy.ts";
import { tinyLedger } from "./lake-fixture.ts";
import { RawLedgerServer } from "./raw-ledger-service.ts";

const never = new AbortController().signal;
const quick: RawLedgerOptions = { reconnectMsMin: 1, reconnectMsMax: 10 };

/** It says its number, and is not walked. */
function largeLedger(sequence: number, bytes = 24 << 20): Uint8Array {
  const large = new Uint8Array(bytes);
  large.set(tinyLedger(sequence));
  return large;
}

test("a large ledger is given while it comes, also to one who takes its time", async () => {
  const large = largeLedger(5);
  using server = await RawLedgerServer.start(async (call) => {
    await call.send(5, large);
    await call.sendAll(6, 1e9);
  });
  const given: [number, boolean][] = [];
  for await (const object of new RawLedgerSource(server.address).read(5, 7, never, undefined, true)) {
    const { ledgerFirst, bytes, coming } = object;
    given.push([ledgerFirst, coming !== undefined]);
    if (coming === undefined) continue;
    expect(coming.filled()).toBeLessThan(large.length);
    for (let wanted = 0; wanted < large.length; ) {
      wanted = Math.min(large.length, wanted + (1 << 20));
      expect(await coming.until(wanted)).toBe(true);
      await Bun.sleep(5);
    }
    expect(Buffer.from(bytes).equals(large)).toBe(true);
  }
  expect(given).toEqual([
    [5, true],
    [6, false],
    [7, false],
  ]);
});

test("a large ledger whose message is written in another way comes whole, or says what it is", async () => {
  const large = largeLedger(5);
  const length = [0x80 | (large.length & 0x7f), 0x80, 0x80, large.length >>> 21]; // 24 MiB: the middle is 0
  const [sequence, xdr] = [Buffer.from([0x08, 5]), Buffer.concat([Buffer.from([0x12, ...length]), large])];
  const unknown = Buffer.from([0x18, 1]); // field 3
  const longer = Buffer.from([0x08, 0x85, 0x80, 0x00]); // the same number in three bytes
  const endless = Buffer.from([0x08, ...new Array(12).fill(0x85)]);
  for (const [message, given] of [
    [[sequence, xdr], "5 coming"],
    [[longer, xdr], "5 coming"],
    [[xdr, sequence], "5"],
    [[sequence, xdr, unknown], "5"],
    [[sequence, unknown, xdr], "5"],
    [[endless, xdr], "RAW_LEDGER"],
    [[sequence, xdr.subarray(0, -1)], "RAW_LEDGER"],
  ] as const) {
    using server = await RawLedgerServer.start((call) => call.sendBytes(Buffer.concat(message)));
    const objects = new RawLedgerSource(server.address).read(5, 5, never, undefined, true);
    const read = objects.next().then(async ({ value }) => {
      const { ledgerFirst, bytes, coming } = value!;
      expect((await coming?.until(bytes.length)) ?? true).toBe(true);
      expect(Buffer.from(bytes).equals(large)).toBe(true);
      return `${ledgerFirst}${coming === undefined ? "" : " coming"}`;
    });
    expect(await read.catch(({ reason }) => reason)).toBe(given);
    await objects.return();
  }
});

test("a large ledger that breaks off is given again", async () => {
  const large = largeLedger(5);
  const first = await RawLedgerServer.start((call) => call.send(5, large));
  const port = Number(first.address.split(":")[1]);
  const given: string[] = [];
  let second: RawLedgerServer | undefined;
  for await (const { coming, ledgerFirst } of new RawLedgerSource(first.address, quick).read(
    5,
    6,
    never,
    undefined,
    true,
  )) {
    if (second === undefined) {
      first[Symbol.dispose]();
      given.push(`${ledgerFirst} ${await coming!.until(large.length)}`);
      second = await RawLedgerServer.start(async (call) => {
        await call.send(5, large);
        await call.sendAll(6, 1e9);
      }, port);
    } else given.push(`${ledgerFirst} ${(await coming?.until(large.length)) ?? "whole"}`);
  }
  expect(given).toEqual(["5 false", "5 true", "6 whole"]);
  expect(second!.calls.map((call) => call.startLedger)).toEqual([5]);
  second![Symbol.dispose]();
});

test("a large ledger that stops coming is let go, and the connection is dead when one that does not begin says so", async () => {
  const stallMsMax = 4_000;
  const large = largeLedger(5);
  using server = await RawLedgerServer.start((call) => call.send(5, large));
  using proxy = await ByteProxy.start(server.address, false);
  proxy.stallAt = large.length / 2;
  const told: [string, number][] = [];
  const given: [boolean, number][] = [];
  const begunMs = performance.now();
  const onTrouble = (trouble: CodedError | undefined) =>
    void told.push([trouble?.message ?? "", performance.now() - begunMs]);
  const source = new RawLedgerSource(proxy.address, { ...quick, stallMsMax });
  for await (const { coming, bytes } of source.read(5, 5, never, onTrouble, true)) {
    given.push([(await coming?.until(bytes.length)) ?? true, performance.now() - begunMs]);
  }
  expect(given.map(([isWhole]) => isWhole)).toEqual([false, true]);
  expect(given[0]![1]).toBeLessThan(0.75 * stallMsMax); // what its decoding holds is free again
  expect(told.map(([message]) => message)).toEqual([expect.stringContaining("nothing came for 4000 ms")]);
  expect(told[0]![1]).toBeGreaterThan(0.95 * stallMsMax);
  expect(told[0]![1]).toBeLessThan(1.8 * stallMsMax); // not once while it comes, and once more until it is whole
});

test("a large ledger that comes slowly, with short pauses, goes on coming", async () => {
  const large = largeLedger(5);
  using server = await RawLedgerServer.start((call) => call.send(5, large));
  using proxy = await ByteProxy.start(server.address, false);
  const objects = new RawLedgerSource(proxy.address, quick).read(5, 5, never, undefined, true);
  proxy.stallAt = 2 << 20;
  const { coming } = (await objects.next()).value as LedgerObject;
  const whole = coming!.until(large.length);
  for (let part = 2; part <= 5; part++) {
    await Bun.sleep(700);
    expect(coming!.filled()).toBeLessThan(large.length);
    proxy.stallAt = (part / 6) * large.length;
    proxy.goOn();
  }
  await Bun.sleep(700);
  proxy.goOn();
  expect(await whole).toBe(true);
  expect((await objects.next()).done).toBe(true);
});

test("a large ledger that pauses is given whole behind the pause, over the same connection", async () => {
  const large = largeLedger(5);
  using server = await RawLedgerServer.start((call) => call.send(5, large));
  using proxy = await ByteProxy.start(server.address, false);
  proxy.stallAt = large.length / 2;
  const given: string[] = [];
  const source = new RawLedgerSource(proxy.address, quick);
  for await (const { coming, bytes } of source.read(5, 5, never, undefined, true)) {
    given.push(String((await coming?.until(bytes.length)) ?? Buffer.from(bytes).equals(large)));
    proxy.goOn();
  }
  expect(given).toEqual(["false", "true"]);
  expect(server.calls.length).toBe(1);
});
