import { describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import path from "node:path";
import * as grpc from "@grpc/grpc-js";
import { backoffMs } from "../../src/base/backoff.ts";
import { WINDOW_BYTES } from "../../src/grpc/stream-client/server-stream.ts";

import { headerSequence } from "../../src/sources/file/header-offsets.ts";
import { LEDGER_BYTES_MAX } from "../../src/sources/limits.ts";
import { type RawLedgerOptions, RawLedgerSource } from "../../src/sources/raw-ledger/raw-ledger-grpc.ts";
import { RawLedgerStream } from "../../src/sources/raw-ledger/raw-ledger-stream.ts";
import { failureOf } from "../support/failure.ts";
import { sharedFolder } from "../support/shared.ts";
import { tinyLedger } from "./lake-fixture.ts";
import { RawLedgerServer } from "./raw-ledger-service.ts";

const never = new AbortController().signal;
const quick: RawLedgerOptions = { reconnectMsMin: 1, reconnectMsMax: 10 };
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

async function readAll(
  address: string,
  start: number,
  end: number,
  options = quick,
  signal = never,
): Promise<number[]> {
  const source = new RawLedgerSource(address, options);
  const seen: number[] = [];
  for await (const { name, bytes, ledgerFirst, ledgerLast, encoding, container } of source.read(start, end, signal)) {
    expect([encoding, container, ledgerFirst, ledgerLast]).toEqual(["none", "ledger", ledgerFirst, ledgerFirst]);
    expect(headerSequence(name, bytes)).toBe(ledgerFirst);
    seen.push(ledgerFirst);
  }
  return seen;
}

const sequence = (first: number, last: number) => Array.from({ length: last - first + 1 }, (_, i) => first + i);

describe("RawLedgerSource", () => {
  test("reads a range, then cancels the call", async () => {
    using server = await RawLedgerServer.start((call) => call.sendAll(call.startLedger, 1e9));
    expect(await readAll(server.address, 100, 1100)).toEqual(sequence(100, 1100));
    await server.calls[0]!.cancellation();
    expect(server.calls.map((call) => call.startLedger)).toEqual([100]);
  });

  test("a large ledger, up to the limit and over it", async () => {
    const large = new Uint8Array(LEDGER_BYTES_MAX);
    large.set(tinyLedger(5));
    using server = await RawLedgerServer.start((call) => call.send(5, large));
    expect(await readAll(server.address, 5, 5)).toEqual([5]);
    for (const [extra, sentence] of [
      [1, `ledger 5: ${LEDGER_BYTES_MAX + 1} B, over max ${LEDGER_BYTES_MAX} B`],
      [2 << 20, `over max ${LEDGER_BYTES_MAX} B came where 5 should`],
    ] as const) {
      const larger = new Uint8Array(LEDGER_BYTES_MAX + extra);
      larger.set(tinyLedger(5));
      using over = await RawLedgerServer.start((call) => call.send(5, larger));
      const error = await failureOf(readAll(over.address, 5, 5));
      expect([error.code, error.reason]).toEqual(["RESOURCE_EXHAUSTED", "LEDGER_TOO_LARGE"]);
      expect(error.message).toContain(sentence);
    }
  });

  test("asks again from the next ledger needed, whatever broke", async () => {
    const { UNAVAILABLE, INTERNAL, UNKNOWN, ABORTED, RESOURCE_EXHAUSTED, DEADLINE_EXCEEDED } = grpc.status;
    const codes = [UNAVAILABLE, INTERNAL, UNKNOWN, ABORTED, RESOURCE_EXHAUSTED, DEADLINE_EXCEEDED];
    using server = await RawLedgerServer.start(async (call, n) => {
      await call.sendAll(call.startLedger, call.startLedger + 9);
      if (n === codes.length) call.end();
      else if (n < codes.length) call.fail(codes[n]!);
      else await call.sendAll(call.startLedger + 10, 1e9);
    });
    expect(await readAll(server.address, 1, 200)).toEqual(sequence(1, 200));
    expect(server.calls.map((call) => call.startLedger)).toEqual([1, 11, 21, 31, 41, 51, 61, 71]);
  });

  test("the source is away, and comes back on the same port", async () => {
    const first = await RawLedgerServer.start((call) => call.sendAll(call.startLedger, call.startLedger + 4));
    const port = Number(first.address.split(":")[1]);
    const reading = readAll(first.address, 1, 10);
    await sleep(50);
    first[Symbol.dispose]();
    await sleep(50);
    using second = await RawLedgerServer.start((call) => call.sendAll(call.startLedger, 1e9), port);
    expect(await reading).toEqual(sequence(1, 10));
    expect(second.calls[0]!.startLedger).toBeGreaterThan(1);
  });

  test("gives up when the source stays away", async () => {
    const error = await failureOf(readAll("127.0.0.1:1", 7, 9, { ...quick, outageMsMax: 50 }));
    expect([error.code, error.reason]).toEqual(["UNAVAILABLE", "SOURCE_UNAVAILABLE"]);
    expect(error.retryable).toBe(true);
    expect(error.message).toMatch(
      /raw ledgers from 127\.0\.0\.1:1: UNAVAILABLE.*no ledger for \d+ ms in \d+ tries, over max 50 ms/,
    );
  });

  test("what asking again cannot mend ends it at once", async () => {
    for (const code of ["INVALID_ARGUMENT", "NOT_FOUND", "OUT_OF_RANGE", "UNAUTHENTICATED", "UNIMPLEMENTED"] as const) {
      using server = await RawLedgerServer.start((call) => call.fail(grpc.status[code], "no such thing"));
      const error = await failureOf(readAll(server.address, 1, 2));
      expect(error.code).toBe(code);
      expect(error.message).toContain("no such thing");
      expect(server.calls.length).toBe(1);
    }
  });

  test("a gap is asked for again", async () => {
    using server = await RawLedgerServer.start(async (call, n) => {
      await call.sendAll(call.startLedger, call.startLedger + 4);
      await call.sendAll(call.startLedger + (n === 0 ? 6 : 5), 1e9);
    });
    expect(await readAll(server.address, 1, 50)).toEqual(sequence(1, 50));
    expect(server.calls.map((call) => call.startLedger)).toEqual([1, 6]);
  });

  test("a gap that stays is an error with the ledger missing", async () => {
    using server = await RawLedgerServer.start(async (call) => {
      for (let ledger = call.startLedger; ledger < 100; ledger++) if (ledger !== 6) await call.send(ledger);
    });
    const error = await failureOf(readAll(server.address, 1, 50));
    expect([error.code, error.reason]).toEqual(["NOT_FOUND", "LEDGER_MISSING"]);
    expect(error.message).toContain("ledger 7 came where 6 should");
    expect(server.calls.map((call) => call.startLedger)).toEqual([1, 6, 6, 6]);
  });

  test("ledgers had before are dropped; a source that only repeats itself is an error", async () => {
    using server = await RawLedgerServer.start(async (call) => {
      for (let ledger = call.startLedger; ledger < 1e6; ledger++) {
        await call.send(ledger);
        await call.send(Math.max(1, ledger - 3));
      }
    });
    expect(await readAll(server.address, 5, 60)).toEqual(sequence(5, 60));
    using stuck = await RawLedgerServer.start(async (call) => {
      while (!call.cancelled) await call.send(3);
    });
    const error = await failureOf(readAll(stuck.address, 5, 60));
    expect([error.code, error.reason]).toEqual(["DATA_LOSS", "LEDGER_OUT_OF_STEP"]);
  });

  test("a message that is not the ledger it should be", async () => {
    using other = await RawLedgerServer.start((call) => call.send(5, tinyLedger(6)));
    expect((await failureOf(readAll(other.address, 5, 5))).message).toContain("ledger 5: its header says ledger 6");
    using short = await RawLedgerServer.start((call) => call.send(5, tinyLedger(5).subarray(0, 50)));
    expect((await failureOf(readAll(short.address, 5, 5))).reason).toBe("LEDGER_HEADER");
    using empty = await RawLedgerServer.start((call) => call.send(5, new Uint8Array(0)));
    expect((await failureOf(readAll(empty.address, 5, 5))).reason).toBe("LEDGER_HEADER");
    using none = await RawLedgerServer.start((call) => call.sendBytes(Buffer.from([0x12, 9])));
    const { reason, message } = await failureOf(readAll(none.address, 5, 5));
    expect([reason, message]).toEqual(["RAW_LEDGER", expect.stringContaining("came where ledger 5 should")]);
  });

  test("a source that falls silent is left and asked again", async () => {
    using server = await RawLedgerServer.start(async (call, n) => {
      if (n < 2) await call.sendAll(call.startLedger, call.startLedger + 2);
      else await call.sendAll(call.startLedger, 1e9);
    });
    expect(await readAll(server.address, 1, 20, { ...quick, stallMsMax: 1000 })).toEqual(sequence(1, 20));
    expect(server.calls.map((call) => call.startLedger)).toEqual([1, 4, 7]);
  });

  test("time that the reader takes is not the source's silence", async () => {
    using server = await RawLedgerServer.start((call) => call.sendAll(call.startLedger, 1e9));
    const source = new RawLedgerSource(server.address, { ...quick, stallMsMax: 1000, outageMsMax: 1000 });
    let count = 0;
    for await (const _ of source.read(1, 2, never)) {
      count++;
      await sleep(1200);
    }
    expect(count).toBe(2);
    expect(server.calls.length).toBe(1);
  });

  test("stops without an error when the signal aborts, the source is closed, or the reader leaves", async () => {
    using server = await RawLedgerServer.start((call) => call.sendAll(call.startLedger, 4));
    const stop = new AbortController();
    const reading = readAll(server.address, 1, 0, quick, stop.signal);
    while (server.calls.length === 0) await sleep(2);
    await sleep(20);
    stop.abort();
    expect((await reading).length).toBeLessThanOrEqual(4);
    await server.calls[0]!.cancellation();

    const source = new RawLedgerSource(server.address, quick);
    const reader = source.read(1, 0, never);
    for (let i = 0; i < 4; i++) expect((await reader.next()).done).toBe(false);
    const fifth = reader.next();
    await source.close();
    expect((await fifth).done).toBe(true);
    await server.calls[1]!.cancellation();

    for await (const _ of new RawLedgerSource(server.address, quick).read(1, 0, never)) break;
    await server.calls[2]!.cancellation();
    expect(await readAll(server.address, 1, 0, quick, AbortSignal.abort())).toEqual([]);
  });

  test("a reader that pauses holds the source back", async () => {
    const size = 1 << 20;
    let sent = 0;
    using server = await RawLedgerServer.start(async (call) => {
      for (let ledger = call.startLedger; ledger < 1000 && !call.cancelled; ledger++) {
        const bytes = new Uint8Array(size);
        bytes.set(tinyLedger(ledger));
        await call.send(ledger, bytes);
        sent++;
      }
    });
    const stream = new RawLedgerStream(server.address, 1);
    expect((await stream.next(10_000)).kind).toBe("ledger");
    // Wait until nothing moves any more.
    for (let before = -1; before !== sent; ) {
      before = sent;
      await sleep(300);
    }
    expect(stream.queuedBytes).toBeLessThanOrEqual(WINDOW_BYTES);
    // What else was sent is with grpc-js and in sockets.
    expect(sent).toBeLessThan(100);
    const held = sent;
    for (let i = 0; i < 200; i++) expect((await stream.next(10_000)).kind).toBe("ledger");
    expect(sent).toBeGreaterThan(held);
    stream.close();
    expect((await stream.next(10)).kind).toBe("closed");
    await server.calls[0]!.cancellation();
  });
});

test("backoffMs doubles up to its maximum, and spreads", () => {
  expect([0, 1, 2, 3, 99].map((attempt) => backoffMs(attempt, 100, 1000, () => 1))).toEqual([100, 200, 400, 800, 1000]);
  expect(backoffMs(1, 100, 1000, () => 0)).toBe(100);
});

const tool = sharedFolder("tools/rawledgersource");
const realLedgers = sharedFolder("ledgers/pubnet");
const go = Bun.which("go");
if (tool !== undefined && go === null && process.env.CI === "true") throw new Error("under CI: no Go to build it with");
describe.skipIf(tool === undefined || realLedgers === undefined || go === null)(
  "a grpc-go source (skipped without Go or ../shared)",
  () => {
    const binary = path.join(import.meta.dir, "../../.cache/bin/rawledgersource");
    const files = ["51000294.xdr.zst", "58752000.xdr.zst", "63092996.xdr.zst"];

    async function withSource(flags: string[], run: (address: string) => Promise<void>): Promise<string> {
      if (!existsSync(binary)) {
        const built = Bun.spawnSync([go!, "build", "-o", binary, "."], { cwd: tool!, stderr: "inherit" });
        expect(built.exitCode).toBe(0);
      }
      const ledgers = files.map((file) => path.join(realLedgers!, file));
      const child = Bun.spawn([binary, "-addr", "127.0.0.1:0", ...flags, ...ledgers], {
        stdout: "pipe",
        stderr: "pipe",
      });
      try {
        const reader = child.stdout.getReader();
        let line = "";
        while (!line.includes("\n")) line += new TextDecoder().decode((await reader.read()).value);
        await run(/listening (\S+)/.exec(line)![1]!);
      } finally {
        child.kill();
      }
      return await new Response(child.stderr).text();
    }

    test("a thousand real ledgers", async () => {
      const log = await withSource([], async (address) => {
        expect(await readAll(address, 63000000, 63000999)).toEqual(sequence(63000000, 63000999));
        await sleep(100);
      });
      expect(log).toContain("context canceled");
    }, 60_000);

    test("a failure, a gap, and an end that is UNAVAILABLE", async () => {
      await withSource(["-fail-at", "7"], async (address) => {
        expect(await readAll(address, 1, 30)).toEqual(sequence(1, 30));
      });
      await withSource(["-gap-at", "7"], async (address) => {
        expect(await readAll(address, 1, 30)).toEqual(sequence(1, 30));
      });
      for (const end of ["unavailable", "eof"]) {
        const log = await withSource(["-n", "10", "-end", end], async (address) => {
          expect(await readAll(address, 1, 35)).toEqual(sequence(1, 35));
        });
        expect(log.match(/start=\d+/g)).toEqual(["start=1", "start=11", "start=21", "start=31"]);
      }
    }, 60_000);
  },
);
