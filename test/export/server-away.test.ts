/**
 * A server that dies while an export reads it: the export waits, goes on when it is back, and has the same bytes. What a server
 * tells of the chain of ledgers, and what it means for `verify`.
 */
import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { exportRange } from "../../src/export/export-range.ts";
import { FlightRows } from "../../src/export/flight-rows.ts";
import { openPlace } from "../../src/export/storage.ts";
import { findTarget, openTarget } from "../../src/export/target.ts";
import { verifyExport } from "../../src/export/verify.ts";
import { FlightClient } from "../../src/flight-client/client.ts";
import { CutProxy } from "../support/cut-proxy.ts";
import { PUBNET } from "../support/networks.ts";
import { type Processor, startProcessor } from "../support/processor.ts";
import { contentOf, madeLake } from "./support.ts";

const LAST = 24;
const SELECTION = { dataset: "contract_data", filters: { include_deleted: true }, knownAssets: [] } as const;
const CHOICE = { ...SELECTION, networkPassphrase: PUBNET, partitionBy: "ledger-range", chunkLedgers: 4 } as const;
const scratch = mkdtempSync(join(tmpdir(), "export-away-"));
const lake = madeLake(LAST);
const never = new AbortController().signal;
let server: Processor | undefined;
afterAll(async () => {
  await server?.stop();
  rmSync(scratch, { recursive: true, force: true });
  lake[Symbol.dispose]();
});

async function start(...settings: string[]): Promise<Processor> {
  server = await startProcessor([`--source-endpoint=${lake.folder}`, ...settings]);
  return server;
}

/** @param before called before each of the export's connections, with their number from 1 */
async function exported(
  name: string,
  proxy: CutProxy,
  before: (number: number) => Promise<void>,
  { signal = never, ledgerLast = LAST } = {},
) {
  const target = await openTarget(await openPlace(join(scratch, name), {} as never), CHOICE); // a folder needs no access
  let number = 0;
  const reader = new FlightRows(async () => {
    await before(++number);
    return new FlightClient(proxy.address);
  }, SELECTION);
  const reasons: string[] = [];
  const listener = { file() {}, chunk() {}, retry: (error: Error) => void reasons.push(error.message) };
  return { result: await exportRange(target, { ledgerFirst: 1, ledgerLast }, reader, signal, listener), reasons };
}

test("it is killed, and connections are cut: nothing is lost, doubled or half there", async () => {
  using proxy = await CutProxy.listen();
  proxy.leadTo((await start()).flight);
  await exported("whole", proxy, async () => {});
  const kill = async () => {
    server!.kill("SIGKILL");
    await server!.exited;
    proxy.leadTo("");
  };
  const { result, reasons } = await exported("killed", proxy, async (number) => {
    if (number === 2) await kill();
    if (number === 4) proxy.leadTo((await start()).flight);
    if (number === 5) setTimeout(() => proxy.cut(), 5); // in the middle of an answer, or before it
  });
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
    { signal: interrupt.signal },
  );
  await expect(waiting).rejects.toThrow("enough");
}, 60_000);

test("ends of the chain come from a server that checks it; manifests without them stay valid", async () => {
  using proxy = await CutProxy.listen();
  for (const [setting, ledgerLast] of [
    ["off", 8],
    ["on", LAST],
  ] as const) {
    proxy.leadTo((await start(`--verify-chain=${setting}`)).flight);
    await exported("unchecked", proxy, async () => {}, { ledgerLast });
    await server!.stop();
  }
  const manifests = [...contentOf(join(scratch, "unchecked"))].filter(([name]) => name.startsWith("_export/chunks"));
  const chains = manifests.map(([, bytes]) => JSON.parse(Buffer.from(bytes, "base64").toString()).chain);
  const ends = expect.objectContaining({ ledger_hash: expect.stringMatching(/^[0-9a-f]{64}$/) });
  expect(chains).toEqual([null, null, null, ends, ends, ends, ends, ends]);
  const verifying = verifyExport(await findTarget(await openPlace(join(scratch, "unchecked"), {} as never)), never);
  expect(await verifying.next()).toEqual({ done: true, value: expect.objectContaining({ isChained: false }) });
}, 60_000);
