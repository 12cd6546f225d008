import { defineCommand } from "./command.ts";
import { columns, grouped, JSON_FLAG, SERVER_FLAGS, SESSION_ARGUMENT, sessionId, withControl } from "./control-call.ts";
import { sessionJson } from "./session-text.ts";

export const command = defineCommand({
  usage: "SESSION [flags]",
  description: "The counters of one session. The whole server's counters are at /metrics of its HTTP port.",
  args: SESSION_ARGUMENT,
  flags: { ...SERVER_FLAGS, json: JSON_FLAG },
  examples: [
    {
      command: "contract-data-processor metrics 5f1a2c0e-6d0b-4a9e-9a53-0d2b8f1c7e11 --json",
      meaning: "as JSON, for a script",
    },
  ],
  async run(context) {
    const metrics = await withControl(context, (client) => client.getMetrics({ sessionId: sessionId(context.args) }));
    if (context.flags.json) {
      context.print(sessionJson(metrics));
      return;
    }
    context.print(
      columns([
        ["rows", grouped(metrics.contractsProcessed)],
        ["left out by filters", grouped(metrics.entriesSkipped)],
        ["batches", grouped(metrics.batchesCreated)],
        ["XDR bytes", grouped(metrics.bytesProcessed)],
        ["rows a second", grouped(metrics.processingRate)],
        ["last update", new Date(metrics.lastUpdateTime * 1000).toISOString()],
      ]),
    );
  },
});
