/** Whether an export is complete and as it was written: every byte is read. */
import { createHash } from "node:crypto";
import { CodedError } from "../error.ts";
import type { LedgerRange } from "../vocabulary/ledger-range.ts";
import type { ChunkManifest, ManifestFile } from "./chunk-manifest.ts";
import { manifestBytes } from "./chunk-manifest.ts";
import { chunksOf, chunksWithin, readRanges } from "./ranges.ts";
import { jsonBytes, KEYS, manifestKey, parseRangeName, sha256Hex } from "./settings.ts";
import { namesIn, readObject } from "./storage.ts";
import type { ExportTarget } from "./target.ts";
import { wholeBytes, wholeKey, wholeManifest } from "./whole-manifest.ts";
import { chunkManifest } from "./write-chunk.ts";

/**
 * What is wrong: a chunk or a file is not there; a file or a manifest is not as it was written; a file is of no chunk; a
 * chunk's first ledger does not follow the last one of the chunk before.
 */
type FindingKind = "missing" | "changed" | "added" | "chain";

/** One thing that is wrong. */
interface ExportFinding {
  kind: FindingKind;
  /** Key in the export. */
  object: string;
  detail: string;
}

/** What was looked at. */
export interface VerifiedExport {
  ranges: readonly LedgerRange[];
  chunks: number;
  files: number;
  rows: number;
  /** Whether each chunk's header chain is known, and so is that they follow each other. */
  isChained: boolean;
  /** sha256 over the settings and all manifests, hex: two exports with the same have the same bytes. */
  digest: string;
}

/**
 * Looks at every object of the export.
 * @returns what was looked at, after the last finding
 * @throws CodedError where an object cannot be read
 */
export async function* verifyExport(
  target: ExportTarget,
  signal: AbortSignal,
): AsyncGenerator<ExportFinding, VerifiedExport> {
  const { storage, settings } = target;
  const ranges = await readRanges(storage);
  const found: VerifiedExport = { ranges, chunks: 0, files: 0, rows: 0, isChained: true, digest: "" };
  const digest = createHash("sha256").update(jsonBytes(settings));
  const known = new Set<string>();
  let before: ChunkManifest | undefined;
  for (const chunk of chunksOf(ranges, settings.chunk_ledgers)) {
    signal.throwIfAborted();
    const key = manifestKey(chunk);
    known.add(key);
    found.chunks += 1;
    const manifest = yield* readable(target, chunk);
    if (manifest === undefined) continue;
    digest.update(manifestBytes(manifest));
    yield* follows(before, manifest, key);
    found.isChained &&= manifest.chain !== null;
    before = manifest;
    for (const file of manifest.files) {
      signal.throwIfAborted();
      known.add(file.name);
      found.files += 1;
      found.rows += file.rows;
      const detail = await faultOf(target, file);
      if (detail !== undefined) yield { ...detail, object: file.name };
    }
  }
  yield* wholes(target, ranges, signal);
  yield* strangers(target, known);
  return { ...found, digest: digest.digest("hex") };
}

async function* readable(
  target: ExportTarget,
  chunk: LedgerRange,
): AsyncGenerator<ExportFinding, ChunkManifest | undefined> {
  const { ledgerFirst, ledgerLast } = chunk;
  const object = manifestKey(chunk);
  try {
    const manifest = await chunkManifest(target, chunk);
    if (manifest === undefined) {
      yield { kind: "missing", object, detail: `ledgers ${ledgerFirst} to ${ledgerLast} are not there: export them` };
    }
    return manifest;
  } catch (thrown) {
    if (!(thrown instanceof CodedError) || thrown.reason !== "EXPORT_CHANGED") throw thrown;
    yield { kind: "changed", object, detail: thrown.message };
    return undefined;
  }
}

function* follows(
  before: ChunkManifest | undefined,
  { ledger_first, chain }: ChunkManifest,
  object: string,
): Generator<ExportFinding> {
  if (before?.ledger_last !== ledger_first - 1 || before.chain === null || chain === null) return;
  if (before.chain.ledger_hash === chain.previous_ledger_hash) return;
  const detail = `ledger ${ledger_first} follows ${chain.previous_ledger_hash}, and ledger ${before.ledger_last} is ${before.chain.ledger_hash}`;
  yield { kind: "chain", object, detail };
}

async function faultOf(
  { storage }: ExportTarget,
  file: ManifestFile,
): Promise<Omit<ExportFinding, "object"> | undefined> {
  const bytes = await readObject(storage, file.name);
  if (bytes === undefined) return { kind: "missing", detail: "it is not there" };
  if (bytes.length !== file.bytes)
    return { kind: "changed", detail: `it has ${bytes.length} B, and ${file.bytes} B were written` };
  const sha256 = sha256Hex(bytes);
  return sha256 === file.sha256
    ? undefined
    : { kind: "changed", detail: `its sha256 is ${sha256}, and ${file.sha256} was written` };
}

/** The manifests of whole ranges, made anew. */
async function* wholes(
  target: ExportTarget,
  ranges: readonly LedgerRange[],
  signal: AbortSignal,
): AsyncGenerator<ExportFinding> {
  for (const name of await namesIn(target.storage, KEYS.wholes)) {
    const range = parseRangeName(name);
    if (range === undefined) continue; // what a write that was cut off has left
    const object = wholeKey(range);
    try {
      const whole = await wholeManifest(target, chunksWithin(ranges, target.settings.chunk_ledgers, range), signal);
      const there = await readObject(target.storage, object);
      if (there !== undefined && Buffer.compare(there, wholeBytes(whole)) === 0) continue;
      yield { kind: "changed", object, detail: "it does not follow from the manifests of its chunks" };
    } catch (thrown) {
      if (!(thrown instanceof CodedError) || thrown.retryable) throw thrown;
      yield { kind: "changed", object, detail: thrown.message };
    }
  }
}

/** Objects that no manifest names. What begins with a dot is of writes that were cut off, and of no reader's interest. */
async function* strangers({ storage }: ExportTarget, known: ReadonlySet<string>): AsyncGenerator<ExportFinding> {
  const folders = new Set(
    [...known].flatMap((name) => (name.includes("/") ? [name.slice(0, name.lastIndexOf("/"))] : [])),
  );
  const isOwn = (name: string) => name === KEYS.own || folders.has(name);
  for (const folder of ["", ...folders]) {
    for (const name of await namesIn(storage, folder)) {
      const object = folder === "" ? name : `${folder}/${name}`;
      if (name.startsWith(".") || known.has(object) || isOwn(object)) continue;
      yield { kind: "added", object, detail: "no manifest of the export names it" };
    }
  }
}
