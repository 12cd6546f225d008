/**
 * The thread that makes text of rows for HTTP, so that neither the main thread nor the data plane waits for that. It is started
 * for the first reader and ends when there has been none for a while.
 */
import type { Piscina } from "piscina";
import { DECODE_ENTRY } from "../entries.ts";
import { mapPiscinaWorker } from "../workers/host.ts";
import type { FormatJob } from "./format-task.ts";

const IDLE_MS_MAX = 30_000; // a thread is started in some 100 ms, and takes some 20 MiB

/** Formats rows, one job after the other. */
export class RowFormatter {
  private pool: Promise<Piscina> | undefined;

  /** The text as UTF-8. */
  async format(job: FormatJob): Promise<Uint8Array> {
    this.pool ??= startPool();
    return (await this.pool).run(job);
  }

  async close(): Promise<void> {
    const pool = await this.pool;
    await pool?.destroy();
  }
}

async function startPool(): Promise<Piscina> {
  mapPiscinaWorker();
  const { Piscina: PiscinaClass } = await import("piscina");
  const pool = new PiscinaClass({
    filename: DECODE_ENTRY,
    name: "formatTask",
    minThreads: 0,
    maxThreads: 1,
    concurrentTasksPerWorker: 1,
    idleTimeout: IDLE_MS_MAX,
    atomics: "disabled",
  });
  pool.on("error", () => {}); // a job's promise tells of it
  return pool;
}
