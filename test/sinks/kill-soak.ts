/**
 * Seeded kill runs of a sink; `make soak` runs a hundred of them:
 *
 *   bun test/sinks/kill-soak.ts --sink sqlite|postgres --runs 100 [--seed N] [--faults N] [--ledgers N]
 */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { postgresPrograms, startPostgres } from "../support/postgres-server.ts";
import { sinkKillRun } from "../support/sink-kill-run.ts";
import { postgresPlace, type SinkPlace, sqlitePlace } from "../support/sink-place.ts";

const { values } = parseArgs({
  options: {
    sink: { type: "string", default: "sqlite" },
    runs: { type: "string", default: "100" },
    seed: { type: "string", default: "1" },
    ledgers: { type: "string", default: "1400" },
    faults: { type: "string", default: "8" },
  },
});
await using server =
  values.sink === "postgres" ? await startPostgres(postgresPrograms() ?? process.exit(1)) : undefined;
const PLACES: Record<string, (folder: string) => Promise<SinkPlace>> = {
  sqlite: async (folder) => sqlitePlace(join(folder, "rows.db")),
  postgres: async () => postgresPlace(server!, await server!.database()),
};

let failed = 0;
for (let run = 0; run < Number(values.runs); run++) {
  const seed = Number(values.seed) + run;
  try {
    const report = await sinkKillRun({
      seed,
      faults: Number(values.faults),
      ledgers: Number(values.ledgers),
      place: PLACES[values.sink]!,
    });
    console.log(JSON.stringify(report));
  } catch (thrown) {
    failed += 1;
    console.log(`seed ${seed}: ${thrown instanceof Error ? thrown.message : thrown}`);
  }
}
console.log(`${Number(values.runs) - failed} of ${values.runs} runs kept every row`);
process.exitCode = failed === 0 ? 0 : 1;
