import { integer, oneOf, text } from "../config/types.ts";
import type { CodedError } from "../error.ts";
import { type ExportResult, exportRange, planExport } from "../export/export-range.ts";
import { CHUNK_LEDGERS_DEFAULT, PARTITIONINGS, type Partitioning } from "../export/settings.ts";
import { openPlace } from "../export/storage.ts";
import { openTarget } from "../export/target.ts";
import { LEDGER_SEQUENCE_MAX } from "../ledger/terms.ts";
import { createLogger, type Logger } from "../ops/log.ts";
import { environmentAccess } from "../sources/source-access.ts";
import { DATASET_DEFAULT } from "../vocabulary/dataset.ts";
import type { LedgerRange } from "../vocabulary/ledger-range.ts";
import { type CommandContext, defineCommand, type Output } from "./command.ts";
import { type OpenRows, openRows, ROW_FLAGS } from "./export-flags.ts";
import { type FlagValues, optionOr, required, toggle } from "./flags.ts";
import { Interrupted } from "./interrupt.ts";
import { PROGRAM } from "./program.ts";
import { Progress } from "./progress.ts";
import { UsageError } from "./usage-error.ts";

const CHUNK_LEDGERS_MAX = 1_000_000; // two months: what is not done of a chunk is begun anew
const EXIT_INTERRUPTED = 130; // what a shell reports of SIGINT

const FLAGS = {
  to: required({
    placeholder: "PLACE",
    type: text,
    summary: "A folder, s3://bucket/prefix or gs://bucket/prefix; it is made where it is not there.",
  }),
  "start-ledger": required({
    placeholder: "N",
    type: integer(1, LEDGER_SEQUENCE_MAX),
    summary: "The first ledger.",
  }),
  "end-ledger": required({
    placeholder: "N",
    type: integer(1, LEDGER_SEQUENCE_MAX),
    summary: "The last ledger, inclusive.",
  }),
  "partition-by": optionOr<Partitioning>({
    placeholder: "WORD",
    type: oneOf(PARTITIONINGS),
    otherwise: "ledger-range",
    summary:
      "ledger-range: files of a chunk's rows in their order; contract: these in 16 folders, each with a sixteenth of all contracts. Default: ledger-range.",
  }),
  "chunk-ledgers": optionOr({
    placeholder: "N",
    type: integer(1, CHUNK_LEDGERS_MAX),
    otherwise: CHUNK_LEDGERS_DEFAULT,
    summary: `Ledgers that are written, or not, as one: each multiple of it begins new files. Default: ${CHUNK_LEDGERS_DEFAULT}.`,
  }),
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
    if (flags.dataset !== DATASET_DEFAULT && flags["partition-by"] === "contract") {
      throw new UsageError(
        `--partition-by contract is for contract_data: rows of ${flags.dataset} may name no contract`,
      );
    }
    rows = await openRows(context, access, range, signal, told.trouble);
    const [partitionBy, chunkLedgers] = [flags["partition-by"], flags["chunk-ledgers"]];
    const target = await openTarget(storage, { ...rows, partitionBy, chunkLedgers }, !flags["dry-run"]);
    if (flags["dry-run"]) {
      const { chunks, there } = await planExport(target, range);
      print(`reads ledgers ${range.ledgerFirst} to ${range.ledgerLast} from ${rows.from}`);
      print(`writes ${chunks - there} of ${chunks} chunks to ${flags.to}; ${there} are there`);
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
    return signal.reason instanceof Interrupted ? signal.reason.exitCode : EXIT_INTERRUPTED;
  } finally {
    rows?.close();
    storage.close();
  }
}

function rangeOf({ "start-ledger": ledgerFirst, "end-ledger": ledgerLast }: FlagValues<typeof FLAGS>): LedgerRange {
  if (ledgerLast >= ledgerFirst) return { ledgerFirst, ledgerLast };
  throw new UsageError(`--end-ledger ${ledgerLast} is before --start-ledger ${ledgerFirst}`);
}

function lastLine({ ledgerFirst, ledgerLast }: LedgerRange, result: ExportResult, place: string): string {
  const { rows, chunks, chunksNew } = result;
  const what = `${rows} rows in ${chunks} ${chunks === 1 ? "chunk" : "chunks"}`;
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
