import { endJob } from "../backfill/job.ts";
import { dropQueue } from "../backfill/nats-queue.ts";
import { createLogger } from "../ops/log.ts";
import { JSON_FLAG, PLACE_FLAG, withJob } from "./backfill-place.ts";
import { reachCluster } from "./cluster-connection.ts";
import { defineCommand } from "./command.ts";
import { PROGRAM } from "./program.ts";

const EXIT_ENDED = 1;

export const command = defineCommand({
  usage: "--to PLACE [flags]",
  description:
    "Ends the newest job of a place: its workers end within a third of its lease. What is written stays, and a new job goes on behind it. Ends with exit code 1 where the job has ended otherwise before.",
  flags: { to: PLACE_FLAG, json: JSON_FLAG },
  examples: [{ command: `${PROGRAM} backfill cancel --to rows`, meaning: "no more chunks are begun" }],
  run: ({ flags, env, print, stderr }) =>
    withJob(flags.to, env, async ({ storage }, job) => {
      const { state, message } = await endJob(storage, job, { state: "cancelled", message: "it was cancelled" });
      const connection = await reachCluster(env, createLogger({ level: "error", output: stderr }));
      if (connection !== undefined) {
        await dropQueue(connection, job); // the last worker does, where one lives
        await connection.close();
      }
      if (flags.json) print(JSON.stringify({ job: job.number, state, message }));
      else if (state === "cancelled") print(`job ${job.number} is cancelled; what is written stays`);
      else print(`job ${job.number} has ended before: ${state}: ${message}`);
      return state === "cancelled" ? 0 : EXIT_ENDED;
    }),
});
