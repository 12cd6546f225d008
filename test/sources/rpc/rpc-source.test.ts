/** Ledgers from an RPC server: the rows of the lake, the tip, and what is not there. */
import { beforeAll, describe, expect, test } from "bun:test";
import { openLedgerInput } from "../../../src/sources/file/ledger-file.ts";
import { Lake } from "../../../src/sources/lake/lake.ts";
import { RpcSource } from "../../../src/sources/rpc/rpc-source.ts";
import type { LedgerSource } from "../../../src/sources/source.ts";
import { buildLedger, created, id, scBytes, scU32 } from "../../ledger/build.ts";
import { failureOf } from "../../support/failure.ts";
import { localServer } from "../../support/local-server.ts";
import { PUBNET } from "../../support/networks.ts";
import { SAMPLE } from "../../support/processor.ts";
import { RpcServer } from "../../support/rpc-server.ts";
import { until } from "../../support/until.ts";
import { tinyLedger } from "../lake-fixture.ts";

const sample = new Map<number, Uint8Array>();
beforeAll(async () => {
  let sequence = SAMPLE.first;
  for await (const { bytes } of (await openLedgerInput(SAMPLE.folder)).ledgers) sample.set(sequence++, bytes.slice());
});

const tiny = (first: number, last: number) =>
  new Map(Array.from({ length: last - first + 1 }, (_, index) => [first + index, tinyLedger(first + index)]));
const quick = { retryMsMin: 5, waitMsMax: 500, lookMsMin: 10 };

async function sequences(source: LedgerSource, start: number, end: number): Promise<number[]> {
  const seen: number[] = [];
  for await (const { ledgerFirst } of source.read(start, end, new AbortController().signal)) seen.push(ledgerFirst);
  return seen;
}

async function rowsOver(source: LedgerSource): Promise<string[]> {
  const server = await localServer(source, { "network-passphrase": PUBNET });
  const ticket = Buffer.from(JSON.stringify({ start_ledger: SAMPLE.first, end_ledger: SAMPLE.last }));
  const seen: string[] = [];
  const text = (_: string, value: unknown) => (typeof value === "bigint" ? String(value) : value);
  for await (const { table } of server.flight.doGet(ticket)) {
    for (const row of table) seen.push(JSON.stringify(row, text));
  }
  await server.close();
  await source.close();
  return seen;
}

test("a range gives the rows of the lake", async () => {
  using server = new RpcServer(sample, PUBNET);
  const rows = await rowsOver(new RpcSource(server.url));
  expect(rows.length).toBeGreaterThan(250);
  expect(rows).toEqual(await rowsOver(await Lake.open(SAMPLE.folder)));
}, 60_000);

test("it names its network and its newest ledger, and shows nobody the key in its address", async () => {
  using server = new RpcServer(tiny(5, 9), "a network");
  const source = new RpcSource(server.url);
  expect([await source.networkPassphrase(), await source.ledgerLatest()]).toEqual(["a network", 9]);
  expect(source.description).not.toContain("secret-key");
});

test("pages grow with what fits, and hold every ledger once", async () => {
  using server = new RpcServer(tiny(100, 499), "test");
  expect(await sequences(new RpcSource(server.url, quick), 100, 499)).toEqual([...tiny(100, 499).keys()]);
  expect(server.limitMax).toBe(100);
  expect(server.calls.length).toBeLessThan(10);
});

test("ledgers larger than a page come one at a time, whoever reads, and who stops waits for nobody", async () => {
  const operations = [[created({ contract: id(1), key: scU32(1), val: scBytes(new Uint8Array(4 << 20)) })]];
  const large = [100, 101, 102, 103].map((sequence) => [
    sequence,
    buildLedger({ sequence, transactions: [{ operations }] }),
  ]);
  let asked = 0;
  let askedMost = 0;
  let held = Promise.resolve();
  using server = new RpcServer(new Map(large as [number, Uint8Array][]), "test", async () => {
    askedMost = Math.max(askedMost, ++asked);
    await Bun.sleep(5);
    await held;
    asked--;
  });
  const source = new RpcSource(server.url, { ...quick, waitMsMax: 60_000 });
  expect(await sequences(source, 100, 100)).toEqual([100]); // it knows how large they are
  const all = await Promise.all([1, 2, 3].map(() => sequences(source, 100, 103)));
  expect(all).toEqual(all.map(() => [100, 101, 102, 103]));
  expect(askedMost).toBe(1);

  const release = Promise.withResolvers<void>();
  held = release.promise;
  const first = sequences(source, 100, 100);
  await until(() => asked === 1, "the first has asked");
  const stop = new AbortController();
  const second = source.read(101, 101, stop.signal).next();
  stop.abort();
  expect((await second).done).toBe(true);
  release.resolve();
  expect(await first).toEqual([100]);
  await source.close();
}, 60_000);

