/**
 * What streams know of assets, on the real pipeline: the same rows whatever the number of workers and the cuts of spans,
 * and again after a stop, for a client that catches up, and in the parts of a range.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { HubStream } from "../../src/delivery/hub-stream.ts";
import type { Slot } from "../../src/delivery/slot.ts";
import { AssetTable } from "../../src/engine/asset-table.ts";
import type { EngineStream, StreamRequest } from "../../src/engine/engine-stream.ts";
import { RangeDesk } from "../../src/engine/range-desk.ts";
import { SpanPump } from "../../src/engine/span-pump.ts";
import { StreamAssets } from "../../src/engine/stream-assets.ts";
import type { Position } from "../../src/vocabulary/position.ts";
import type { FilterStep, StreamSpec } from "../../src/workers/records.ts";
import { ASSET_CODES, ASSET_ISSUER, AssetWorld, RowReader } from "../support/asset-world.ts";
import { MadeSource, TestPipeline } from "../support/pipeline.ts";
import { randomFrom, seedOf } from "../support/random.ts";
import { until } from "../support/until.ts";

const DELAY_LEDGERS = 12;
const FIRST = 41;
const LAST = 160;
const seed = seedOf();
const world = new AssetWorld(seed);
const named = { filters: [{ ledgerFrom: FIRST, filter: { assetCodes: ["AST1", "AST3"] } }] };

/** Files of so many ledgers; with pauses, in which spans are closed. */
const sourceOf = (ledgers: number, of = world, random = () => 1) =>
  new MadeSource(async (ledger) => {
    if (random() < 0.05) await new Promise((resolve) => setTimeout(resolve, 25));
    return of.object(ledger, ledgers);
  });

async function read(stream: HubStream, reader: RowReader, each?: (slot: Slot) => void): Promise<string[]> {
  const from = stream.log.join(0);
  const rows: string[] = [];
  try {
    for (;;) {
      const slot = await from.next(() => performance.now());
      if (slot === undefined) return rows;
      try {
        rows.push(...reader.rowsOfSlot(slot));
        each?.(slot);
      } finally {
        slot.release();
      }
    }
  } finally {
    from.leave();
  }
}

