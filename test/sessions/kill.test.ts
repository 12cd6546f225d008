/** Five of the hundred kills of `make soak`. */
import { expect, test } from "bun:test";
import { killRun } from "../support/kill-run.ts";
import { seedOf } from "../support/random.ts";

test("SIGKILL at five random instants loses nothing that was acknowledged, and no client a row", async () => {
  const seed = seedOf();
  const report = await killRun({ kills: 5, seed }).catch((thrown: Error) => {
    throw new Error(`SEED=${seed}: ${thrown.message}`, { cause: thrown });
  });
  expect(report.kills).toBe(5);
  expect(report.rows).toBeGreaterThan(0);
}, 240_000);

test("a client that forgets its cursor is found: the check can fail", async () => {
  const failure = await killRun({ kills: 2, seed: 7, canary: true }).then(
    () => "none",
    (thrown: Error) => thrown.message,
  );
  expect(failure).toMatch(/came after ledger|rows came, and the oracle has/);
}, 120_000);
