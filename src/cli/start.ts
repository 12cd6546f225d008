import { setTimeout as sleep } from "node:timers/promises";
import { assets, integer, oneOf, text } from "../config/types.ts";
import { CodedError } from "../error.ts";
import { Compression, GetStatusResponse_Status as Status } from "../grpc/generated/control.ts";
import { LEDGER_SEQUENCE_MAX } from "../ledger/terms.ts";
import { DATASETS } from "../vocabulary/dataset.ts";
import { defineCommand } from "./command.ts";
import { JSON_FLAG, SERVER_FLAGS, withControl } from "./control-call.ts";
import { anyFilter, FILTER_FLAGS, filtersOf } from "./filter-flags.ts";
import { option, optionOr, repeated, required, toggle } from "./flags.ts";
import { label } from "./label.ts";
import { sessionJson } from "./session-text.ts";
import { UsageError } from "./usage-error.ts";

const PARTITIONS_MAX = 65_536; // as a filter's shards; a server may have a lower limit, and says so
/** So long a session may be STARTING before it counts as started: its source delivers, or refuses, in far less. */
const STARTING_MS_MAX = 1_000;
const FIRST_LEDGER_MS_MAX = 200; // one whose first ledger is not there fails within milliseconds of its start
const POLL_MS = 20;

export const command = defineCommand({
  usage: "--start-ledger N [--end-ledger N] [flags]",
  description: `The session's id is printed alone on stdout; status, stop, metrics and Flight clients take it. The rows wait
for a Flight client: read them with "contract-data-processor tail", or any Arrow Flight library. Without filters of its
own the session has the server's.`,
  flags: {
    "start-ledger": required({
      placeholder: "N",
      type: integer(1, LEDGER_SEQUENCE_MAX),
      summary: "The first ledger.",
    }),
    "end-ledger": optionOr({
      placeholder: "N",
      type: integer(0, LEDGER_SEQUENCE_MAX),
      otherwise: 0,
      summary: "The last ledger, inclusive. Default: 0, go on with new ledgers for ever.",
    }),
    "batch-size": optionOr({
      placeholder: "ROWS",
      type: integer(0, LEDGER_SEQUENCE_MAX),
      otherwise: 0,
      summary: "Rows in a batch at most. Default: what the server is configured for.",
    }),
    source: option({
      placeholder: "NAME",
      type: text,
      summary: "One of the server's SOURCES. Default: SOURCE_ENDPOINT.",
    }),
    dataset: repeated({
      placeholder: "NAME",
      type: oneOf(DATASETS),
      summary:
        "Which rows: contract_data, ttl (changes of times to live), or both, one flag each. Default: contract_data.",
    }),
    "schema-version": optionOr({
      placeholder: "N",
      type: integer(1, 2),
      otherwise: 1,
      summary: "Of contract_data's Arrow schema, 1 or 2. Default: 1.",
    }),
    "no-dictionaries": toggle({
      summary:
        "Of schema version 2: columns of few words as text, for readers that have no dictionaries. Default: as the server is configured.",
    }),
    compression: optionOr({
      placeholder: "CODEC",
      type: oneOf(["none", "lz4", "zstd"]),
      otherwise: "none" as const,
      summary: "Of batch bodies: none, lz4 or zstd. Default: none.",
    }),
    "known-asset": repeated({
      placeholder: "CODE:G…",
      type: assets,
      summary:
        "An asset whose contract is known from the first ledger on, beside the server's KNOWN_ASSETS; several with commas. The session learns others from its ledgers.",
    }),
    partitions: optionOr({
      placeholder: "N",
      type: integer(1, PARTITIONS_MAX),
      otherwise: 1,
      summary: "Parts in which a group of consumers shares the session: tail --partition reads one. Default: 1, none.",
    }),
    label: repeated({
      placeholder: "KEY=VALUE",
      type: label,
      summary: "For people and scripts; sessions selects by it.",
    }),
    "idempotency-key": option({
      placeholder: "KEY",
      type: text,
      summary: "The same command with the same key again is answered with the first one's session.",
    }),
    replicated: toggle({
      summary:
        "Kept in the server's cluster (CLUSTER): another node goes on with it when this one is gone. Default: kept in DATA_DIR.",
    }),
    ...FILTER_FLAGS,
    ...SERVER_FLAGS,
    json: JSON_FLAG,
  },
  examples: [
    {
      command: "contract-data-processor start --start-ledger 58752000 --end-ledger 58752063",
      meaning: "64 ledgers, then the session completes",
    },
    {
      command: "id=$(contract-data-processor start --start-ledger 58752000)",
      meaning: "from a ledger on, keeping the id",
    },
    {
      command: "contract-data-processor start --start-ledger 58752000 --dataset contract_data --dataset ttl",
      meaning: "entries, and how long they live",
    },
  ],
  async run(context) {
    const { "start-ledger": startLedger, "end-ledger": endLedger, "batch-size": batchSize, json } = context.flags;
    if (endLedger !== 0 && endLedger < startLedger) {
      throw new UsageError(`--end-ledger ${endLedger} is before --start-ledger ${startLedger}`);
    }
    const { source, compression, partitions, label: labels } = context.flags;
    const response = await withControl(context, (client) =>
      client.startProcessing({
        startLedger,
        endLedger,
        batchSize,
        source,
        filters: anyFilter(context.flags) ? filtersOf(context.flags) : undefined,
        datasets: context.flags.dataset,
        schemaVersion: context.flags["schema-version"],
        dictionaries: context.flags["no-dictionaries"] ? false : undefined,
        knownAssets: context.flags["known-asset"].flat(),
        compression: Compression[`COMPRESSION_${compression.toUpperCase()}` as keyof typeof Compression],
        partitions,
        labels: new Map(labels),
        idempotencyKey: context.flags["idempotency-key"],
        replicated: context.flags.replicated,
      }),
    );
    context.print(json ? sessionJson(response) : response.sessionId);
    await assertStarts(context, response.sessionId);
  },
});

/** Sees whether the session fails at once, as one does whose ledgers its source does not have. @throws CodedError SESSION_ERROR */
async function assertStarts(context: Parameters<typeof withControl>[0], sessionId: string): Promise<void> {
  let until = performance.now() + STARTING_MS_MAX;
  let isRunning = false;
  await withControl(context, async (client) => {
    for (;;) {
      const { status, errorMessage, currentLedger } = await client.getStatus({ sessionId });
      if (status === Status.ERROR) {
        throw new CodedError(
          "FAILED_PRECONDITION",
          "SESSION_ERROR",
          `session ${sessionId} has failed: ${errorMessage}`,
        );
      }
      if (status === Status.RUNNING && !isRunning) until = performance.now() + FIRST_LEDGER_MS_MAX;
      isRunning = status === Status.RUNNING;
      const mayFail = status === Status.STARTING || (isRunning && currentLedger === 0);
      if (!mayFail || performance.now() >= until) return;
      await sleep(POLL_MS);
    }
  });
}
