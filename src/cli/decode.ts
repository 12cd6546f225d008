import { unlessAborted } from "../base/unless-aborted.ts";
import { BatchEncoder } from "../columns/batch-encoder.ts";
import { assets, integer, oneOf, type SettingType, text } from "../config/types.ts";
import { CodedError } from "../error.ts";
import { LedgerChain } from "../ledger/chain.ts";
import { LedgerDecoder } from "../ledger/decoder.ts";
import type { DecoderOptions } from "../ledger/decoder-options.ts";
import { KnownAssets, knownFrom } from "../ledger/known-assets.ts";
import { RowSet } from "../ledger/row-set.ts";
import { LEDGER_SEQUENCE_MAX } from "../ledger/terms.ts";
import type { TroubleListener } from "../sources/source.ts";
import { environmentAccess } from "../sources/source-access.ts";
import type { FileLedger } from "../sources/source-ledgers.ts";
import { XdrError } from "../xdr/error.ts";
import { asTheyCome } from "./as-they-come.ts";
import { defineCommand, type Output } from "./command.ts";
import { openDecodeInput } from "./decode-input.ts";
import { decoderFilterOf, KIND_FLAGS, typedFilters } from "./filter-flags.ts";
import { option, optionOr, repeated, toggle } from "./flags.ts";
import { HeldLedgers, InputNetwork } from "./input-network.ts";
import { interruptedExitCode } from "./interrupt.ts";
import { PROGRAM } from "./program.ts";
import { checkDatasetFilters, DATASET_FLAG } from "./reading-flags.ts";
import { FORMATS, type RowSink, sinkOf } from "./row-sink.ts";
import { UsageError } from "./usage-error.ts";

const FILES_MAX = 100_000; // more than a shell passes
const COMPAT = oneOf(["default", "go"]);
const ON_OFF = oneOf(["on", "off"]);

