import { counted } from "../base/text.ts";
import { parseSourceEndpoint, shownSource } from "../config/source-endpoint.ts";
import { integer, oneOf } from "../config/types.ts";
import { CodedError } from "../error.ts";
import { Lake } from "../sources/lake/lake.ts";
import { auditLake } from "../sources/lake/lake-audit.ts";
import { LEDGER_SEQUENCE_MAX } from "../sources/limits.ts";
import { isStoreAddress, openStoreLake } from "../sources/object-store/open-store.ts";
import { environmentAccess } from "../sources/source-access.ts";
import { defineCommand } from "./command.ts";
import { option } from "./flags.ts";
import { write } from "./output.ts";
import { PROGRAM } from "./program.ts";
import { Progress } from "./progress.ts";
import { UsageError } from "./usage-error.ts";

const FORMATS = ["text", "json"] as const;

export const command = defineCommand({
  usage: "LAKE [flags]",
  description:
    "Reads every ledger of a lake, a folder, a bucket (s3://bucket/prefix, gs://bucket/prefix) or one behind a web server (https://host/path), and tells of holes, damaged objects, ledgers in another's place, objects out of place, wrong header hashes and breaks of the chain of headers. Ends with exit code 1 where there is any, else 0.",
  flags: {
    "start-ledger": option({
      placeholder: "N",
      type: integer(1, LEDGER_SEQUENCE_MAX),
      summary: "First ledger to look at. Default: the lake's first.",
    }),
    "end-ledger": option({
      placeholder: "N",
      type: integer(1, LEDGER_SEQUENCE_MAX),
      summary: "Last ledger to look at. Default: the lake's newest.",
    }),
    format: option({
      placeholder: "FORMAT",
      type: oneOf(FORMATS),
      summary: "text (a finding a line) or json (an object a line, the last with totals). Default: text.",
    }),
  },
  args: { min: 1, max: 1 },
  examples: [
    { command: `${PROGRAM} gaps /data/lake`, meaning: "the whole of a lake" },
    {
      command: `${PROGRAM} gaps s3://bucket/ledgers/pubnet --start-ledger 58000000`,
      meaning: "a bucket, from a ledger on",
    },
  ],
  async run({ args, flags, env, stdout, stderr }) {
    const [place] = args as [string];
    const kind = parseSourceEndpoint(place)?.kind;
    if (place.includes("|") || (kind !== undefined && kind !== "lake" && kind !== "store")) {
      throw new UsageError(`${shownSource(place)} is no lake: gaps reads a folder, s3://, gs:// and https:// lakes`);
    }
    const lake = isStoreAddress(place) ? await openStoreLake(place, environmentAccess(env)) : await Lake.open(place);
    try {
      const range = await lake.ledgersHeld(flags["start-ledger"]);
      const ledgerFirst = flags["start-ledger"] ?? Math.max(1, range.ledgerFirst);
      const ledgerLast = flags["end-ledger"] ?? range.ledgerLast;
      if (ledgerLast < ledgerFirst) {
        const message = `--end-ledger ${ledgerLast} is before ledger ${ledgerFirst}: the lake holds ${range.ledgerFirst} to ${range.ledgerLast}`;
        throw new CodedError("INVALID_ARGUMENT", "LEDGER_RANGE_INVALID", message);
      }
      const asJson = flags.format === "json";
      const progress = new Progress(stderr, ledgerLast - ledgerFirst + 1);
      let findings = 0;
      const onProgress = (done: number) => progress.show(done, `${counted(findings, "finding")}`);
      for await (const finding of auditLake(lake, { ledgerFirst, ledgerLast }, onProgress)) {
        findings += 1;
        progress.clear();
        const { kind, ledgerFirst: first, ledgerLast: last, object, detail } = finding;
        const about = detail.includes(object) ? detail : `${object}: ${detail}`;
        const ledgers = first === last ? `ledger ${first}` : `ledgers ${first} to ${last}`;
        await write(stdout, asJson ? `${JSON.stringify(finding)}\n` : `${kind}: ${ledgers}: ${about}\n`);
      }
      progress.clear();
      const totals = { ledgerFirst, ledgerLast, findings };
      const sentence = `ledgers ${ledgerFirst} to ${ledgerLast}: ${findings === 0 ? "nothing is wrong" : counted(findings, "finding")}`;
      await write(stdout, asJson ? `${JSON.stringify(totals)}\n` : `${sentence}\n`);
      return findings === 0 ? 0 : 1;
    } finally {
      await lake.close();
    }
  },
});
