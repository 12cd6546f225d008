import { integer } from "../config/types.ts";
import { defineCommand } from "./command.ts";
import { ADDRESS_FLAG, JSON_FLAG, withControl } from "./control-call.ts";
import { optionOr, required } from "./flags.ts";
import { UsageError } from "./usage-error.ts";

const LEDGER_MAX = 2 ** 32 - 1; // ledger numbers are uint32

export const command = defineCommand({
  usage: "--start-ledger N [--end-ledger N] [flags]",
  description: `The session's id is printed alone on stdout; status, stop, metrics and Flight clients take it. The rows wait
for a Flight client: read them with "contract-data-processor tail", or any Arrow Flight library.`,
  flags: {
    "start-ledger": required({
      placeholder: "N",
      type: integer(1, LEDGER_MAX),
      summary: "The first ledger.",
    }),
    "end-ledger": optionOr({
      placeholder: "N",
      type: integer(0, LEDGER_MAX),
      otherwise: 0,
      summary: "The last ledger, inclusive. Default: 0, go on with new ledgers for ever.",
    }),
    "batch-size": optionOr({
      placeholder: "ROWS",
      type: integer(0, LEDGER_MAX),
      otherwise: 0,
      summary: "Rows in a batch at most. Default: what the server is configured for.",
    }),
    address: ADDRESS_FLAG,
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
  ],
  async run(context) {
    const { "start-ledger": startLedger, "end-ledger": endLedger, "batch-size": batchSize, json } = context.flags;
    if (endLedger !== 0 && endLedger < startLedger) {
      throw new UsageError(`--end-ledger ${endLedger} is before --start-ledger ${startLedger}`);
    }
    const response = await withControl(context, (client) =>
      client.startProcessing({ startLedger, endLedger, batchSize }),
    );
    if (json) {
      const { success, message, sessionId } = response;
      context.print(JSON.stringify({ success, message, session_id: sessionId }));
      return;
    }
    context.print(response.sessionId);
  },
});
