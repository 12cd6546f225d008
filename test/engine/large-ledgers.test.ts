/** Ledgers whose batches are more than a stream's share: how many may come at once, and that streams that are read go on. */
import { expect, test } from "bun:test";
import { InFlight } from "../../src/engine/in-flight.ts";
import { LargeLedgers } from "../../src/engine/large-ledgers.ts";
import { planMemory } from "../../src/engine/memory-plan.ts";
import { buildLedger, created, id, scBytes, scU32 } from "../ledger/build.ts";
import { MadeSource, plainObject, readAll, TestPipeline } from "../support/pipeline.ts";
import { until } from "../support/until.ts";

const BYTES_MAX = 456; // as with MAX_MEMORY_MB=1024, in MiB
const LEDGER = 64;
const BATCHES = 90; // what it becomes

function room(nowMs: () => number = () => 0) {
  const held = { read: 0, unread: 0 };
  const inFlight = new InFlight(184);
  return { held, inFlight, large: new LargeLedgers(BYTES_MAX, inFlight, () => held, nowMs) };
}

const awaited = () => ({ isAwaited: true });
const unread = () => ({ isAwaited: false });

test("streams that nobody reads have half of the room, and one that is read goes on whatever they hold", () => {
  const { held, inFlight, large } = room();
  let begun = 0;
  for (; large.tryTake(unread(), LEDGER); begun++) {
    inFlight.give(LEDGER);
    held.unread += BATCHES;
  }
  expect(begun).toBe(2);
  held.unread = BYTES_MAX; // they had more room, or readers that have left
  for (let ledger = 0; ledger < 100; ledger++) {
    expect(large.tryTake(awaited(), LEDGER)).toBe(true);
    inFlight.give(LEDGER);
    held.read = BATCHES;
    expect(large.tryTake(unread(), LEDGER)).toBe(false);
    held.read = 0;
  }
});

test("eight that are read never hold more than there is", () => {
  const { held, inFlight, large } = room();
  for (let stream = 0; stream < 8 && large.tryTake(awaited(), LEDGER); stream++) {
    inFlight.give(LEDGER);
    held.read += BATCHES;
  }
  expect(held.read).toBeGreaterThan(3 * BATCHES);
  expect(held.read).toBeLessThanOrEqual(BYTES_MAX);
});

test("a ledger that is larger than the room comes alone, and ordinary ones are none of this", () => {
  const { held, inFlight, large } = room();
  held.unread = BATCHES;
  expect(large.tryTake(awaited(), 1000)).toBe(true);
  inFlight.give(1000);
  held.read = 1;
  expect(large.tryTake(awaited(), 1000)).toBe(false);
  held.read = BYTES_MAX;
  expect(large.tryTake(unread(), 2)).toBe(true);
});

test("room is kept for a ledger that is being fetched, and a second at most", async () => {
  let now = 0;
  const { large } = room(() => now);
  const { signal } = new AbortController();
  const fetching = unread();
  expect(await large.keep(fetching, 2 * LEDGER, signal)).toBe(true);
  expect(large.tryTake(unread(), LEDGER)).toBe(false);
  now = 1000;
  expect(large.tryTake(unread(), LEDGER)).toBe(true);
});

test("who is awaited goes before others, and of several the first", async () => {
  const { held, inFlight, large } = room();
  const { signal } = new AbortController();
  held.read = BYTES_MAX;
  const order: string[] = [];
  const take = async (name: string, asker: { isAwaited: boolean }) => {
    await large.take(asker, LEDGER, signal);
    order.push(name);
    inFlight.give(LEDGER);
    held.read = BYTES_MAX;
  };
  const all = [take("unread", unread()), take("first", awaited()), take("second", awaited())];
  for (const count of [1, 2, 3]) {
    held.read = 0;
    if (count < 3)
      held.unread = BYTES_MAX; // room for one that is awaited
    else held.unread = 0;
    await until(() => order.length === count, `${count} have begun`);
  }
  await Promise.all(all);
  expect(order).toEqual(["first", "second", "unread"]);
});

test("seven streams without readers retain half of the memory, and the eighth is read to its end", async () => {
  const MIB = 1 << 20;
  const changes = Array.from({ length: 100 }, (_, row) =>
    created({ contract: id(1), key: scU32(row), val: scBytes(new Uint8Array(20_000)) }),
  );
  const ledgerOf = (sequence: number) => buildLedger({ sequence, transactions: [{ operations: [changes] }] });
  const memory = { ...planMemory(64 * MIB, 2), streamsBytesMax: 12 * MIB };
  const own = await TestPipeline.start({ workers: 2, memory, batchBytesTarget: MIB / 8, batchBytesMax: MIB / 4 });
  const source = () => new MadeSource((ledger) => plainObject(ledger, ledgerOf(ledger)));
  const silent = await Promise.all(Array.from({ length: 7 }, () => own.open({ source: source() })));
  const [, stream] = await own.open({ source: source(), ledgerEnd: 20, kind: "range" });
  const retained = () => silent.reduce((sum, [{ cell }]) => sum + cell.get("heldBytes"), 0);
  let most = 0;
  const { rows } = await readAll(stream, () => {
    most = Math.max(most, retained());
  });
  expect(rows.length).toBe(2000);
  expect(most).toBeGreaterThan(0);
  expect(Math.max(most, retained())).toBeLessThanOrEqual(6 * MIB);
  for (const [engineStream] of silent) engineStream.stop();
  await Promise.all(silent.map(([{ over }]) => over));
  expect(own.engine.inFlight.usedBytes).toBe(0);
  await own.close();
}, 60_000);
