/**
 * The long-lived task of a decode worker: ledgers in, finished Arrow batches out. It blocks its thread while there is
 * nothing to do, and ends when its input ring is closed and empty. HOT PATH.
 *
 * A worker may have spans of several streams open at once, so all state is per stream; only the memory for inflated
 * ledgers is shared between them.
 */

import { DroppedMemory, QUIET_MS } from "../base/dropped-memory.ts";
import { collect, MemoryPressure } from "../base/memory-pressure.ts";
import { CodedError } from "../error.ts";
import { AheadBatches } from "./ahead-batches.ts";
import { Bell } from "./bell.ts";
import { MessageReader } from "./fragments.ts";
import { LedgerDurations } from "./ledger-durations.ts";
import { LedgerMemory } from "./ledger-memory.ts";
import { yieldToOthers } from "./priority.ts";
import {
  type AssetsRecord,
  INPUT,
  type ObjectRecord,
  type PartRecord,
  type SkipRecord,
  type SpanEndRecord,
  type StreamSpec,
  unpackRecord,
} from "./records.ts";
import { RingConsumer, RingProducer } from "./ring.ts";
import { SpanDecoder } from "./span-decoder.ts";
import { StageTimes } from "./stage-times.ts";
import { type DecodeTaskData, STARTED } from "./task-data.ts";

const OBJECT_BYTES_MAX = 1 << 30; // what a file may hold stored; the inflated ledgers have limits of their own
const SLEEP_MS = 1000; // longest single sleep on the bell
const IDLE_COLLECT_BYTES = 32 << 20; // of ledgers decoded: they leave a quarter as much garbage
const IDLE_SLEEPS_MAX = 30; // then memory is let go: many times the seconds between ledgers at the tip

/** The long-lived task of one decode worker: reads its input ring until that is closed. */
export function decodeTask(data: DecodeTaskData): void {
  yieldToOthers();
  Atomics.store(data.state, STARTED, 1);
  const bell = new Bell(data.inputBell, 0);
  const input = new RingConsumer(data.input);
  const messages = new MessageReader(input, OBJECT_BYTES_MAX);
  const output = new RingProducer(data.output, new Bell(data.outputBell, 0));
  const memory = new LedgerMemory(data.freeBytesMax);
  const ahead = new AheadBatches(data.retainedBytesMax);
  const shared = {
    output,
    memory,
    ahead,
    retainedBytesMax: data.retainedBytesMax,
    durations: new LedgerDurations(data.durations),
    times: new StageTimes(data.times),
  };
  const streams = new WorkerStreams(shared);
  const pressure = new MemoryPressure(data.pressure);
  const garbage = new DroppedMemory(IDLE_COLLECT_BYTES);
  let idleSleeps = 0;
  let isHeld = false;
  const giveBackWhereAsked = () => {
    if (!pressure.isAsked()) return;
    memory.trim();
    ahead.trim(); // what is needed of it is laid out once more
    collect(pressure);
  };
  /** Waits for the next message and takes it where it is a part for that stream; else the loop below does. */
  const nextPart = (stream: number): boolean => {
    for (;;) {
      giveBackWhereAsked(); // a source may stall for a minute
      const seen = bell.read();
      const closed = input.closed;
      if (messages.next()) {
        isHeld = !streams.isPart(stream, messages.tag, messages.payload);
        if (isHeld) return false;
        garbage.count(messages.payload.length);
        streams.handle(messages.tag, messages.payload);
        messages.release();
        return true;
      }
      if (closed) return false;
      const begun = performance.now();
      bell.wait(seen, SLEEP_MS);
      shared.times.addWait("inputWait", performance.now() - begun);
    }
  };
  for (;;) {
    giveBackWhereAsked();
    const seen = bell.read();
    const closed = input.closed;
    if (isHeld || messages.next()) {
      isHeld = false;
      idleSleeps = 0;
      garbage.count(messages.payload.length);
      streams.handle(messages.tag, messages.payload);
      messages.release();
    } else if (streams.decodeAhead(nextPart)) continue;
    else if (closed) return;
    else {
      const begun = performance.now();
      bell.wait(seen, garbage.isDue ? QUIET_MS : SLEEP_MS);
      if (bell.read() === seen) garbage.idle();
      shared.times.addWait("inputWait", performance.now() - begun);
      if (++idleSleeps === IDLE_SLEEPS_MAX) {
        memory.trim();
        ahead.trim();
        messages.trim();
      }
    }
  }
}

/** The streams that this worker has spans of. */
class WorkerStreams {
  private readonly streams = new Map<number, SpanDecoder>();

  constructor(private readonly shared: ConstructorParameters<typeof SpanDecoder>[1]) {}

  private stream(number: number): SpanDecoder {
    const decoder = this.streams.get(number);
    if (decoder === undefined) throw new CodedError("INTERNAL", "STREAM_UNKNOWN", `stream ${number} was not opened`);
    return decoder;
  }

  isPart(stream: number, tag: number, payload: Uint8Array): boolean {
    return tag === INPUT.PART && unpackRecord<PartRecord>(payload).record.stream === stream;
  }

  /** Decodes an object of which only parts are here; false where there is none. @param nextPart false: it is not one of that stream */
  decodeAhead(nextPart: (stream: number) => boolean): boolean {
    for (const [stream, { coming }] of this.streams) {
      if (!coming.canDecodeAhead) continue;
      coming.decodeAhead(() => nextPart(stream));
      return true;
    }
    return false;
  }

  /** One message of the input ring. @throws CodedError INTERNAL / STREAM_UNKNOWN, TAG_UNKNOWN */
  handle(tag: number, payload: Uint8Array): void {
    switch (tag) {
      case INPUT.OPEN: {
        const { record } = unpackRecord<StreamSpec>(payload);
        const known = this.streams.get(record.stream);
        if (known === undefined) this.streams.set(record.stream, new SpanDecoder(record, this.shared));
        else known.update(record);
        return;
      }
      case INPUT.ASSETS: {
        const { record } = unpackRecord<AssetsRecord>(payload);
        this.stream(record.stream).addAssets(record.assets);
        return;
      }
      case INPUT.OBJECT: {
        const { record, attachment } = unpackRecord<ObjectRecord>(payload);
        if (record.bytes === undefined) this.stream(record.stream).object(record, attachment);
        else this.stream(record.stream).coming.begin(record, attachment);
        return;
      }
      case INPUT.PART: {
        const { record, attachment } = unpackRecord<PartRecord>(payload);
        this.stream(record.stream).coming.part(record, attachment);
        return;
      }
      case INPUT.SKIP: {
        const { record } = unpackRecord<SkipRecord>(payload);
        this.stream(record.stream).skip(record);
        return;
      }
      case INPUT.SPAN_END: {
        const { record } = unpackRecord<SpanEndRecord>(payload);
        this.stream(record.stream).spanEnd(record.span);
        return;
      }
      case INPUT.CLOSE: {
        const { record } = unpackRecord<{ stream: number }>(payload);
        this.streams.get(record.stream)?.close();
        this.streams.delete(record.stream);
        return;
      }
      default:
        throw new CodedError("INTERNAL", "TAG_UNKNOWN", `a message with the unknown tag ${tag}`);
    }
  }
}
