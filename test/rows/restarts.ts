/**
 * A browser's EventSource reads a session while its server is stopped and started again and again. `make soak` runs it with 20
 * restarts:
 *
 *   bun test/rows/restarts.ts [--restarts N]
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { EventSource } from "eventsource";
import { GatedSource } from "../support/gated-source.ts";
import { type LocalServer, localServer } from "../support/local-server.ts";
import { until } from "../support/until.ts";

const FIRST = 1000;
const LEDGERS_PER_LIFE = 7; // all of the sample

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
  const source = await GatedSource.open();
  source.tip = FIRST + LEDGERS_PER_LIFE - 1;
  let port = 0;
  const open = async (): Promise<LocalServer> => {
    const http = `127.0.0.1:${port}`;
    const server = await localServer(source, { "worker-count": "1", "data-dir": folder, "health-port": http });
    port = server.processor.addresses.http.port;
    return server;
  };
  let server = await open();
  const address = (session: string) => `http://127.0.0.1:${port}/v1/sessions/${session}/rows?from=start`;
  try {
    const endLedger = FIRST + LEDGERS_PER_LIFE * (restarts + 1) - 1;
    const { sessionId } = await server.control.startProcessing({ startLedger: FIRST, endLedger, batchSize: 60 });
    const got: string[] = [];
    const events = new EventSource(address(sessionId));
    const ended = new Promise<void>((resolve) => events.addEventListener("end", () => resolve()));
    events.addEventListener("message", ({ data }) => got.push(...(data as string).split("\n")));
    for (let restart = 0; restart < restarts; restart++) {
      const before = got.length;
      await until(() => got.length > before, "rows of this server"); // some of them: it is stopped in the midst
      await server.close();
      source.tip += LEDGERS_PER_LIFE;
      server = await open();
    }
    await ended;
    events.close();
    const whole = (await (await fetch(address(sessionId))).text()).trimEnd().split("\n");
    const isSame = got.length === whole.length && got.every((row, index) => row === whole[index]);
    const unique = new Set(got);
    return { restarts, rows: got.length, lost: whole.filter((row) => !unique.has(row)).length, isSame };
  } finally {
    await server.close();
    rmSync(folder, { recursive: true });
  }
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { restarts: { type: "string", default: "20" } } });
  const result = await runRestarts(Number(values.restarts));
  console.log(JSON.stringify(result));
  process.exit(result.isSame ? 0 : 1);
}
