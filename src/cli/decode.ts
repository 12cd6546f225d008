import { BatchEncoder } from "../columns/batch-encoder.ts";
import { encapsulate, STREAM_END, streamHead } from "../columns/ipc.ts";
import { TsvWriter, toNdjson } from "../columns/text.ts";
import { assets, integer, oneOf, text } from "../config/types.ts";
import { CodedError } from "../error.ts";
import { LedgerDecoder } from "../ledger/decoder.ts";
import { KnownAssets, knownFrom } from "../ledger/known-assets.ts";
import { RowSet } from "../ledger/row-set.ts";
import { type FileLedger, openLedgerInput } from "../sources/file/ledger-file.ts";
import { environmentAccess } from "../sources/source-access.ts";
import type { SchemaVersion } from "../vocabulary/schema-version.ts";
import { XdrError } from "../xdr/error.ts";
import { defineCommand, type Output } from "./command.ts";
import { decoderFilterOf, KIND_FLAGS } from "./filter-flags.ts";
import { option, optionOr, repeated, toggle } from "./flags.ts";
import { HeldLedgers, InputNetwork } from "./input-network.ts";
import { write } from "./output.ts";
import { PROGRAM } from "./program.ts";
import { tableHead, tableRow } from "./row-table.ts";

const FILES_MAX = 100_000; // more than a shell passes
const ARROW_BATCH_BYTES = 1 << 20; // about what readers like best
const FORMATS = ["table", "tsv", "ndjson", "arrow"] as const;

