/** Finds out what a folder holds as a lake: its manifest and its layout. */
import { type Dirent, promises as fs } from "node:fs";
import path from "node:path";
import { CodedError } from "../../error.ts";
import { fileFault, isMissing } from "./file-fault.ts";
import { inferLayout, type LakeKey, type LakeLayout, parseLakeKey, parsePartitionName } from "./lake-layout.ts";
import { LAKE_MANIFEST_BYTES_MAX, LAKE_MANIFEST_KEY, type LakeManifest, parseLakeManifest } from "./lake-manifest.ts";

/** Files whose names are looked at for the layout: all but those cut off at the last sequence number tell it. */
const LAYOUT_SAMPLES_MAX = 64;

/** True where `folder` is a directory with a manifest, a lake file or a partition folder at its top. */
export async function isLakeFolder(folder: string): Promise<boolean> {
  const entries = await fs.readdir(folder).catch(() => [] as string[]);
  return entries.some(
    (name) => name === LAKE_MANIFEST_KEY || parseLakeKey(name) !== undefined || parsePartitionName(name) !== undefined,
  );
}

/** The manifest, or undefined where there is none. @throws CodedError DATA_LOSS / LAKE_MANIFEST, or as fileFault says */
export async function readLakeManifest(folder: string): Promise<LakeManifest | undefined> {
  const file = path.join(folder, LAKE_MANIFEST_KEY);
  try {
    const { size } = await fs.stat(file);
    // Over the limit the content does not matter: the parser refuses by length.
    const text =
      size > LAKE_MANIFEST_BYTES_MAX ? " ".repeat(LAKE_MANIFEST_BYTES_MAX + 1) : await fs.readFile(file, "utf8");
    return parseLakeManifest(text, file);
  } catch (thrown) {
    if (isMissing(thrown)) return undefined;
    throw fileFault(file, thrown);
  }
}

/**
 * The layout by the names of the files: for a lake without a manifest. They must agree.
 * @returns undefined where the folder holds no lake file
 * @throws CodedError DATA_LOSS / LAKE_LAYOUT naming two files that do not fit together
 */
export async function inferFolderLayout(folder: string): Promise<LakeLayout | undefined> {
  let found: LakeLayout | undefined;
  let foundIn = "";
  let samples = 0;
  for (const end of ["newest", "oldest"] as const) {
    for await (const key of keysFrom(folder, end)) {
      if (samples++ >= LAYOUT_SAMPLES_MAX) break;
      const layout = inferLayout(key);
      if (layout === undefined) continue;
      if (found === undefined) {
        found = layout;
        foundIn = key.key;
      } else if (
        layout.ledgersPerBatch !== found.ledgersPerBatch ||
        layout.batchesPerPartition !== found.batchesPerPartition
      ) {
        throw new CodedError(
          "DATA_LOSS",
          "LAKE_LAYOUT",
          `${folder}: ${foundIn} and ${key.key} cannot be of one lake: ${describe(found)} and ${describe(layout)}. Give the lake a ${LAKE_MANIFEST_KEY}, or keep the two apart`,
        );
      }
      break; // one file an end tells the layout
    }
  }
  return found;
}

/** For people: `1 ledger a file, 64000 files a partition`. */
function describe({ ledgersPerBatch, batchesPerPartition }: LakeLayout): string {
  return `${ledgersPerBatch} ledgers a file, ${batchesPerPartition} files a partition`;
}

/** Keys in order from one end. Partition folders are listed only when they are reached; empty ones are passed over. */
async function* keysFrom(
  folder: string,
  end: "newest" | "oldest",
): AsyncGenerator<LakeKey & { key: string }, void, undefined> {
  const entries = inOrder(await list(folder), end);
  for (const entry of entries) {
    const key = parseLakeKey(entry.name);
    if (key !== undefined && !entry.isDirectory()) {
      yield { ...key, key: entry.name };
    } else if (parsePartitionName(entry.name) !== undefined && !entry.isFile()) {
      for (const file of inOrder(await list(path.join(folder, entry.name)), end)) {
        const name = `${entry.name}/${file.name}`;
        const parsed = parseLakeKey(name);
        if (parsed !== undefined) yield { ...parsed, key: name };
      }
    }
  }
}

/** Names begin with inverted numbers: byte order is newest first. */
function inOrder(entries: Dirent[], end: "newest" | "oldest"): Dirent[] {
  const sign = end === "newest" ? 1 : -1;
  return entries.sort((a, b) => (a.name < b.name ? -sign : a.name > b.name ? sign : 0));
}

async function list(folder: string): Promise<Dirent[]> {
  try {
    return await fs.readdir(folder, { withFileTypes: true });
  } catch (thrown) {
    throw fileFault(folder, thrown);
  }
}
