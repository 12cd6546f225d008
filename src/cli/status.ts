import { setTimeout as sleep } from "node:timers/promises";
import { duration } from "../config/types.ts";
import type { ControlClient } from "../control/client.ts";
import { type GetStatusResponse, GetStatusResponse_Status as Status } from "../grpc/generated/control.ts";
import { defineCommand, type Output } from "./command.ts";
import { columns, grouped, JSON_FLAG, SERVER_FLAGS, SESSION_ARGUMENT, sessionId, withControl } from "./control-call.ts";
import { optionOr, toggle } from "./flags.ts";
import { sessionJson, statusName } from "./session-text.ts";

const INTERVAL_MS = 1000;
const EXIT_SESSION_FAILED = 1;

export const command = defineCommand({
  usage: "SESSION [flags]",
  description: `With --watch it goes on until the session ends, and exits with 1 when the session failed: on a terminal one line
that is renewed, elsewhere one line for every change.`,
  args: SESSION_ARGUMENT,
  flags: {
    watch: toggle({ short: "w", summary: "Go on until the session ends." }),
    interval: optionOr({
      placeholder: "DURATION",
      type: duration(50, 3_600_000),
      otherwise: INTERVAL_MS,
      summary: "How often --watch asks. Default: 1s.",
    }),
    ...SERVER_FLAGS,
    json: JSON_FLAG,
  },
  examples: [
    { command: "contract-data-processor status 5f1a2c0e-6d0b-4a9e-9a53-0d2b8f1c7e11", meaning: "where it stands" },
    {
      command: "contract-data-processor status 5f1a2c0e-6d0b-4a9e-9a53-0d2b8f1c7e11 --watch --json",
      meaning: "every change as a JSON line, until it ends",
    },
  ],
  async run(context) {
    const id = sessionId(context.args);
    const { json, watch, interval } = context.flags;
    const line = (status: GetStatusResponse) => (json ? sessionJson({ sessionId: id, ...status }) : statusLine(status));
    return await withControl(context, async (client) => {
      if (watch) return await watchStatus(client, id, interval, context.stdout, json, line, context.interrupt());
      const status = await client.getStatus({ sessionId: id });
      context.print(json ? line(status) : statusTable(id, status));
      return;
    });
  },
});

async function watchStatus(
  client: ControlClient,
  id: string,
  intervalMs: number,
  stdout: Output,
  json: boolean,
  line: (status: GetStatusResponse) => string,
  interrupted: AbortSignal,
): Promise<number | undefined> {
  const renewed = stdout.isTTY === true && !json;
  let last = "";
  for (;;) {
    const status = await client.getStatus({ sessionId: id });
    const text = line(status);
    if (text !== last) stdout.write(renewed ? `\r\x1b[2K${text}` : `${text}\n`);
    last = text;
    const ended = status.status === Status.STOPPED || status.status === Status.ERROR;
    if (!ended) await sleep(intervalMs, undefined, { signal: interrupted }).catch(() => {});
    if (ended || interrupted.aborted) {
      if (renewed) stdout.write("\n");
      return status.status === Status.ERROR ? EXIT_SESSION_FAILED : undefined;
    }
  }
}

function ledgerText(status: GetStatusResponse): string {
  const current = status.currentLedger === 0 ? "none yet" : String(status.currentLedger);
  return status.targetLedger === 0 ? current : `${current} of ${status.targetLedger}`;
}

function statusTable(id: string, status: GetStatusResponse): string {
  const rows: [string, string][] = [
    ["session", id],
    ["status", statusName(status.status)],
    ["ledger", ledgerText(status)],
    ["rows", grouped(status.entriesProcessed)],
  ];
  if (status.errorMessage) rows.push(["message", status.errorMessage]);
  return columns(rows);
}

function statusLine(status: GetStatusResponse): string {
  const message = status.errorMessage ? `  ${status.errorMessage}` : "";
  return `${statusName(status.status)}  ledger ${ledgerText(status)}  ${grouped(status.entriesProcessed)} rows${message}`;
}
