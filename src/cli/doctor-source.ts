/** `doctor` at a source: is it there, may we read it, is it of the right network, and what has it. */
import { constants, promises as fs } from "node:fs";
import type { SourceEndpoint } from "../config/source-endpoint.ts";
import { CodedError } from "../error.ts";
import { fileFault } from "../sources/lake/file-fault.ts";
import { openSource } from "../sources/open.ts";
import type { LedgerSource } from "../sources/source.ts";
import type { SourceAccess } from "../sources/source-access.ts";
import type { Finding } from "./finding.ts";

/** For all that is asked of one source: longer than the tries of a store that refuses, shorter than a person's patience. */
const SOURCE_MS_MAX = 20_000;

/**
 * Opens the source and reads its newest ledger, where it tells which that is.
 * @param subject the setting that names it
 * @param network that it has to be of; undefined = any
 */
export async function lookAtSource(
  subject: string,
  endpoint: SourceEndpoint,
  { access, network, interrupted }: { access: SourceAccess; network: string | undefined; interrupted: AbortSignal },
): Promise<Finding> {
  if (endpoint.kind === "meta") return lookAtStream(subject, endpoint.path);
  const patience = AbortSignal.timeout(SOURCE_MS_MAX);
  const signal = AbortSignal.any([patience, interrupted]);
  const late = new Promise<never>((_, reject) => {
    const end = () =>
      reject(new CodedError("UNAVAILABLE", "SOURCE_UNAVAILABLE", `no answer within ${SOURCE_MS_MAX} ms`));
    signal.addEventListener("abort", end, { once: true });
  });
  late.catch(() => {});
  let source: LedgerSource | undefined;
  try {
    source = await Promise.race([openSource(endpoint, access), late]);
    const detail = await Promise.race([described(source, network, signal), late]);
    return { subject, state: "ok", detail: `${source.description} ${detail}` };
  } catch (thrown) {
    const { message } = CodedError.from(thrown);
    const place = source === undefined || message.includes(source.description) ? "" : `${source.description}: `;
    return { subject, state: "trouble", detail: `${place}${message}` };
  } finally {
    await source?.close();
  }
}

async function described(source: LedgerSource, network: string | undefined, signal: AbortSignal): Promise<string> {
  const named = await source.networkPassphrase();
  if (network !== undefined && named !== undefined && named !== network) {
    const message = `it is of ${JSON.stringify(named)}, and NETWORK_PASSPHRASE is ${JSON.stringify(network)}: mend one of them`;
    throw new CodedError("FAILED_PRECONDITION", "NETWORK_MISMATCH", message);
  }
  const of = named === undefined ? "names no network" : `is of ${JSON.stringify(named)}`;
  await source.reach?.();
  const latest = await source.ledgerLatest();
  if (latest === undefined) return `answers; it ${of}, and does not tell its newest ledger`;
  const begunMs = performance.now();
  for await (const object of source.read(latest, latest, signal)) {
    const ms = Math.round(performance.now() - begunMs);
    return `${of}; its newest ledger is ${latest}: ${object.bytes.length} B, read in ${ms} ms`;
  }
  throw new CodedError("UNAVAILABLE", "SOURCE_UNAVAILABLE", `its newest ledger, ${latest}, did not come`);
}

/** A meta stream is not opened: whoever reads a FIFO takes from it what the server should get. */
async function lookAtStream(subject: string, path: string): Promise<Finding> {
  try {
    const found = await fs.stat(path);
    await fs.access(path, constants.R_OK);
    if (found.isFIFO()) return { subject, state: "ok", detail: `${path} is a FIFO that can be read (it was not)` };
    if (found.isFile()) return { subject, state: "ok", detail: `${path} is a file that can be read` };
    return { subject, state: "trouble", detail: `${path} is neither a FIFO nor a file: make one with mkfifo` };
  } catch (thrown) {
    return { subject, state: "trouble", detail: fileFault(path, thrown).message };
  }
}
