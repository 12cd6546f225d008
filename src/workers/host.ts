/**
 * Lets Piscina and our own Workers start inside a binary made by `bun build --compile`.
 *
 * Piscina starts its workers from a path beside its own sources. Bun fixes that path when it bundles, so in the
 * binary the file is not there. The binary has our own entry `worker-host.ts` instead (a second entry of the build),
 * which holds Piscina's worker loop and our task: a Worker asked to run Piscina's file runs that entry.
 */
import { createRequire } from "node:module";
import type { Worker as NodeWorker } from "node:worker_threads";
import { DECODE_ENTRY } from "../entries.ts";

const PISCINA_WORKER = /[\\/]piscina[\\/]dist[\\/]worker\.js$/;

let mapped = false;

/** Must run before Piscina is first loaded, since Piscina keeps the Worker class that it finds then. */
export function mapPiscinaWorker(): void {
  if (mapped) return;
  mapped = true;
  const threads = createRequire(import.meta.url)("node:worker_threads") as { Worker: typeof NodeWorker };
  const Base = threads.Worker;
  threads.Worker = class extends Base {
    constructor(file: string | URL, options?: ConstructorParameters<typeof NodeWorker>[1]) {
      super(PISCINA_WORKER.test(String(file)) ? DECODE_ENTRY : file, options);
    }
  };
}