export const command = defineCommand({
  usage: "FILE… [flags]",
  description:
    "Reads LedgerCloseMeta and LedgerCloseMetaBatch files (raw, zstd, gzip or base64), record-marked streams such as stellar-core's METADATA_OUTPUT_STREAM (of any size, a ledger at a time), saved answers of an RPC server's getLedgers, and whole lakes, folders, buckets (s3://bucket/prefix, gs://bucket/prefix) or behind a web server (https://host/path); `-` is standard input. Every row is written, removed ones too, unless filters are given. A file that cannot be decoded ends with exit code 1 and says where it is broken.",
  flags: {
    format: option({
      placeholder: "FORMAT",
      type: oneOf(FORMATS),
      summary:
        "table (for people), tsv (22 columns, with transaction hash and change type), ndjson (one JSON object a row), arrow (IPC stream). Default: table on a terminal, else tsv.",
    }),
    "schema-version": optionOr({
      placeholder: "N",
      type: integer(1, 2),
      otherwise: 1,
      summary:
        "Columns of table, ndjson and arrow: 2 has full-width balances, every kind of holder, evicted entries as rows, transaction and change numbers, keys and values as JSON. Default: 1.",
    }),
    "network-passphrase": option({
      placeholder: "PASSPHRASE",
      type: text,
      summary:
        "The network's passphrase; a ledger of another network is an error. Default: what a lake's manifest says, else the known network (pubnet, testnet, futurenet, standalone, load test) that the first transaction's hash fits. Needed where no ledger of an input has a transaction, but rows.",
    }),
    compat: option({
      placeholder: "RULES",
      type: oneOf(["default", "go"]),
      summary: "go: exactly the rows of the Go service. Default: default. (COMPAT)",
    }),
    "known-asset": repeated({
      placeholder: "CODE:G…",
      type: assets,
      summary:
        "An asset whose contract is known from the first ledger on; several with commas. Others are learned from the ledgers as they are read, by the rule of sessions: from 256 ledgers later on.",
    }),
    ...KIND_FLAGS,
    "no-deleted": toggle({ summary: "Leave out rows of removed and evicted entries." }),
  },
  args: { min: 1, max: FILES_MAX },
  examples: [
    { command: `${PROGRAM} decode FC7F83FF--58752000.xdr.zst`, meaning: "one lake file, as a table" },
    { command: `${PROGRAM} decode --format arrow ./lake > rows.arrows`, meaning: "a whole lake, for DuckDB or pandas" },
  ],
  async run({ args, flags, env, stdout }) {
    const compat = flags.compat ?? (env.COMPAT ? oneOf(["default", "go"]).parse(env.COMPAT) : "default");
    if (compat === undefined) {
      throw new CodedError(
        "INVALID_ARGUMENT",
        "COMPAT",
        `COMPAT is ${JSON.stringify(env.COMPAT)}: default or go is accepted`,
      );
    }
    const filter = decoderFilterOf(flags, !flags["no-deleted"]);
    const format = flags.format ?? (stdout.isTTY === true ? "table" : "tsv");
    const schemaVersion = flags["schema-version"] === 2 ? 2 : 1;
    if (schemaVersion === 2 && format === "tsv") {
      throw new CodedError(
        "INVALID_ARGUMENT",
        "FORMAT",
        "--schema-version 2 is for table, ndjson and arrow: tsv has 22 columns of its own",
      );
    }
    const sink = sinkOf(format, schemaVersion, stdout);
    const { decoderOptions } = new BatchEncoder({ schemaVersion, networkPassphrase: "" });
    const decoders = new Map<string, { decoder: LedgerDecoder; known: KnownAssets }>();
    const rows = new RowSet();
    const decode = async (ledger: FileLedger, networkPassphrase: string) => {
      try {
        let entry = decoders.get(networkPassphrase);
        if (entry === undefined) {
          const known = new KnownAssets(networkPassphrase, flags["known-asset"].flat());
          const options = { networkPassphrase, compat, filter, knownAssets: known, ...decoderOptions };
          entry = { decoder: new LedgerDecoder(options), known };
          decoders.set(networkPassphrase, entry);
        }
        const { decoder, known } = entry;
        decoder.decode(sink.keepsRows ? ledger.bytes.slice() : ledger.bytes, rows);
        for (const { asset, ledgerSequence } of decoder.takeLearned()) known.add(asset, knownFrom(ledgerSequence));
        await sink.take(rows, networkPassphrase);
      } catch (thrown) {
        throw located(thrown, ledger);
      }
    };
    // whether a ledger has rows at all, which no network decides
    const any = new LedgerDecoder({ networkPassphrase: "", compat, ...decoderOptions });
    const anyRows = new RowSet();
    const access = environmentAccess(env);
    for (const path of args) {
      const input = await openLedgerInput(path === "-" ? "/dev/stdin" : path, access);
      const network = new InputNetwork(flags["network-passphrase"] ?? input.networkPassphrase);
      const held = new HeldLedgers();
      for await (const ledger of input.ledgers) {
        const passphrase = at(ledger, () => network.of(ledger.bytes));
        if (passphrase !== undefined) {
          for (const each of [...held.take(), ledger]) await decode(each, passphrase);
          continue;
        }
        at(ledger, () => any.decode(ledger.bytes, anyRows));
        if (anyRows.length > 0) held.add(ledger);
        anyRows.clear();
      }
      held.end(path);
    }
    await sink.end(rows);
    return 0;
  },
});

/** The error with the file and the ledger in front; byte offsets of XDR errors count from the ledger's first byte. */
function located(thrown: unknown, ledger: FileLedger): unknown {
  if (!(thrown instanceof CodedError) || !(thrown instanceof XdrError || thrown.reason.startsWith("NETWORK")))
    return thrown;
  const place = `${ledger.path}: ledger ${ledger.ledgerIndex} of the file, at byte ${ledger.byteOffset}`;
  return CodedError.received(thrown.code, thrown.reason, `${place}: ${thrown.message}`, { cause: thrown });
}

/** The work's result, or its error with the place of the ledger that it is about. */
function at<T>(ledger: FileLedger, work: () => T): T {
  try {
    return work();
  } catch (thrown) {
    throw located(thrown, ledger);
  }
}

/** Where rows go. */
interface RowSink {
  /** True where rows stay in the set after `take`, so that their ledgers must stay in memory too. */
  readonly keepsRows: boolean;
  take(rows: RowSet, passphrase: string): Promise<void>;
  end(rows: RowSet): Promise<void>;
}

