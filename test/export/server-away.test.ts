/** A server that dies while an export reads it: the export waits, goes on when it is back, and has the same bytes. */
import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { exportRange } from "../../src/export/export-range.ts";
import { FlightRows } from "../../src/export/flight-rows.ts";
import { openPlace } from "../../src/export/storage.ts";
import { openTarget } from "../../src/export/target.ts";
import { FlightClient } from "../../src/flight-client/client.ts";
import { CutProxy } from "../support/cut-proxy.ts";
import { PUBNET } from "../support/networks.ts";
import { startProcessor } from "../support/processor.ts";
import { contentOf, madeLake } from "./support.ts";

const LAST = 24;
const RANGE = { ledgerFirst: 1, ledgerLast: LAST };
const SELECTION = { dataset: "contract_data", filters: { include_deleted: true }, knownAssets: [] } as const;
const CHOICE = { ...SELECTION, networkPassphrase: PUBNET, partitionBy: "ledger-range", chunkLedgers: 4 } as const;
const scratch = mkdtempSync(join(tmpdir(), "export-away-"));
const lake = madeLake(LAST);
afterAll(() => {
  rmSync(scratch, { recursive: true, force: true });
  lake[Symbol.dispose]();
});

/** @param before called before each of the export's connections, with their number from 1 */
async function exported(name: string, proxy: CutProxy, before: (number: number) => Promise<void>, signal: AbortSignal) {
  const target = await openTarget(await openPlace(join(scratch, name), {} as never), CHOICE); // a folder needs no access
  let number = 0;
  const reader = new FlightRows(async () => {
    await before(++number);
    return new FlightClient(proxy.address);
  }, SELECTION);
  const reasons: string[] = [];
  const listener = { file() {}, chunk() {}, retry: (error: Error) => void reasons.push(error.message) };
  return { result: await exportRange(target, RANGE, reader, signal, listener), reasons };
}

test("it is killed, and connections are cut: nothing is lost, doubled or half there", async () => {
  const start = () => startProcessor([`--source-endpoint=${lake.folder}`]);
  const proxy = await CutProxy.listen();
  let server = await start();
  proxy.leadTo(server.flight);
  const never = new AbortController().signal;
  await exported("whole", proxy, async () => {}, never);
  const kill = async () => {
    server.kill("SIGKILL");
    await server.exited;
    proxy.leadTo("");
  };
  const { result, reasons } = await exported(
    "killed",
    proxy,
    async (number) => {
      if (number === 2) await kill();
      if (number === 4) {
        server = await start();
        proxy.leadTo(server.flight);
      }
      if (number === 5) setTimeout(() => proxy.cut(), 5); // in the middle of an answer, or before it
    },
    never,
  );
  expect(reasons.length).toBeGreaterThanOrEqual(2);
  expect(result.chunks).toBe(Math.floor(LAST / CHOICE.chunkLedgers) + 1); // the first has no ledger 0
  expect(contentOf(join(scratch, "killed"))).toEqual(contentOf(join(scratch, "whole")));
  const interrupt = new AbortController();
  const waiting = exported(
    "interrupted",
    proxy,
    async (number) => {
      if (number === 2) await kill();
      if (number === 3) interrupt.abort(new Error("enough"));
    },
    interrupt.signal,
  );
  await expect(waiting).rejects.toThrow("enough");
  proxy.close();
}, 60_000);
