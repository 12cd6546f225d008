import { expect, test } from "bun:test";
import { SpanWorkers } from "../../src/engine/span-workers.ts";

test("spans are shared out among all workers while others are in flight", () => {
  const workers = new SpanWorkers(3, 4);
  expect([0, 1, 2, 3, 4, 5].map((span) => workers.choose(span, 0))).toEqual([3, 0, 1, 2, 3, 0]);
  expect(workers.choose(6, 3)).toBe(1);
});

test("one span after the other stays with one worker, until there are more again", () => {
  const workers = new SpanWorkers(1, 2);
  expect([0, 1, 2, 3].map((span) => workers.choose(span, span))).toEqual([1, 1, 1, 1]);
  expect([workers.choose(4, 3), workers.choose(5, 4), workers.choose(6, 6)]).toEqual([0, 1, 1]);
});

test("a worker is needed for spans that are not in order", () => {
  const workers = new SpanWorkers(0, 3);
  for (const span of [0, 1, 2]) workers.choose(span, 0);
  expect([0, 1, 2].map((worker) => workers.isNeeded(worker, 0))).toEqual([true, true, true]);
  expect([0, 1, 2].map((worker) => workers.isNeeded(worker, 2))).toEqual([false, false, true]);
  expect([0, 1, 2].map((worker) => workers.isNeeded(worker, 3))).toEqual([false, false, false]);
});
