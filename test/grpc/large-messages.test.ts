/** Messages that are larger than a window come one after the other, whoever asks for them. */
import { expect, test } from "bun:test";
import { WAIT_MS_MAX } from "../../src/grpc/stream-client/large-messages.ts";
import { WINDOW_BYTES } from "../../src/grpc/stream-client/server-stream.ts";
import { RawLedgerStream } from "../../src/sources/raw-ledger/raw-ledger-stream.ts";
import { RawLedgerServer } from "../sources/raw-ledger-service.ts";
import { ByteProxy } from "../support/byte-proxy.ts";
import { until } from "../support/until.ts";

const LEDGER_BYTES = 40 << 20; // two of them are over what may come at a time
const NEARLY = 0.7; // of a window: what is missing of it is too little to be granted
const STALL_MS_MAX = 60_000;
const STREAMS = 4;

test("of four large ledgers one comes, and the next when it is released or its stream is closed", async () => {
  using server = await RawLedgerServer.start(async (call) => {
    await call.send(call.startLedger, new Uint8Array(LEDGER_BYTES));
  });
  const streams = Array.from({ length: STREAMS }, () => new RawLedgerStream(server.address, 1));
  const waiting = new Map(streams.map((stream) => [stream, stream.next(STALL_MS_MAX)]));
  try {
    while (waiting.size > 0) {
      const askedMs = performance.now();
      const arrivals = [...waiting].map(async ([stream, next]) => ({ stream, event: await next }));
      const { stream, event } = await Promise.race(arrivals);
      waiting.delete(stream);
      const tookMs = performance.now() - askedMs;
      expect(tookMs, "it was the time limit that let the message in").toBeLessThan(WAIT_MS_MAX / 2);
      if (event.kind !== "ledger") throw new Error(event.kind);
      const others = [...waiting.keys()];
      await until(() => others.every(({ queuedBytes }) => queuedBytes > NEARLY * WINDOW_BYTES), "the others' windows");
      await Bun.sleep(50);
      for (const { queuedBytes } of others) expect(queuedBytes).toBeLessThanOrEqual(WINDOW_BYTES);
      expect(event.ledger.ledgerCloseMetaXdr.length).toBe(LEDGER_BYTES);
      if (waiting.size % 2 === 0) event.release();
      else stream.close();
    }
  } finally {
    for (const stream of streams) stream.close();
  }
}, 60_000);

test("one whose source has stopped holds the others up once, not each of them", async () => {
  using server = await RawLedgerServer.start((call) => call.send(call.startLedger, new Uint8Array(LEDGER_BYTES)));
  using proxy = await ByteProxy.start(server.address, false);
  proxy.stallAt = LEDGER_BYTES / 2;
  const stopped = new RawLedgerStream(proxy.address, 1);
  const never = stopped.next(STALL_MS_MAX);
  await until(() => stopped.queuedBytes > 2 * WINDOW_BYTES, "more than a window of it has come");
  const begunMs = performance.now();
  for (let ledger = 1; ledger <= 3; ledger++) {
    const stream = new RawLedgerStream(server.address, ledger);
    expect((await stream.next(STALL_MS_MAX)).kind).toBe("ledger");
    stream.close();
  }
  const tookMs = performance.now() - begunMs;
  expect(tookMs).toBeGreaterThan(WAIT_MS_MAX / 2);
  expect(tookMs).toBeLessThan(1.5 * WAIT_MS_MAX);
  stopped.close();
  expect((await never).kind).toBe("closed");
}, 60_000);