export const command = defineCommand({
  usage: "FILE|LAKE|SOURCE… [flags]",
  description: `Reads files of LedgerCloseMeta and LedgerCloseMetaBatch (raw, zstd, gzip or base64), record-marked streams such as stellar-core's METADATA_OUTPUT_STREAM, saved answers of an RPC server's getLedgers, lake folders, and every source that SOURCE_ENDPOINT may name (docs/sources.md); - is standard input. Every row is written, removed ones too, unless filters are given. What cannot be decoded ends with exit code 1, and the message says where it is broken.

What is written like a source (HOST:PORT, repeat:…, s3://…, https://…) is one; everything else is a file or a folder. For a file whose name looks like a source write ./NAME.

Streams, pipes and sources are decoded as they come: the rows of a ledger are written before the next one is there. A source without a last ledger goes on until it is interrupted, which ends it with 0.`,
  flags: {
    "start-ledger": option({
      placeholder: "N",
      type: integer(1, LEDGER_SEQUENCE_MAX),
      summary:
        "The first ledger. Default: the first of a file or a lake, the newest of any other source that tells it.",
    }),
    "end-ledger": option({
      placeholder: "N",
      type: integer(0, LEDGER_SEQUENCE_MAX),
      summary:
        "The last ledger, inclusive; 0 goes on for ever. Default: the last of a file, the newest of a lake, 0 for any other source.",
    }),
    format: option({
      placeholder: "FORMAT",
      type: oneOf(FORMATS),
      summary:
        "table (for people), tsv (22 columns, with transaction hash and change type; of ttl its own), ndjson (one JSON object a row), arrow (IPC stream). Default: table on a terminal, else tsv.",
    }),
    dataset: DATASET_FLAG,
    "schema-version": optionOr({
      placeholder: "N",
      type: integer(1, 2),
      otherwise: 1,
      summary:
        "Of contract_data, columns of table, ndjson and arrow: 2 has full-width balances, every kind of holder, evicted entries as rows, transaction and change numbers, keys and values as JSON. Default: 1.",
    }),
    "network-passphrase": option({
      placeholder: "PASSPHRASE",
      type: text,
      summary:
        "The network's passphrase; a ledger of another network is an error. Default: what a lake's manifest says, else the known network (pubnet, testnet, futurenet, standalone, load test) that the first transaction's hash fits. Needed where no ledger of an input has a transaction, but rows.",
    }),
    compat: option({
      placeholder: "RULES",
      type: COMPAT,
      summary: "go: exactly the rows of the Go service. Default: default. (COMPAT)",
    }),
    "verify-chain": option({
      placeholder: "WORD",
      type: ON_OFF,
      summary:
        "on: a ledger that comes behind the one before it, by its number, has to follow it by its hash, and each header to have its own; off: ledgers are read as they come. Default: on. (VERIFY_CHAIN)",
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
    {
      command: `${PROGRAM} decode s3://bucket/ledgers/pubnet --start-ledger 58752000 --end-ledger 58752063`,
      meaning: "64 ledgers of a lake in a bucket",
    },
    { command: `${PROGRAM} decode --dataset ttl ./lake`, meaning: "how long entries live, change by change" },
    {
      command: `${PROGRAM} decode localhost:50053 --start-ledger 58752000 --asset-code USDC --format ndjson`,
      meaning: "what a raw-ledger service streams, until Ctrl-C",
    },
  ],
  async run({ args, flags, env, stdout, stderr, interrupt }) {
    const compat = flags.compat ?? settingOf(env, "COMPAT", COMPAT) ?? "default";
    const verifies = (flags["verify-chain"] ?? settingOf(env, "VERIFY_CHAIN", ON_OFF)) !== "off";
    const wanted = { ledgerFirst: flags["start-ledger"], ledgerLast: flags["end-ledger"] };
    const { ledgerFirst = 0, ledgerLast = 0 } = wanted;
    if (ledgerLast !== 0 && ledgerLast < ledgerFirst) {
      throw new UsageError(`--end-ledger ${ledgerLast} is before --start-ledger ${ledgerFirst}`);
    }
    const format = flags.format ?? (stdout.isTTY === true ? "table" : "tsv");
    const { dataset } = flags;
    checkDatasetFilters(dataset, typedFilters({ ...flags, "include-deleted": false }));
    const schemaVersion = flags["schema-version"] === 2 ? 2 : 1;
    if (schemaVersion === 2 && format === "tsv") {
      throw new CodedError(
        "INVALID_ARGUMENT",
        "FORMAT",
        "--schema-version 2 is for table, ndjson and arrow: tsv has 22 columns of its own",
      );
    }
    const signal = interrupt();
    const { decoderOptions } = new BatchEncoder({ dataset, schemaVersion, networkPassphrase: "" });
    const sink = sinkOf(format, { dataset, schemaVersion }, stdout);
    const filter = decoderFilterOf(flags, !flags["no-deleted"]);
    const work = new DecodeWork({ compat, filter, ...decoderOptions }, flags["known-asset"].flat(), verifies, sink);
    const access = environmentAccess(env);
    const onTrouble = troubleTeller(stderr);
    let isEndless = false;
    try {
      for (const argument of args) {
        if (signal.aborted) break;
        const input = await unlessAborted(openDecodeInput(argument, wanted, access, signal, onTrouble), signal);
        isEndless = input.isEndless;
        const network = new InputNetwork(flags["network-passphrase"] ?? input.networkPassphrase);
        await work.decodeAll(argument, input.ledgers, network, signal);
      }
    } catch (thrown) {
      await work.flush().catch(() => {}); // the first error is the one to tell
      if (!signal.aborted) throw thrown;
    }
    const isCut = signal.aborted;
    await sink.end(work.rows).catch((thrown) => {
      if (!isCut) throw thrown;
    });
    if (!isCut || isEndless) return 0;
    return interruptedExitCode(signal);
  },
});

/** Tells on stderr what a source waits for, once each. */
function troubleTeller(stderr: Output): TroubleListener {
  let told = "";
  return (trouble) => {
    const message = trouble?.message ?? "";
    if (message !== "" && message !== told) stderr.write(`${PROGRAM}: waiting: ${message}\n`);
    told = message;
  };
}

/** Decodes inputs one after the other into one sink. */
class DecodeWork {
  /** Rows that the sink keeps. */
  readonly rows = new RowSet();
  private readonly decoders = new Map<string, { decoder: LedgerDecoder; known: KnownAssets }>();
  /** Tells whether a ledger has rows at all, which no network decides. */
  private readonly any: LedgerDecoder;
  private readonly anyRows = new RowSet();

  constructor(
    private readonly options: Omit<DecoderOptions, "networkPassphrase" | "knownAssets">,
    private readonly assets: readonly string[],
    private readonly verifiesChain: boolean,
    private readonly sink: RowSink,
  ) {
    this.any = new LedgerDecoder({ ...options, filter: undefined, networkPassphrase: "" });
  }

  /** The rows of every ledger as soon as it has come, until the signal. @param argument names the input in errors */
  async decodeAll(
    argument: string,
    ledgers: AsyncIterable<FileLedger>,
    network: InputNetwork,
    signal: AbortSignal,
  ): Promise<void> {
    const held = new HeldLedgers();
    const chain = new LedgerChain();
    for await (const ledger of asTheyCome(ledgers, signal, () => this.flush())) {
      if (this.verifiesChain) at(ledger, () => chain.take(ledger.bytes, ledger.path));
      const passphrase = at(ledger, () => network.of(ledger.bytes));
      if (passphrase !== undefined) {
        for (const each of [...held.take(), ledger]) await this.decode(each, passphrase);
        continue;
      }
      at(ledger, () => this.any.decode(ledger.bytes, this.anyRows));
      if (this.anyRows.length > 0) held.add(ledger);
      this.anyRows.clear();
    }
    if (!signal.aborted) held.end(argument);
  }

  /** Writes the rows that the sink keeps. */
  flush(): Promise<void> {
    return this.sink.flush(this.rows);
  }

  private async decode(ledger: FileLedger, passphrase: string): Promise<void> {
    try {
      await this.sink.begin(passphrase);
      const { decoder, known } = this.decoderOf(passphrase);
      decoder.decode(this.sink.keepsRows ? new Uint8Array(ledger.bytes) : ledger.bytes, this.rows);
      for (const { asset, ledgerSequence } of decoder.takeLearned()) known.add(asset, knownFrom(ledgerSequence));
      await this.sink.take(this.rows);
    } catch (thrown) {
      throw located(thrown, ledger);
    }
  }

  private decoderOf(networkPassphrase: string): { decoder: LedgerDecoder; known: KnownAssets } {
    let entry = this.decoders.get(networkPassphrase);
    if (entry === undefined) {
      const known = new KnownAssets(networkPassphrase, this.assets);
      entry = { decoder: new LedgerDecoder({ ...this.options, networkPassphrase, knownAssets: known }), known };
      this.decoders.set(networkPassphrase, entry);
    }
    return entry;
  }
}

/** What the environment says of a setting; undefined where it says nothing. */
function settingOf<T>(env: Readonly<Record<string, string | undefined>>, name: string, type: SettingType<T>) {
  const given = env[name];
  if (!given) return undefined;
  const value = type.parse(given);
  if (value !== undefined) return value;
  const message = `${name} is ${JSON.stringify(given)}: ${type.accepts} is accepted`;
  throw new CodedError("INVALID_ARGUMENT", "CONFIG_INVALID", message);
}

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
