/**
 * A browser's EventSource reads a session while its server is killed (SIGKILL) and started again and again, amid its rows.
 * `make soak` runs it with 20 restarts:
 *
 *   bun test/rows/restarts.ts [--restarts N]
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { EventSource } from "eventsource";
import { connectControl } from "../../src/control/client.ts";
import { lakeKey } from "../../src/sources/lake/lake-layout.ts";
import { batchOf, SINGLE, TemporaryLake } from "../sources/lake-fixture.ts";
import { GatedSource } from "../support/gated-source.ts";
import { PUBNET } from "../support/networks.ts";
import { type Processor, startProcessor } from "../support/processor.ts";
import { until } from "../support/until.ts";

const FIRST = 1000;
const LEDGERS_PER_LIFE = 21; // three times all of the sample

interface RestartsResult {
  restarts: number;
  rows: number;
  /** Rows of the whole that did not come. */
  lost: number;
  /** Whether what came is the whole, row by row. */
  isSame: boolean;
}

export async function runRestarts(restarts: number): Promise<RestartsResult> {
  const folder = mkdtempSync(join(tmpdir(), "contract-data-events-"));
  const lake = new TemporaryLake(SINGLE, { networkPassphrase: PUBNET });
  const endLedger = FIRST + LEDGERS_PER_LIFE * (restarts + 1) - 1;
  const source = await GatedSource.open();
  const ledgers = source.read(FIRST, endLedger, new AbortController().signal);
  /** The ledgers of one more life, which a server that is there reads as they come. */
  const grow = async () => {
    for (let count = 0; count < LEDGERS_PER_LIFE; count++) {
      const { ledgerFirst, bytes } = (await ledgers.next()).value!;
      lake.write(lakeKey(SINGLE, ledgerFirst), Bun.zstdCompressSync(batchOf(ledgerFirst, ledgerFirst, () => bytes)));
    }
  };
  await grow();
  let port = "127.0.0.1:0";
  const open = async (): Promise<Processor> => {
    const flags = [`--source-endpoint=${lake.folder}`, `--data-dir=${folder}`, `--health-port=${port}`];
    const server = await startProcessor([...flags, "--worker-count=1"]);
    port = server.http;
    return server;
  };
  let server = await open();
  try {
    const control = connectControl(server.control);
    const { sessionId } = await control.startProcessing({ startLedger: FIRST, batchSize: 60 });
    control.close();
    const got: string[] = [];
    const events = new EventSource(`http://${port}/v1/sessions/${sessionId}/rows?from=start`);
    events.addEventListener("message", ({ data }) => got.push(...(data as string).split("\n")));
    for (let restart = 0; restart < restarts; restart++) {
      const before = got.length;
      await until(() => got.length > before, "rows of this server"); // some of them: it is killed in the midst
      server.kill("SIGKILL");
      await server.exited;
      await grow();
      server = await open();
    }
    const range = `http://${port}/v1/rows?start_ledger=${FIRST}&end_ledger=${endLedger}`;
    const whole = (await (await fetch(range)).text()).trimEnd().split("\n");
    await until(() => got.length >= whole.length, "all rows");
    events.close();
    const isSame = got.length === whole.length && got.every((row, index) => row === whole[index]);
    const unique = new Set(got);
    return { restarts, rows: got.length, lost: whole.filter((row) => !unique.has(row)).length, isSame };
  } finally {
    server.kill("SIGKILL");
    await server.exited;
    await source.close();
    lake[Symbol.dispose]();
    rmSync(folder, { recursive: true });
  }
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { restarts: { type: "string", default: "20" } } });
  const result = await runRestarts(Number(values.restarts));
  console.log(JSON.stringify(result));
  process.exit(result.isSame ? 0 : 1);
}
