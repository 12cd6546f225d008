/**
 * The chain of ledgers over workers and the sequencer: whatever the spans are, rows up to a break come out, and none
 * behind it.
 */
import { describe, expect, test } from "bun:test";
import { Sequencer } from "../../src/delivery/sequencer.ts";
import { Slot, SlotPool } from "../../src/delivery/slot.ts";
import { CodedError } from "../../src/error.ts";
import { ledgerHeader } from "../../src/ledger/header.ts";
import {
  type BatchRecord,
  OUTPUT,
  type SpanDoneRecord,
  type StreamSpec,
  unpackRecord,
} from "../../src/workers/records.ts";
import type { SpanDecoder } from "../../src/workers/span-decoder.ts";
import { concat, id, u32 } from "../ledger/build.ts";
import { link } from "../support/chain.ts";
import { chainedLedgers, rowLedger } from "../support/chained-ledgers.ts";
import { rowsOfSlot } from "../support/pipeline.ts";
import { spanWorker } from "../support/span-worker.ts";
import { PLAIN_SPEC } from "../support/stream-spec.ts";

const FIRST = 101;
const LAST = 112;
const WORKERS = 3;
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
const nameOf = (ledger: number) => `object of ledger ${ledger}`;

interface Run {
  /** Ledgers a span, and a lake file. */
  span: number;
  file?: number;
  spec?: Partial<StreamSpec>;
  /** Ledgers that the source could not read. */
  unread?: number[];
}

/** What comes out of the sequencer when later spans' messages come before those of the spans before. */
function outcome(ledgers: Map<number, Uint8Array>, { span, file = 1, spec = {}, unread = [] }: Run) {
  const workers = Array.from({ length: WORKERS }, () => spanWorker({ ...SPEC, ...spec }));
  const ledgersOut: number[] = [];
  const skips: string[] = [];
  let failed: SpanDoneRecord["error"];
  const pool = new SlotPool();
  const sequencer = new Sequencer(
    SPEC.start,
    (slot) => {
      for (const row of rowsOfSlot(slot)) ledgersOut.push(Number(row.split("|", 1)[0]));
      slot.release();
    },
    (done) => {
      for (const { error } of done.skips ?? []) skips.push(error.message);
      failed ??= done.error;
      if (failed !== undefined) sequencer.dispose(); // as the stream does, which is over
    },
  );
  const spans: number[][] = [];
  for (let first = FIRST; first <= LAST; first += span) {
    spans.push(Array.from({ length: Math.min(span, LAST - first + 1) }, (_, index) => first + index));
  }
  for (const [number, sequences] of spans.entries()) {
    const { decoder } = workers[number % WORKERS]!;
    for (let at = 0; at < sequences.length; at += file) {
      const inFile = sequences.slice(at, at + file);
      if (unread.includes(inFile[0]!)) {
        const error = { code: "DATA_LOSS", reason: "ZSTD_CORRUPT", message: "bad file" } as const;
        decoder.skip({ stream: 1, span: number, ledger: inFile[0]!, error });
      } else decoder.object(...objectOf(number, inFile, ledgers));
    }
    decoder.spanEnd(number);
  }
  let error: CodedError | undefined;
  try {
    for (const { reader } of workers.toReversed()) {
      while (failed === undefined && reader.next()) {
        const { record, attachment } = unpackRecord<BatchRecord | SpanDoneRecord>(reader.payload);
        const slot = () => new Slot(pool, record as BatchRecord, attachment, new Uint8Array(0));
        if (reader.tag === OUTPUT.BATCH) sequencer.batch(slot());
        else sequencer.done(record as SpanDoneRecord);
        reader.release();
      }
    }
  } catch (thrown) {
    error = CodedError.from(thrown);
  }
  sequencer.dispose();
  return { ledgersOut, skips, error: error?.toRecord() ?? failed };
}

const SPEC: StreamSpec = { ...PLAIN_SPEC, start: { ledger: FIRST, row: 0 }, batchRowsMax: 1 };

function objectOf(span: number, inFile: number[], ledgers: Map<number, Uint8Array>): Parameters<SpanDecoder["object"]> {
  const range = { ledgerFirst: inFile[0]!, ledgerLast: inFile.at(-1)! };
  const single = inFile.length === 1;
  const all = inFile.map((sequence) => ledgers.get(sequence)!);
  const xdr = single ? all[0]! : concat(u32(range.ledgerFirst), u32(range.ledgerLast), u32(all.length), ...all);
  return [
    {
      ...{ stream: 1, span, name: nameOf(inFile[0]!), encoding: "none", named: range },
      ...{ container: single ? "ledger" : "batch", ...range },
    },
    xdr,
  ];
}

