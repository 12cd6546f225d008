/** Turns of connections that ask for much: nobody waits for all of it, and least of all for one that resets its calls. */
import { expect, test } from "bun:test";
import { InboundTurns } from "../../src/http2/inbound-turns.ts";
import { until } from "../support/until.ts";

const CALL_BYTES = 100;

/** A connection whose every 100 bytes ask for something, and its bytes as they were taken. */
function connection(isResetting: boolean) {
  const taken: number[] = [];
  const slices: number[] = [];
  const seen = { taken, slices, done: 0 };
  const turns = new InboundTurns({
    asked: () => Math.floor(taken.length / CALL_BYTES),
    isResetting: () => isResetting,
    take(slice) {
      taken.push(...slice);
      slices.push(slice.length);
      return true;
    },
    done: () => void seen.done++,
  });
  return { turns, seen };
}
const calls = (count: number) => Buffer.from(Array.from({ length: count * CALL_BYTES }, (_, at) => at % 251));

test("all bytes are taken, in order, in turns, whether or not calls are reset", async () => {
  for (const isResetting of [false, true]) {
    const { turns, seen } = connection(isResetting);
    const bytes = calls(60);
    turns.add(bytes.subarray(0, 4000));
    expect(turns.waiting).toBe(true);
    turns.add(bytes.subarray(4000));
    await until(() => seen.done === 1, "all bytes");
    expect(Buffer.from(seen.taken)).toEqual(bytes);
    expect(turns.waiting).toBe(false);
    expect(Math.max(...seen.slices)).toBeLessThanOrEqual((isResetting ? 3 : 12) * CALL_BYTES);
  }
});

test("what is asked for without resets goes first, however many connections reset", async () => {
  const flood = Array.from({ length: 4 }, () => connection(true));
  for (const { turns } of flood) turns.add(calls(200));
  const other = connection(false);
  other.turns.add(calls(200));
  await until(() => other.seen.done === 1, "the other's calls");
  for (const { seen } of flood) expect(seen.taken.length).toBeLessThan((200 * CALL_BYTES) / 2);
  for (const { turns } of flood) turns.drop();
});