describe.each([1, 2, 3])("with %d workers", (workers) => {
  let pipeline: TestPipeline;
  beforeAll(async () => {
    pipeline = await TestPipeline.start({ workers, assetDelayLedgers: DELAY_LEDGERS });
  });
  afterAll(() => pipeline.close());

  const open = (request: Partial<StreamRequest> & Pick<StreamRequest, "source">) =>
    pipeline.open({
      start: { ledger: FIRST, row: 0 },
      ledgerEnd: LAST,
      filters: [{ ledgerFrom: FIRST, filter: {} }],
      schemaVersion: 2,
      batchRows: 7,
      assets: new AssetTable(),
      learnsAssets: true,
      ...request,
    });

  const shapes: Array<
    [string, { schemaVersion?: 1 | 2; columns?: string[]; filters?: FilterStep[]; given?: string[] }]
  > = [
    ["all columns", {}],
    ["a filter by asset", named],
    ["a filter by asset on version 1", { schemaVersion: 1, ...named }],
    ["a table at the start", { given: [`AST0:${ASSET_ISSUER}`] }],
    [
      "filters by asset in the middle only",
      {
        schemaVersion: 1,
        filters: [
          { ledgerFrom: FIRST, filter: {} },
          { ledgerFrom: 83, filter: { assetIssuers: [ASSET_ISSUER] } },
          { ledgerFrom: 130, filter: {} },
        ],
      },
    ],
    ["two columns", { columns: ["ledger_sequence", "asset_code"] }],
  ];
  test.each(shapes)(`%s: rows as the oracle has them, whatever the files (SEED=${seed})`, async (_, shape) => {
    const { given, ...request } = shape;
    const schemaVersion = shape.schemaVersion ?? 2;
    const expected = world.rows(FIRST, LAST, { ...shape, schemaVersion, delayLedgers: DELAY_LEDGERS });
    expect(expected).not.toEqual(
      world.rows(FIRST, LAST, { ...shape, schemaVersion, delayLedgers: DELAY_LEDGERS, learns: false }),
    );
    for (const ledgers of [1, 4, 40]) {
      const source = sourceOf(ledgers, world, randomFrom(seed + ledgers));
      const [stream, hubStream] = await open({ source, ...request, assets: new AssetTable(given) });
      const rows = await read(hubStream, new RowReader(schemaVersion, shape.columns));
      expect(await stream.over).toBeUndefined();
      stream.forget();
      expect(rows).toEqual(expected);
    }
  });

  test(`a stream that goes on in the middle knows what it knew (SEED=${seed})`, async () => {
    const random = randomFrom(seed);
    const expected = world.rows(FIRST, LAST, { schemaVersion: 2, delayLedgers: DELAY_LEDGERS, ...named });
    const reader = new RowReader(2);
    for (let round = 0; round < 3; round++) {
      const source = sourceOf([1, 4][round % 2]!);
      const rows: string[] = [];
      let start: Position = { ledger: FIRST, row: 0 };
      let assets = new AssetTable();
      for (let restarts = 0; start.ledger <= LAST; restarts++) {
        const [stream, hubStream] = await open({ source, ...named, start, assets });
        const stopAfter = restarts === 5 ? Number.POSITIVE_INFINITY : 1 + random() * 10;
        let batches = 0;
        const read_ = await read(hubStream, reader, (slot) => {
          start = slot.record.next;
          if (++batches >= stopAfter) stream.stop();
        });
        rows.push(...read_);
        await stream.over;
        stream.forget();
        // As after a crash: no more than what the ledgers before have taught.
        const known = assets.records.filter(({ ledgerFrom }) => ledgerFrom < start.ledger + DELAY_LEDGERS);
        assets = new AssetTable([], known);
      }
      expect(rows).toEqual(expected);
    }
  });

  test(`a client that catches up gets the rows that were given (SEED=${seed})`, async () => {
    const source = sourceOf(40); // longer than the delay: what a span teaches itself counts too
    const [stream, hubStream] = await open({ source });
    const desk = new RangeDesk(pipeline.engine, source, deskOptions);
    const reader = new RowReader(2);
    const positions: Array<{ position: Position; rows: number }> = [];
    let count = 0;
    const rows = await read(hubStream, reader, (slot) => {
      count += slot.record.rows;
      positions.push({ position: slot.record.next, rows: count });
    });
    const random = randomFrom(seed);
    for (let round = 0; round < 4; round++) {
      const [from, to] = [random(), random()].sort().map((at) => positions[Math.floor(at * positions.length)]!);
      if (from!.rows === to!.rows) continue;
      const opened = await desk.openCatchUp({ session: stream.number, start: from!.position, end: to!.position });
      await until(() => pipeline.hub.stream(opened.stream) !== undefined, "opened");
      expect(await read(pipeline.hub.stream(opened.stream)!, reader)).toEqual(rows.slice(from!.rows, to!.rows));
      desk.closeRange(opened);
    }
    stream.forget();
  });

  test(`a catch-up inside a span that is not done (SEED=${seed})`, async () => {
    const source = sourceOf(40);
    const [stream, hubStream] = await open({ source, slotsMax: 1 });
    const desk = new RangeDesk(pipeline.engine, source, deskOptions);
    const reader = new RowReader(2);
    const from = hubStream.log.join(0);
    const rows: string[] = [];
    let start: Position = { ledger: FIRST, row: 0 };
    for (let batches = 0; ; batches++) {
      const slot = await from.next(() => performance.now());
      if (slot === undefined) break;
      const given = reader.rowsOfSlot(slot);
      rows.push(...given);
      const { next } = slot.record;
      slot.release();
      if (batches % 9 === 0 && given.length > 0) {
        const opened = await desk.openCatchUp({ session: stream.number, start, end: next });
        await until(() => pipeline.hub.stream(opened.stream) !== undefined, "opened");
        expect(await read(pipeline.hub.stream(opened.stream)!, reader)).toEqual(given);
        desk.closeRange(opened);
      }
      start = next;
    }
    from.leave();
    stream.forget();
    expect(rows).toEqual(world.rows(FIRST, LAST, { schemaVersion: 2, delayLedgers: DELAY_LEDGERS }));
  });

  test("a range learns nothing, so that its parts and its cursors give the rows of the whole", async () => {
    const given = [`AST2:${ASSET_ISSUER}`];
    const desk = new RangeDesk(pipeline.engine, sourceOf(4), { ...deskOptions, knownAssets: [`AST0:${ASSET_ISSUER}`] });
    const reader = new RowReader(2);
    const part = async (ledgerStart: number, ledgerEnd: number) => {
      const opened = desk.openRange({
        id: "range",
        start: { ledger: ledgerStart, row: 0 },
        ledgerEnd,
        dataset: "contract_data",
        assets: given,
        schemaVersion: 2,
        compression: "none",
        batchRows: 0,
      });
      await until(() => pipeline.hub.stream(opened.stream) !== undefined, "opened");
      const rows = await read(pipeline.hub.stream(opened.stream)!, reader);
      desk.closeRange(opened);
      return rows;
    };
    const whole = await part(FIRST, LAST);
    expect([...(await part(FIRST, 92)), ...(await part(93, LAST))]).toEqual(whole);
    const options = { schemaVersion: 2, delayLedgers: DELAY_LEDGERS, learns: false } as const;
    expect(whole).toEqual(world.rows(FIRST, LAST, { ...options, given: [`AST0:${ASSET_ISSUER}`, ...given] }));
  });
});