test("the tip is followed", async () => {
  const ledgers = tiny(100, 102);
  using server = new RpcServer(ledgers, "test");
  const source = new RpcSource(server.url, quick);
  const processor = await localServer(source, { "network-passphrase": "test" });
  const { sessionId } = await processor.control.startProcessing({ startLedger: 100 });
  const at = (ledger: number) => () => processor.processor.sessions.get(sessionId).ledgerCurrent === ledger;
  await until(at(102), "at ledger 102");
  for (let ledger = 103; ledger <= 110; ledger++) ledgers.set(ledger, tinyLedger(ledger));
  await until(at(110), "at ledger 110");
  await processor.close();
  await source.close();
});

describe("what is not there", () => {
  test.each([
    [3, 6, "LEDGER_BEFORE_SOURCE", "has ledgers 5 to 9"],
    [7, 12, "LEDGER_AFTER_SOURCE", "the newest of the RPC server"],
  ])("ledgers %d to %d", async (start, end, reason, sentence) => {
    using server = new RpcServer(tiny(5, 9), "test");
    const error = await failureOf(sequences(new RpcSource(server.url, quick), start, end));
    expect([error.code, error.reason, error.message]).toEqual([
      "OUT_OF_RANGE",
      reason,
      expect.stringContaining(sentence),
    ]);
  });

  test("another ledger than its number says", async () => {
    using server = new RpcServer(new Map([[5, tinyLedger(6)]]), "test");
    const error = await failureOf(sequences(new RpcSource(server.url, quick), 5, 5));
    expect([error.code, error.reason]).toEqual(["DATA_LOSS", "LEDGER_OUT_OF_STEP"]);
  });

  test("a wrong key, no JSON, and a server that is away", async () => {
    const codes: string[] = [];
    for (const [status, text] of [
      [403, "no"],
      [200, "<html>"],
      [200, "{}"],
      [503, ""],
    ] as const) {
      using server = new RpcServer(tiny(5, 9), "test", () => new Response(text, { status }));
      const { code, reason } = await failureOf(sequences(new RpcSource(server.url, quick), 5, 9));
      codes.push(`${code} ${reason}`);
    }
    codes.push((await failureOf(sequences(new RpcSource("http://127.0.0.1:1", quick), 5, 9))).reason);
    expect(codes).toEqual([
      "PERMISSION_DENIED RPC_ANSWER",
      "UNAVAILABLE RPC_ANSWER",
      "UNAVAILABLE RPC_ANSWER",
      "UNAVAILABLE STORE_UNAVAILABLE",
      "STORE_UNAVAILABLE",
    ]);
  });
});

test("429, 503 and broken answers are asked again: every ledger once", async () => {
  const faults = [() => new Response("", { status: 429 }), () => new Response("", { status: 503 })];
  using server = new RpcServer(tiny(100, 399), "test", (_method, call) =>
    call % 3 === 0 ? undefined : faults[call % 2]!(),
  );
  expect(await sequences(new RpcSource(server.url, quick), 100, 399)).toEqual([...tiny(100, 399).keys()]);
});

test("a server that says when to ask again is not asked before", async () => {
  const asked: number[] = [];
  using server = new RpcServer(tiny(5, 5), "test", (_method, call) => {
    asked.push(performance.now());
    return call === 1 ? new Response("", { status: 429, headers: { "retry-after": "1" } }) : undefined;
  });
  expect(await sequences(new RpcSource(server.url, quick), 5, 5)).toEqual([5]);
  expect(asked[1]! - asked[0]!).toBeGreaterThanOrEqual(1_000);
});
