/** Small parts of sessions by themselves: filters and their patches, the sliding rate. */
import { describe, expect, test } from "bun:test";
import { AssetTable } from "../../src/engine/asset-table.ts";
import { changedFilter, checkedFilter, FILTER_VALUES_MAX } from "../../src/sessions/filters.ts";
import { RATE_WINDOW_MS, Rate } from "../../src/sessions/rate.ts";
import { SessionProgress } from "../../src/sessions/session-progress.ts";

describe("filters", () => {
  test("empty kinds and repeated values are dropped", () => {
    expect(
      checkedFilter({ assetCodes: ["A", "B", "A"], contractIds: [], balanceMin: "", includeDeleted: false }),
    ).toEqual({
      assetCodes: ["A", "B"],
      includeDeleted: false,
    });
    expect(checkedFilter({})).toEqual({ includeDeleted: true });
  });

  test("a patch adds, takes out, and leaves the rest", () => {
    const before = {
      assetCodes: ["A", "B"],
      balanceMin: "7",
      durability: "persistent" as const,
      includeDeleted: false,
    };
    const change = (patch: object) => changedFilter(before, { patch: { add: {}, remove: {}, ...patch } });
    expect(change({ add: { assetCodes: ["C", "A"] }, remove: { assetCodes: ["B", "X"] } })).toEqual({
      ...before,
      assetCodes: ["A", "C"],
    });
    expect(change({ balanceMin: "", durability: "", includeDeleted: true })).toEqual({
      assetCodes: ["A", "B"],
      includeDeleted: true,
    });
    expect(change({ balances: true })).toEqual({ ...before, balances: true });
    const ofBalances = { ...before, balances: true };
    const all = changedFilter(ofBalances, { patch: { add: {}, remove: {}, balances: false } });
    expect(all).toEqual(before);
    expect(changedFilter(ofBalances, { patch: { add: {}, remove: {} } })).toEqual(ofBalances);
    expect(() => change({ remove: { assetCodes: ["A", "B"] } })).toThrow("would select everything");
  });

  test("limits name both numbers, and long values are not repeated", () => {
    const many = Array.from({ length: FILTER_VALUES_MAX + 1 }, (_, n) => `A${n}`);
    expect(() => checkedFilter({ assetCodes: many })).toThrow(
      `${FILTER_VALUES_MAX + 1} values, over max ${FILTER_VALUES_MAX}`,
    );
    expect(() => checkedFilter({ contractIds: ["C".repeat(1_000_000)] })).toThrow(/^.{1,200}$/);
    for (const balanceMin of ["-1", "1.5", "0x10", "1".repeat(40), String(2n ** 127n)]) {
      expect(() => checkedFilter({ balanceMin })).toThrow();
    }
  });
});

describe("the rate", () => {
  test("is over the window, whoever reads it and however often", () => {
    const rate = new Rate(0);
    for (let second = 1; second <= 60; second++) {
      const value = second <= 30 ? second * 100 : 3000 + (second - 30) * 10;
      rate.sample(value, second * 1000);
      rate.read(value, second * 1000);
    }
    expect(rate.read(3300, 60_000)).toBeCloseTo(10);
  });

  test("falls to nothing when nothing happens, and counts from a base", () => {
    const rate = new Rate(1000, 500);
    expect(rate.read(500, 1000)).toBe(0);
    expect(rate.read(700, 2000)).toBeCloseTo(200);
    for (let atMs = 2000; atMs <= 2000 + 2 * RATE_WINDOW_MS; atMs += 1000) rate.sample(700, atMs);
    expect(rate.read(700, 2000 + 2 * RATE_WINDOW_MS)).toBe(0);
  });
});

test("a reservation is never taken back: what an earlier process gave out may be with clients", () => {
  const request = { ledgerStart: 1, ledgerEnd: 0, batchRows: 0 };
  const checkpoint = { position: { ledger: 100, row: 0 }, savedUnixMs: 0, counters: {}, activeMs: 0 };
  const session = new SessionProgress(request, checkpoint, 500, new AssetTable());
  expect(session.filterFloor).toBe(501);
  // It decodes again from its checkpoint on; a second restart has to keep filters behind ledger 500 all the same.
  expect(session.reserve(100, 0)).toBe(500);
  expect(session.reserve(501, 10_000)).toBeGreaterThanOrEqual(501);
});
