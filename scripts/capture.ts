/**
 * README's commands and what they print, captured from a real server over the sample: `bun scripts/capture.ts` writes them into
 * README.md. A test runs them again and compares, but for what differs from run to run (`masked`).
 */
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ROOT, SAMPLE, startProcessor } from "../test/support/processor.ts";

const RANGE = `--start-ledger ${SAMPLE.first} --end-ledger ${SAMPLE.last}`;
const COLUMNS = ["ledger_sequence", "asset_code", "balance_text", "balance_holder"];
const COMMANDS = [
  "make run",
  `contract-data-processor start ${RANGE}`,
  `contract-data-processor tail ${RANGE} --schema-version 2 --balances --format ndjson${COLUMNS.map((name) => ` --column ${name}`).join("")}`,
  `contract-data-processor sink sqlite --to rows.db ${RANGE} 2> sink.log`,
  `contract-data-processor export parquet --source sample/lake ${RANGE} --to rows 2> export.log`,
  "contract-data-processor export verify --from rows",
];
const BLOCK = /(<!-- Written by scripts\/capture\.ts: .* -->\n)[\s\S]*?(?=<!-- to here -->)/;

/** Runs the commands; what they print on both streams, each behind its command. */
export async function capture(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "contract-data-capture-"));
  symlinkSync(join(ROOT, "sample"), join(folder, "sample")); // what they write stays out of ROOT
  const range = [`--start-ledger=${SAMPLE.first}`, `--end-ledger=${SAMPLE.last}`];
  const processor = await startProcessor([`--source-endpoint=${SAMPLE.folder}`, ...range]);
  try {
    let text = "";
    for (const command of COMMANDS) {
      const { MAKELEVEL: _level, MAKEFLAGS: _flags, MFLAGS: _old, ...outer } = process.env;
      const child = Bun.spawnSync(["sh", "-c", `{ ${command}; } 2>&1`], {
        cwd: command.startsWith("make") ? ROOT : folder,
        env: {
          ...outer,
          CI: "",
          PATH: `${join(ROOT, "scripts")}:${process.env.PATH}`,
          GRPC_ADDRESS: processor.control,
          FLIGHT_ADDRESS: processor.flight,
        },
      });
      if (child.exitCode !== 0) throw new Error(`${command} ended with ${child.exitCode}: ${child.stdout}`);
      text += `$ ${command}\n${child.stdout}`;
    }
    return text;
  } finally {
    await processor.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Without what differs from run to run: ids of sessions, seconds, rates. */
export function masked(text: string): string {
  return text
    .replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, "<session>")
    .replace(/[\d.]+ s, [\d.]+ MB\/s/g, "<seconds>, <rate>");
}

/** The captured text that README has. */
export function captured(readme: string): string {
  return /```console\n([\s\S]*?)```/.exec(BLOCK.exec(readme)?.[0] ?? "")?.[1] ?? "";
}

if (import.meta.main) {
  const path = join(ROOT, "README.md");
  const text = await capture();
  writeFileSync(
    path,
    readFileSync(path, "utf8").replace(BLOCK, (_, head) => `${head}\n\`\`\`console\n${text}\`\`\`\n\n`),
  );
}