const deskOptions = {
  rangesMax: 4,
  catchUpsMax: 4,
  defaultFilter: () => ({ includeDeleted: true }),
  knownAssets: [],
  batchRows: 0,
};

test("where workers do not wait for what they must know, some rows are wrong: the tests above can tell", async () => {
  // assetsSettled is private, and this test replaces it.
  const pump = SpanPump.prototype as unknown as { assetsSettled(): Promise<boolean> };
  const { assetsSettled } = pump;
  pump.assetsSettled = () => Promise.resolve(true);
  const pipeline = await TestPipeline.start({ workers: 3, assetDelayLedgers: 1 });
  try {
    for (let each = 1; each <= 20; each++) {
      const of = new AssetWorld(each);
      const [stream, hubStream] = await pipeline.open({
        source: sourceOf(4, of),
        start: { ledger: FIRST, row: 0 },
        ledgerEnd: LAST,
        schemaVersion: 2,
        learnsAssets: true,
      });
      const rows = await read(hubStream, new RowReader(2));
      stream.forget();
      if (rows.join() !== of.rows(FIRST, LAST, { schemaVersion: 2, delayLedgers: 1 }).join()) return;
    }
    throw new Error("not found in 20 runs");
  } finally {
    pump.assetsSettled = assetsSettled;
    await pipeline.close();
  }
});

test("with little memory in flight and small spans, nothing stands still", async () => {
  const pipeline = await TestPipeline.start({
    workers: 3,
    assetDelayLedgers: 1,
    memory: {
      pool: { inputRingBytes: 4096, outputRingBytes: 4096, retainedBytesMax: 10_000, freeBytesMax: 10_000 },
      inFlightBytesMax: 3000,
      streamsBytesMax: 64 << 20,
      rowReadersBytesMax: 0,
    },
    batchBytesMax: 256 << 10,
  });
  try {
    const expected = world.rows(FIRST, LAST, { schemaVersion: 2, delayLedgers: 1 });
    await Promise.all(
      [1, 4, 1].map(async (ledgers) => {
        const [stream, hubStream] = await pipeline.open({
          source: sourceOf(ledgers),
          start: { ledger: FIRST, row: 0 },
          ledgerEnd: LAST,
          schemaVersion: 2,
          batchRows: 5,
          slotsMax: 2,
          learnsAssets: true,
        });
        expect(await read(hubStream, new RowReader(2))).toEqual(expected);
        stream.forget();
      }),
    );
  } finally {
    await pipeline.close();
  }
});

test("a stream that asks for no asset is told of none, and waits for none", async () => {
  const spec = { compat: "default", schemaVersion: 2, filters: [{ ledgerFrom: 1, filter: {} }] } as Partial<StreamSpec>;
  const needed = (change: Partial<StreamSpec>, first: number, last = first) =>
    new StreamAssets(new AssetTable(), { ...spec, ...change } as StreamSpec).needed(first, last);
  expect(needed({}, 5)).toBe(true);
  expect(needed({ compat: "go" }, 5)).toBe(false);
  expect(needed({ columns: ["ledger_sequence", "contract_id"] }, 5)).toBe(false);
  const filters: FilterStep[] = [
    { ledgerFrom: 1, filter: { assetCodes: [] } },
    { ledgerFrom: 50, filter: { assetCodes: [...ASSET_CODES] } },
    { ledgerFrom: 60, filter: { keyTypes: ["U32"] } },
  ];
  const steps = [49, 50, 59, 60].map((ledger) => needed({ schemaVersion: 1, filters }, ledger));
  expect(steps).toEqual([false, true, true, false]);
  expect(needed({ schemaVersion: 1, filters }, 40, 50)).toBe(true);
  expect(needed({ schemaVersion: 1, filters }, 60, 99)).toBe(false);
  expect(needed({ schemaVersion: 1 }, 5)).toBe(false);

  // assetsSettled is private, and this test replaces it.
  const pump = SpanPump.prototype as unknown as { assetsSettled(): Promise<boolean> };
  const { assetsSettled } = pump;
  pump.assetsSettled = () => Promise.reject(new Error("it waits"));
  const pipeline = await TestPipeline.start({ workers: 2, assetDelayLedgers: 1 });
  try {
    const assets = new AssetTable();
    const [stream, hubStream]: [EngineStream, HubStream] = await pipeline.open({
      source: sourceOf(1),
      start: { ledger: FIRST, row: 0 },
      ledgerEnd: LAST,
      assets,
      learnsAssets: true,
    });
    const rows = await read(hubStream, new RowReader(1));
    expect(rows).toEqual(world.rows(FIRST, LAST, { schemaVersion: 1, delayLedgers: 1 }));
    expect(assets.records).toEqual([]);
    expect(hubStream.cell.get("learnedMessages")).toBe(0);
    stream.forget();
  } finally {
    pump.assetsSettled = assetsSettled;
    await pipeline.close();
  }
});
