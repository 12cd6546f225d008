/**
 * `make stream-1gb`: many bytes from one DoGet, again and again, on fresh connections, with clients of other people.
 * The sample is replayed and renumbered. Ends with 1 if a run stalls or a row is missing.
 *
 *   bun test/flight/stream-bytes.ts [--bytes N] [--runs N] [--tls | --mutual] [--binary dist/contract-data-processor] [--client NAME]
 *
 * With --tls the server shows a certificate, with --mutual clients show one too.
 */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { connectControl } from "../../src/control/client.ts";
import { goClient, javaClient, pythonClient, runClient, rustClient } from "../clients/toolchain.ts";
import { Certificates, contentOf } from "../support/certificates.ts";
import { SAMPLE, startProcessor } from "../support/processor.ts";
import { streamByGrpcurl } from "./grpcurl-stream.ts";

const STALL_SECONDS = 120; // a run takes seconds, by grpcurl half a minute; one that needs this long has stalled
const CYCLE_LEDGERS = 7; // the sample once …
const CYCLE_BYTES = 258_000; // … makes a little more Arrow data than this

const { values } = parseArgs({
  options: {
    bytes: { type: "string", default: "1000000000" },
    runs: { type: "string", default: "10" },
    tls: { type: "boolean", default: false },
    mutual: { type: "boolean", default: false },
    binary: { type: "string" },
    client: { type: "string" },
  },
});
const cycles = Math.ceil(Number(values.bytes) / CYCLE_BYTES);
const ledgers = cycles * CYCLE_LEDGERS;
let failures = 0;

const certificates = values.tls || values.mutual ? new Certificates() : undefined;
const pair = certificates?.issue("both");
const ca = certificates?.ca.cert;
const tlsFlags =
  pair === undefined
    ? []
    : [
        ...[`--tls-cert-file=${pair.cert}`, `--tls-key-file=${pair.key}`],
        ...(values.mutual ? [`--tls-client-ca-file=${ca}`] : []),
      ];
const processor = await startProcessor(
  [`--source-endpoint=repeat:${SAMPLE.folder}`, "--include-deleted", "--worker-count=2", ...tlsFlags],
  values.binary === undefined ? {} : { command: [resolve(values.binary)] },
);
const control = connectControl(processor.control, {
  tls: pair && { ca: [readFileSync(ca!, "utf8")], ...contentOf(pair) },
});
const own = values.mutual ? ["-cert", pair!.cert, "-key", pair!.key] : [];
const clientFlags = ca === undefined ? [] : ["-ca", ca, ...own];
const grpcurlFlags = ca === undefined ? ["-plaintext"] : ["-cacert", ca, ...own];
const clients = { pyarrow: pythonClient, "arrow-go": goClient, "arrow-java": javaClient, "arrow-rs": rustClient };
for (const [name, clientOf] of Object.entries(clients)) {
  if (values.client !== undefined && values.client !== name) continue;
  const client = await clientOf();
  if (client.command === undefined) {
    console.log(`${name}: FAILED: ${client.missing}`);
    failures += 1;
    continue;
  }
  const { command } = client;
  const read = async (ticket: string) => (await runClient({ command }, [...args(ticket), ...clientFlags])).results[0]!;
  await readAgainAndAgain(name, read);
}
if (values.client === undefined || values.client === "grpcurl") {
  await readAgainAndAgain("grpcurl", (ticket) =>
    streamByGrpcurl(processor.flight, ticket, grpcurlFlags, STALL_SECONDS),
  );
}
control.close();
certificates?.remove();
const rss = await residentMegabytes(processor.pid);
const exit = await processor.stop();
console.log(`server: resident ${rss} MB at the end, exit ${exit}; ${failures} runs failed`);
process.exit(failures === 0 && exit === 0 ? 0 : 1);

async function residentMegabytes(pid: number): Promise<string> {
  const status = await Bun.file(`/proc/${pid}/status`)
    .text()
    .catch(() => "");
  const kilobytes = Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? Number.NaN);
  return (kilobytes / 1000).toFixed(0);
}

function args(ticket: string): string[] {
  return ["get", "-addr", processor.flight, "-ticket", ticket, "-max-seconds", String(STALL_SECONDS)];
}

/** Says of each run what it read, and counts those that have failed. */
async function readAgainAndAgain(
  name: string,
  read: (ticket: string) => Promise<{ rows: number; batches: number; bytes: number; seconds: number; error?: unknown }>,
): Promise<void> {
  for (let run = 1; run <= Number(values.runs); run++) {
    const { sessionId } = await control.startProcessing({ startLedger: 1000, endLedger: 1000 + ledgers - 1 });
    const result = await read(JSON.stringify({ session: sessionId, from: "start" }));
    const { rows, bytes, batches, seconds, error } = result;
    const ok = error === undefined && rows === cycles * SAMPLE.rows;
    if (!ok) failures += 1;
    const said = ok
      ? `${(bytes / 1e6).toFixed(0)} MB in ${batches} batches, ${rows} rows, ${seconds.toFixed(1)} s, ${(bytes / 1e6 / seconds).toFixed(0)} MB/s`
      : `FAILED: ${JSON.stringify(result)}`;
    console.log(`${name} run ${run}: ${said}`);
  }
}
