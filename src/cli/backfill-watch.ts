import { JobWatch } from "../backfill/job-status.ts";
import { pause } from "../base/pause.ts";
import { duration } from "../config/types.ts";
import { JSON_FLAG, PLACE_FLAG, statusLine, withJob } from "./backfill-place.ts";
import { defineCommand } from "./command.ts";
import { optionOr } from "./flags.ts";
import { PROGRAM } from "./program.ts";

const INTERVAL_MS = 5_000; // a look is three listings
const EXIT_INCOMPLETE = 1;

export const command = defineCommand({
  usage: "--to PLACE [flags]",
  description:
    "A line for every change of the newest job of a place, until it has ended. Ends with exit code 0 where it is complete, with 1 where it is incomplete or was cancelled.",
  flags: {
    to: PLACE_FLAG,
    interval: optionOr({
      placeholder: "DURATION",
      type: duration(50, 3_600_000),
      otherwise: INTERVAL_MS,
      summary: "Time between two looks. Default: 5s.",
    }),
    json: JSON_FLAG,
  },
  examples: [{ command: `${PROGRAM} backfill watch --to rows`, meaning: "until the job has ended" }],
  run({ flags, env, print, interrupt }) {
    const signal = interrupt();
    return withJob(flags.to, env, async (target, job) => {
      const watch = await JobWatch.open(target, job);
      let last = "";
      while (!signal.aborted) {
        const status = await watch.look();
        const line = flags.json ? JSON.stringify(status) : statusLine(status);
        if (line !== last) print(line);
        last = line;
        if (status.state !== "open") return status.state === "complete" ? 0 : EXIT_INCOMPLETE;
        await pause(flags.interval, signal);
      }
      return 0;
    });
  },
});
