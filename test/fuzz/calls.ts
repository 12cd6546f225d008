/**
 * Random calls at a whole server that asks for credentials: whatever is sent, the answer is rows or a status with a reason
 * of the registry, and the server lives on. Part of `make fuzz`.
 *
 *   bun test/fuzz/calls.ts [--cases 5000]
 *   SEED=<printed> bun test/fuzz/calls.ts --only <index>
 */
import { parseArgs } from "node:util";
import * as grpc from "@grpc/grpc-js";
import { REASON_GROUPS } from "../../src/reasons/registry.ts";
import { bearer, startGuarded } from "../security/support.ts";
import { seedOf } from "../support/random.ts";
import { type CallCase, makeCall } from "./call-cases.ts";

const AT_ONCE = 8; // more wrong passwords at once are refused unread
const ANSWER_MS_MAX = 60_000; // a hang's end
const WAIT_MS = 2000; // a sound ticket of ledgers to come waits for ever, and so does who watches sessions
const UNCODED = ["UNEXPECTED"]; // a fault of ours that has a reason all the same

const REASONS: ReadonlySet<string> = new Set(REASON_GROUPS.flatMap(({ reasons }) => Object.keys(reasons)));

/** How one call ended. */
interface End {
  status: string;
  reason: string;
  details: string;
}

function send(client: grpc.Client, { path, message, metadata }: CallCase, key: string): Promise<End> {
  if (metadata.get("authorization").length === 0) metadata.set("authorization", bearer(key).authorization);
  const bytes = (value: Uint8Array) => Buffer.from(value);
  const deadline = Date.now() + ANSWER_MS_MAX;
  const call = client.makeBidiStreamRequest(`/${path}`, bytes, bytes, metadata, { deadline });
  return new Promise((resolve) => {
    const waits = /DoGet|Watch/.test(path) ? setTimeout(() => call.cancel(), WAIT_MS) : undefined;
    call.on("data", () => call.cancel());
    call.on("error", () => {});
    call.on("status", ({ code, details, metadata: trailers }) => {
      clearTimeout(waits);
      resolve({ status: grpc.status[code]!, reason: String(trailers.get("reason")[0] ?? ""), details });
    });
    call.write(message);
    call.end();
  });
}

/** What is wrong with an end; undefined where nothing is. */
export function wrongWith({ status, reason, details }: End): string | undefined {
  if (status === "OK" || (status === "CANCELLED" && details.includes("Cancelled on client"))) return undefined;
  if (REASONS.has(reason) && !UNCODED.includes(reason)) return undefined;
  return `${status} with reason ${JSON.stringify(reason)}: ${details}`;
}

/** Calls [first, end) of the run with `seed`; how many ended in which status, and what was found. */
export async function runCalls(
  seed: number,
  first: number,
  end: number,
): Promise<{ statuses: Record<string, number>; findings: string[] }> {
  const server = await startGuarded();
  const clientOf = (address: string) => new grpc.Client(address, grpc.credentials.createInsecure());
  const clients = { control: clientOf(server.processor.control), flight: clientOf(server.processor.flight) };
  const statuses: Record<string, number> = {};
  const findings: string[] = [];
  let next = first;
  const worker = async () => {
    while (next < end) {
      const index = next++;
      const made = makeCall(seed, index);
      const ended = await send(clients[made.listener], made, server.keys.admin);
      const isAnswered = ["OK", "CANCELLED"].includes(ended.status); // cancelled by us: rows came, or are to come
      const how = isAnswered ? "answered" : ended.status;
      statuses[how] = (statuses[how] ?? 0) + 1;
      const wrong = wrongWith(ended);
      if (wrong !== undefined) findings.push(`call ${index} (${made.description}, ${made.path}): ${wrong}`);
    }
  };
  try {
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    if (server.processor.output().includes("unexpected error")) findings.push("the log has unexpected errors");
    const alive = await fetch(`http://${server.processor.http}/livez`);
    if (!alive.ok) findings.push(`/livez answers ${alive.status}`);
  } finally {
    for (const client of Object.values(clients)) client.close();
    await server.close();
  }
  return { statuses, findings };
}

if (import.meta.main) {
  const { values: flags } = parseArgs({
    options: { cases: { type: "string", default: "5000" }, only: { type: "string" } },
  });
  const seed = seedOf();
  const first = Number(flags.only ?? 0);
  const end = flags.only === undefined ? Number(flags.cases) : first + 1;
  console.log(`SEED=${seed}, calls ${first} to ${end - 1}`);
  const { statuses, findings } = await runCalls(seed, first, end);
  for (const finding of findings) console.log(finding);
  console.log(`${JSON.stringify(statuses)}; ${findings.length} findings`);
  process.exit(findings.length === 0 ? 0 : 1);
}