const upTo = (last: number) => Array.from({ length: last - FIRST + 1 }, (_, index) => FIRST + index);
const RUNS: Run[] = [
  ...[1, 2, 3, 5, 12].map((span) => ({ span, file: 1 })),
  { span: 4, file: 4 },
  { span: 8, file: 4 },
  { span: 6, file: 2 },
];

describe.each(RUNS)("spans of $span ledgers, files of $file", (run) => {
  test("a chain that holds comes out whole", () => {
    expect(
      outcome(
        chainedLedgers(FIRST, LAST, () => {}),
        run,
      ),
    ).toEqual({ ledgersOut: upTo(LAST), skips: [], error: undefined });
  });

  test("a ledger that follows another one, at each place", () => {
    for (let at = FIRST + 1; at <= LAST; at++) {
      const stranger = id(77);
      const ledgers = chainedLedgers(FIRST, LAST, (sequence, bytes) => void (sequence === at && link(bytes, stranger)));
      const { ledgersOut, error } = outcome(ledgers, run);
      expect([at, ledgersOut]).toEqual([at, upTo(at - 1)]);
      expect(error).toMatchObject({ code: "DATA_LOSS", reason: "CHAIN_BROKEN" });
      const objects = [at, at - 1].map((ledger) => ledger - ((ledger - FIRST) % (run.file ?? 1))).map(nameOf);
      const before = ledgerHeader(ledgers.get(at - 1)!).hash;
      expect(error!.message).toStartWith(
        `ledger ${at}: ${objects[0]}: it follows ${hex(stranger)}, and ledger ${at - 1} in ${objects[1]} is ${hex(before)}: `,
      );
      expect(outcome(ledgers, { ...run, spec: { verifyChain: false } })).toMatchObject({
        ledgersOut: upTo(LAST),
        error: undefined,
      });
    }
  });

  test("a header that has been changed and keeps its hash, at each place", () => {
    for (let at = FIRST; at <= LAST; at++) {
      const ledgers = chainedLedgers(FIRST, LAST, (sequence, bytes) => {
        if (sequence === at) bytes[ledgerHeader(bytes).offsets.closeTime + 7]! ^= 1;
      });
      const { ledgersOut, error } = outcome(ledgers, run);
      expect([at, ledgersOut, error?.reason]).toEqual([at, upTo(at - 1), "CHAIN_BROKEN"]);
      expect(error!.message).toContain("it says that its header has the hash ");
    }
  });

  test("a break is not left out under ON_ERROR=skip", () => {
    const ledgers = chainedLedgers(FIRST, LAST, (sequence, bytes) => void (sequence === 106 && link(bytes, id(77))));
    const { ledgersOut, error } = outcome(ledgers, { ...run, spec: { onError: "skip" } });
    expect([ledgersOut, error?.reason]).toEqual([upTo(105), "CHAIN_BROKEN"]);
  });

  test("behind a ledger that is left out the check begins anew, and the message says so", () => {
    for (let at = FIRST; at <= LAST; at++) {
      // The ledger behind the bad one follows nothing that was read, and those behind that are a chain again.
      const ledgers = chainedLedgers(
        FIRST,
        LAST,
        (sequence, bytes) => void (sequence === at + 1 && link(bytes, id(77))),
      );
      ledgers.set(at, ledgers.get(at)!.subarray(0, -4));
      const { ledgersOut, skips, error } = outcome(ledgers, { span: run.span, spec: { onError: "skip" } });
      expect([at, ledgersOut, error]).toEqual([at, upTo(LAST).filter((ledger) => ledger !== at), undefined]);
      expect(skips).toEqual([expect.stringMatching(/^ledger \d+: .*; the check of the chain begins anew behind it$/)]);
    }
  });
});

test("a ledger that the source cannot read leaves the check of the next one out", () => {
  const ledgers = chainedLedgers(FIRST, LAST, (sequence, bytes) => void (sequence === 107 && link(bytes, id(77))));
  for (const span of [1, 2, 3, 5]) {
    const { ledgersOut, error } = outcome(ledgers, { span, unread: [106], spec: { onError: "skip" } });
    expect([ledgersOut, error]).toEqual([upTo(LAST).filter((ledger) => ledger !== 106), undefined]);
  }
});

test("a ledger of another number is told by its number, not by the chain", () => {
  const ledgers = chainedLedgers(FIRST, LAST, () => {});
  ledgers.set(106, rowLedger(109));
  for (const run of RUNS) {
    const { ledgersOut, error } = outcome(ledgers, run);
    expect(ledgersOut).toEqual(upTo(105));
    expect(error?.reason).toBe((run.file ?? 1) > 1 ? "LEDGER_OUT_OF_STEP" : "LEDGER_SEQUENCE");
  }
});
