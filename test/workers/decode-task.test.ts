/** A decode worker whose large ledger has stopped coming. */
import { expect, test } from "bun:test";
import { Worker } from "node:worker_threads";
import { MemoryPressure } from "../../src/base/memory-pressure.ts";
import { Bell } from "../../src/workers/bell.ts";
import { MessageReader, sendAsync } from "../../src/workers/fragments.ts";
import { LedgerDurations } from "../../src/workers/ledger-durations.ts";
import { INPUT, OUTPUT, packRecord, type SpanDoneRecord, unpackRecord } from "../../src/workers/records.ts";
import { createRing, RingConsumer, RingProducer } from "../../src/workers/ring.ts";
import { StageTimes } from "../../src/workers/stage-times.ts";
import type { DecodeTaskData } from "../../src/workers/task-data.ts";
import { loadTestLedgers } from "../fuzz/ledger-fixtures.ts";
import { LOAD_TEST } from "../support/networks.ts";
import { PLAIN_SPEC } from "../support/stream-spec.ts";
import { until } from "../support/until.ts";

const RING_BYTES = 8 << 20;
const [first, second] = loadTestLedgers() as [Uint8Array, Uint8Array];
const SEQUENCES = { first: 88, second: 92 };

test("it gives memory back while it waits for more of the ledger", async () => {
  const pressure = MemoryPressure.create();
  const collections = new Int32Array(new SharedArrayBuffer(4));
  const inputBell = Bell.create();
  const input = new RingProducer(createRing(RING_BYTES), inputBell);
  const output = createRing(RING_BYTES);
  const task: DecodeTaskData = {
    index: 0,
    input: input.memory,
    inputBell: inputBell.cells,
    output,
    outputBell: Bell.create().cells,
    durations: new LedgerDurations().memory,
    times: new StageTimes().memory,
    pressure: pressure.memory,
    retainedBytesMax: 16 << 20,
    freeBytesMax: 16 << 20,
    state: new Int32Array(new SharedArrayBuffer(4)),
  };
  const worker = new Worker(new URL("./counted-decode-task.ts", import.meta.url), {
    workerData: { task, collections },
  });
  try {
    const { stream } = PLAIN_SPEC;
    const spec = { ...PLAIN_SPEC, networkPassphrase: LOAD_TEST, verifyChain: false, ledgerBytesMax: 64 << 20 };
    const send = (tag: number, record: object, bytes: Uint8Array = new Uint8Array(0)) =>
      sendAsync(input, tag, [packRecord(record), bytes]);
    const object = (sequence: number) => {
      const ledgers = { ledgerFirst: sequence, ledgerLast: sequence };
      return { stream, span: 0, name: "", encoding: "none", container: "ledger", named: ledgers, ...ledgers };
    };
    await send(INPUT.OPEN, spec);
    await send(INPUT.OBJECT, object(SEQUENCES.first), first); // whole: it shows the network, which is what the next waits for
    await send(INPUT.OBJECT, { ...object(SEQUENCES.second), bytes: second.length }, second.subarray(0, 400_000));
    await until(() => input.usedBytes === 0, "the first part is with the worker");
    await Bun.sleep(300); // and walked as far as it goes

    for (let round = 1; round <= 2; round++) {
      pressure.askForMemory();
      await until(() => Atomics.load(collections, 0) === round, `collection ${round}`);
    }
    await send(INPUT.PART, { stream }, second.subarray(400_000));
    await send(INPUT.SPAN_END, { stream, span: 0 });
    const messages = new MessageReader(new RingConsumer(output), RING_BYTES);
    let done: SpanDoneRecord | undefined;
    await until(() => {
      for (; messages.next(); messages.release()) {
        if (messages.tag === OUTPUT.SPAN_DONE) done = unpackRecord<SpanDoneRecord>(messages.payload).record;
      }
      return done !== undefined;
    }, "the span's end");
    expect([done?.ledgers, done?.xdrBytes, done?.error]).toEqual([2, first.length + second.length, undefined]);
    expect(Atomics.load(collections, 0)).toBe(2);
  } finally {
    input.close();
    await worker.terminate();
  }
});
