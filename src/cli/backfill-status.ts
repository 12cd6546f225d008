import { JobWatch } from "../backfill/job-status.ts";
import { JSON_FLAG, PLACE_FLAG, statusTable, withJob } from "./backfill-place.ts";
import { defineCommand } from "./command.ts";
import { PROGRAM } from "./program.ts";

export const command = defineCommand({
  usage: "--to PLACE [flags]",
  description:
    "Where the newest job of a place stands: what is there, what is in hand, and which chunks were set aside and why.",
  flags: { to: PLACE_FLAG, json: JSON_FLAG },
  examples: [{ command: `${PROGRAM} backfill status --to s3://bucket/rows`, meaning: "a job in a bucket" }],
  run: ({ flags, env, print }) =>
    withJob(flags.to, env, async (target, job) => {
      const status = await (await JobWatch.open(target, job)).look();
      print(flags.json ? JSON.stringify(status) : statusTable(status));
      return 0;
    }),
});
