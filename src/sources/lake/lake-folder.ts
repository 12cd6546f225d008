/** Finds out what a folder or a bucket holds as a lake: its manifest and its layout. */
import { promises as fs } from "node:fs";
import { CodedError } from "../../error.ts";
import { NEWEST, OLDEST, outermost } from "./lake-ends.ts";
import { inferLayout, type LakeKey, type LakeLayout, parseLakeKey, parsePartitionName } from "./lake-layout.ts";
import { LAKE_MANIFEST_BYTES_MAX, LAKE_MANIFEST_KEY, type LakeManifest, parseLakeManifest } from "./lake-manifest.ts";
import { canList, type LakeStorage, type ListedStorage } from "./lake-storage.ts";

/** True where `folder` is a directory with a manifest, a lake file or a partition folder at its top. */
export async function isLakeFolder(folder: string): Promise<boolean> {
  const entries = await fs.readdir(folder).catch(() => [] as string[]);
  return entries.some(
    (name) => name === LAKE_MANIFEST_KEY || parseLakeKey(name) !== undefined || parsePartitionName(name) !== undefined,
  );
}

/** The manifest, or undefined where there is none. @throws CodedError DATA_LOSS / LAKE_MANIFEST; what the storage says */
export async function readLakeManifest(storage: LakeStorage): Promise<LakeManifest | undefined> {
  const stored = await storage.get(LAKE_MANIFEST_KEY);
  if (stored === undefined) return undefined;
  try {
    // Over the limit the content does not matter: the parser refuses by length.
    const isLarge = stored.size > LAKE_MANIFEST_BYTES_MAX;
    const text = isLarge ? " ".repeat(LAKE_MANIFEST_BYTES_MAX + 1) : new TextDecoder().decode(await stored.bytes());
    return parseLakeManifest(text, stored.name);
  } finally {
    await stored.close();
  }
}

/**
 * The layout by the names of the objects: for a lake without a manifest. Its newest and its oldest must agree.
 * @returns undefined where there is no lake object
 * @throws CodedError DATA_LOSS / LAKE_LAYOUT naming two objects that do not fit together
 */
export async function inferLakeLayout(storage: ListedStorage): Promise<LakeLayout | undefined> {
  const root = await storage.list("");
  const tells = (key: LakeKey): boolean => inferLayout(key) !== undefined;
  const newest = await outermost(storage, root, NEWEST, tells);
  const oldest = await outermost(storage, root, OLDEST, tells);
  if (newest === undefined || oldest === undefined) return undefined;
  const [found, other] = [inferLayout(newest)!, inferLayout(oldest)!];
  if (other.ledgersPerBatch !== found.ledgersPerBatch || other.batchesPerPartition !== found.batchesPerPartition) {
    throw new CodedError(
      "DATA_LOSS",
      "LAKE_LAYOUT",
      `${storage.nameOf("")}: ${newest.key} and ${oldest.key} cannot be of one lake: ${describeLayout(found)} and ${describeLayout(other)}: keep each in a folder of its own`,
    );
  }
  return found;
}

/** For people: `1 ledger a file, 64000 files a partition`. */
export function describeLayout({ ledgersPerBatch, batchesPerPartition }: LakeLayout): string {
  return `${ledgersPerBatch} ledgers a file, ${batchesPerPartition} files a partition`;
}

/**
 * NOT_FOUND / LAKE_NOT_FOUND, with what was looked for.
 * @param other a lake near by, for a hint
 */
export function noLakeHere(storage: LakeStorage, other: string | undefined): CodedError {
  const { root } = storage;
  const message = canList(storage)
    ? `${root}: no lake here: neither a ${LAKE_MANIFEST_KEY} nor a file named like FC7F83FF--58752000.xdr.zst, alone or in a folder named like FC7F83FF--58752000-58815999${other === undefined ? "" : `. There is a lake in ${other}: name that folder`}`
    : `${root}: no lake here: there is no ${LAKE_MANIFEST_KEY}: check the path; a lake without one takes ?ledgersPerFile=1&filesPerPartition=64000, or what its writer has set, in its address`;
  return new CodedError("NOT_FOUND", "LAKE_NOT_FOUND", message);
}
