import { counted } from "../base/text.ts";
import type { CodedError } from "../error.ts";
import { type ExportResult, exportRange, planExport } from "../export/export-range.ts";
import { openPlace } from "../export/storage.ts";
import { openTarget } from "../export/target.ts";
import { createLogger, type Logger } from "../ops/log.ts";
import { environmentAccess } from "../sources/source-access.ts";
import type { LedgerRange } from "../vocabulary/ledger-range.ts";
import { type CommandContext, defineCommand, type Output } from "./command.ts";
import { type OpenRows, openRows, ROW_FLAGS } from "./export-flags.ts";
import { checkPartitioning, rangeOf, TARGET_FLAGS } from "./export-target-flags.ts";
import { toggle } from "./flags.ts";
import { interruptedExitCode } from "./interrupt.ts";
import { PROGRAM } from "./program.ts";
import { Progress } from "./progress.ts";

const FLAGS = {
  ...TARGET_FLAGS,
  ...ROW_FLAGS,
  "dry-run": toggle({ summary: "Say what would be done, and do nothing." }),
};

export const command = defineCommand({
  usage: "--to PLACE --start-ledger N --end-ledger N [--source SOURCE | --address HOST:PORT] [flags]",
  description: `Writes the rows of a range of ledgers as Parquet files that DuckDB, pyarrow, Polars and Spark read as they are, from a running server or straight from a source. Files are written whole or not at all, and a manifest says what each is: the command may be killed at any instant and given again, it goes on where it was and writes the same bytes. Ranges may follow and overlap each other. Rows of removed entries are among them. docs/analytics.md shows what to do with an export; "${PROGRAM} export verify" proves it complete and unaltered.`,
  flags: FLAGS,
  examples: [
    {
      command: `${PROGRAM} export parquet --source ./sample/lake --start-ledger 58751994 --end-ledger 58752000 --to rows`,
      meaning: "from a lake, with no server",
    },
    {
      command: `${PROGRAM} export parquet --start-ledger 58000000 --end-ledger 58099999 --to s3://bucket/pubnet`,
      meaning: "from the server on this machine, into a bucket",
    },
    {
      command: `${PROGRAM} export parquet --start-ledger 58000000 --end-ledger 58099999 --to kale --asset-code KALE --dry-run`,
      meaning: "what would be done",
    },
  ],
  run,
});

async function run(context: CommandContext<typeof FLAGS>): Promise<number> {
  const { flags, env, print, stderr } = context;
  const range = rangeOf(flags);
  const signal = context.interrupt();
  const access = environmentAccess(env);
  const told = new Told(stderr, range);
  const storage = await openPlace(flags.to, access);
  let rows: OpenRows | undefined;
  try {
    checkPartitioning(flags);
    rows = await openRows(context, access, range, signal, told.trouble);
    const [partitionBy, chunkLedgers] = [flags["partition-by"], flags["chunk-ledgers"]];
    const target = await openTarget(storage, { ...rows, partitionBy, chunkLedgers }, !flags["dry-run"]);
    if (flags["dry-run"]) {
      const { chunks, there } = await planExport(target, range);
      print(`reads ledgers ${range.ledgerFirst} to ${range.ledgerLast} from ${rows.from}`);
      print(`writes ${chunks - there} of ${counted(chunks, "chunk")} to ${flags.to}; ${there} are there`);
      return 0;
    }
    const result = await exportRange(target, range, rows.reader, signal, told);
    told.end();
    print(lastLine(range, result, flags.to));
    return 0;
  } catch (thrown) {
    told.end();
    if (!signal.aborted) throw rows === undefined ? thrown : rows.explained(thrown);
    stderr.write(`${PROGRAM}: interrupted; the same command goes on behind the chunks that are there\n`);
    return interruptedExitCode(signal);
  } finally {
    storage.close();
  }
}

function lastLine({ ledgerFirst, ledgerLast }: LedgerRange, result: ExportResult, place: string): string {
  const { rows, chunks, chunksNew } = result;
  const what = `${counted(rows, "row")} in ${counted(chunks, "chunk")}`;
  return `ledgers ${ledgerFirst} to ${ledgerLast} are in ${place}: ${what}, ${chunksNew} written now`;
}

/** One line of log for each file, and on a terminal a line of progress below them. */
class Told {
  private readonly log: Logger;
  private readonly progress: Progress;
  private rows = 0;
  private done = 0;
  private last = "";

  constructor(stderr: Output, { ledgerFirst, ledgerLast }: LedgerRange) {
    this.progress = new Progress(stderr, ledgerLast - ledgerFirst + 1);
    const write = (line: string): void => {
      this.progress.clear();
      stderr.write(line);
    };
    this.log = createLogger({ level: "info", output: { write, isTTY: stderr.isTTY } });
  }

  file({ name, rows, bytes, isNew }: { name: string; rows: number; bytes: number; isNew: boolean }): void {
    this.log.info(isNew ? "written" : "there already", { file: name, rows, bytes });
    this.progress.show(this.done, `${this.rows + rows} rows`);
  }

  chunk(_isNew: boolean, rows: number, done: number): void {
    this.rows += rows;
    this.done = done;
    this.progress.show(done, `${this.rows} rows`);
  }

  retry({ message }: CodedError, waitMs: number): void {
    this.log.warn("failed; trying again", { reason: message, waitMs: Math.round(waitMs) });
  }

  /** What the source waits for, once each. */
  readonly trouble = (trouble: CodedError | undefined): void => {
    const message = trouble?.message ?? "";
    if (message !== "" && message !== this.last) this.log.warn("waiting", { reason: message });
    this.last = message;
  };

  end(): void {
    this.progress.clear();
  }
}
