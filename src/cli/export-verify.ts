import { counted } from "../base/text.ts";
import { oneOf, text } from "../config/types.ts";
import { openPlace } from "../export/storage.ts";
import { findTarget } from "../export/target.ts";
import { type VerifiedExport, verifyExport } from "../export/verify.ts";
import { environmentAccess } from "../sources/source-access.ts";
import { defineCommand } from "./command.ts";
import { option, required } from "./flags.ts";
import { write } from "./output.ts";
import { PROGRAM } from "./program.ts";

const FORMATS = ["text", "json"] as const;

export const command = defineCommand({
  usage: "--from PLACE [flags]",
  description:
    "Reads every byte of an export that export parquet has written, and tells of chunks and files that are missing, of files and manifests that are not as they were written, of files that are in no manifest, and of chunks whose ledgers do not follow each other. Ends with exit code 1 where there is any, else 0. The digest in the last line stands for the whole export: keep it elsewhere, and it shows whether manifests were changed together with their files.",
  flags: {
    from: required({
      placeholder: "PLACE",
      type: text,
      summary: "The folder, s3://bucket/prefix or gs://bucket/prefix that the export was written to.",
    }),
    format: option({
      placeholder: "FORMAT",
      type: oneOf(FORMATS),
      summary: "text (a finding a line) or json (an object a line, the last with totals). Default: text.",
    }),
  },
  examples: [
    { command: `${PROGRAM} export verify --from rows`, meaning: "a folder" },
    { command: `${PROGRAM} export verify --from s3://bucket/pubnet --format json`, meaning: "a bucket, for programs" },
  ],
  async run({ flags, env, stdout, interrupt }) {
    const asJson = flags.format === "json";
    const storage = await openPlace(flags.from, environmentAccess(env));
    try {
      const findings = verifyExport(await findTarget(storage), interrupt());
      let count = 0;
      let step = await findings.next();
      for (; !step.done; step = await findings.next()) {
        count += 1;
        const { kind, object, detail } = step.value;
        await write(stdout, asJson ? `${JSON.stringify(step.value)}\n` : `${kind}: ${object}: ${detail}\n`);
      }
      const totals = step.value;
      await write(
        stdout,
        asJson ? `${JSON.stringify({ ...totals, findings: count })}\n` : `${sentence(totals, count)}\n`,
      );
      return count === 0 ? 0 : 1;
    } finally {
      storage.close();
    }
  },
});

function sentence({ ranges, chunks, files, rows, isChained, digest }: VerifiedExport, count: number): string {
  const ledgers = ranges.map(({ ledgerFirst, ledgerLast }) => `${ledgerFirst} to ${ledgerLast}`).join(", ");
  const what = `ledgers ${ledgers}: ${counted(chunks, "chunk")}, ${counted(files, "file")}, ${counted(rows, "row")}`;
  if (count > 0) return `${what}: ${counted(count, "finding")}`;
  const chain = isChained ? ", and their ledgers follow each other" : "";
  return `${what}: complete and as they were written${chain}; digest ${digest}`;
}