function sinkOf(format: (typeof FORMATS)[number], schemaVersion: SchemaVersion, output: Output): RowSink {
  switch (format) {
    case "tsv": {
      const writer = new TsvWriter();
      return textSink((rows) => writer.write(rows).slice(), output);
    }
    case "ndjson": {
      const { columns } = new BatchEncoder({ schemaVersion, networkPassphrase: "" });
      return textSink((rows) => toNdjson(columns, rows), output);
    }
    case "table":
      return tableSink(schemaVersion, output);
    case "arrow":
      return new ArrowSink(schemaVersion, output);
  }
}

function textSink(format: (rows: RowSet) => string | Uint8Array, output: Output): RowSink {
  return {
    keepsRows: false,
    async take(rows) {
      if (rows.length > 0) await write(output, format(rows));
      rows.clear();
    },
    async end() {},
  };
}

function tableSink(schemaVersion: SchemaVersion, output: Output): RowSink {
  const { columns } = new BatchEncoder({ schemaVersion, networkPassphrase: "" });
  const byName = new Map(columns.map((column) => [column.spec.name, column]));
  let total = 0;
  return textSinkWithEnd(
    (rows) => {
      const lines = total === 0 ? [tableHead()] : [];
      for (let row = 0; row < rows.length; row++) lines.push(tableRow((name) => byName.get(name)!.cell(rows, row)));
      total += rows.length;
      return `${lines.join("\n")}\n`;
    },
    () => `${total} rows\n`,
    output,
  );
}

function textSinkWithEnd(format: (rows: RowSet) => string, last: () => string, output: Output): RowSink {
  return { ...textSink(format, output), end: () => write(output, last()) };
}

/** An IPC stream: schema, batches of about a megabyte, end mark. */
class ArrowSink implements RowSink {
  readonly keepsRows = true;
  private encoder: BatchEncoder | undefined;
  private passphrase = "";

  constructor(
    private readonly schemaVersion: SchemaVersion,
    private readonly output: Output,
  ) {}

  async take(rows: RowSet, passphrase: string): Promise<void> {
    this.encoder ??= await this.begin(passphrase);
    if (passphrase !== this.passphrase) {
      throw new CodedError(
        "FAILED_PRECONDITION",
        "NETWORK_MISMATCH",
        `it is of the network "${passphrase}", and the Arrow stream is of "${this.passphrase}": decode each network into a stream of its own`,
      );
    }
    let first = 0;
    for (;;) {
      const end = this.encoder!.fit(rows, first, rows.length - first, ARROW_BATCH_BYTES);
      if (end === rows.length) break;
      await this.batch(rows, first, Math.max(end, first + 1)); // a row larger than the target is a batch of its own
      first = Math.max(end, first + 1);
    }
    // what is left starts the next batch; moving it to the front is not worth it, so a little more goes out now
    if (first > 0) {
      if (first < rows.length) await this.batch(rows, first, rows.length);
      rows.clear();
    } else if (rows.length === 0) rows.clear();
  }

  async end(rows: RowSet): Promise<void> {
    if (this.encoder === undefined) {
      throw new CodedError(
        "FAILED_PRECONDITION",
        "NETWORK_UNKNOWN",
        "no ledger has a transaction that tells the network, which the Arrow schema names: name it with --network-passphrase",
      );
    }
    if (rows.length > 0) await this.batch(rows, 0, rows.length);
    await write(this.output, STREAM_END);
  }

  private async begin(networkPassphrase: string): Promise<BatchEncoder> {
    this.passphrase = networkPassphrase;
    const encoder = new BatchEncoder({ schemaVersion: this.schemaVersion, networkPassphrase });
    await write(this.output, streamHead(encoder));
    return encoder;
  }

  private async batch(rows: RowSet, first: number, end: number): Promise<void> {
    const encoder = this.encoder!;
    const plan = encoder.plan(rows, first, end);
    const body = new Uint8Array(plan.bodyBytes);
    encoder.write(rows, plan, body);
    await write(this.output, encapsulate(encoder.header(plan)));
    await write(this.output, body);
  }
}
