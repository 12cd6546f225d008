/** What a decode worker has for one stream, on the test's own thread: what it puts out is read behind it. */
import { AheadBatches } from "../../src/workers/ahead-batches.ts";
import { Bell } from "../../src/workers/bell.ts";
import { MessageReader } from "../../src/workers/fragments.ts";
import { LedgerDurations } from "../../src/workers/ledger-durations.ts";
import { LedgerMemory } from "../../src/workers/ledger-memory.ts";
import type { StreamSpec } from "../../src/workers/records.ts";
import { createRing, RingConsumer, RingProducer } from "../../src/workers/ring.ts";
import { SpanDecoder } from "../../src/workers/span-decoder.ts";
import { StageTimes } from "../../src/workers/stage-times.ts";

interface SpanWorkerOptions {
  /** Of the output ring: all that is put out has to fit it. */
  ringBytes?: number;
  retainedBytesMax?: number;
  memory?: LedgerMemory;
  ahead?: AheadBatches;
}

/** A decoder of the stream's spans, and the reader of its messages. */
export function spanWorker(
  spec: StreamSpec,
  {
    ringBytes = 1 << 20,
    retainedBytesMax = 1 << 24,
    memory = new LedgerMemory(1 << 24),
    ahead = new AheadBatches(1 << 24),
  }: SpanWorkerOptions = {},
): { decoder: SpanDecoder; reader: MessageReader } {
  const ring = createRing(ringBytes);
  const decoder = new SpanDecoder(spec, {
    output: new RingProducer(ring, Bell.create()),
    ...{ memory, retainedBytesMax, ahead },
    durations: new LedgerDurations(),
    times: new StageTimes(),
  });
  return { decoder, reader: new MessageReader(new RingConsumer(ring), ringBytes) };
}
