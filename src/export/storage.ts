/** The folder or the bucket that an export lies in. */
import { stat } from "node:fs/promises";
import { CodedError } from "../error.ts";
import { FolderStorage, type ListOptions, type WritableStorage } from "../sources/lake/lake-storage.ts";
import { isBucketAddress, openBucket } from "../sources/object-store/open-store.ts";
import type { SourceAccess } from "../sources/source-access.ts";

/** What the file system says where nothing more fits: of the disk, of a quota, of a limit of the process. */
const NO_ROOM = ["ENOSPC", "EDQUOT", "EFBIG"];

/**
 * The place that a user names: a folder, `s3://…` or `gs://…`. Nothing is made.
 * @throws CodedError INVALID_ARGUMENT / EXPORT_PLACE where it is no folder; as `openBucket`
 */
export async function openPlace(place: string, access: SourceAccess): Promise<WritableStorage> {
  if (isBucketAddress(place)) return openBucket(place, access);
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(place)) {
    throw unusable(`${place.replace(/\/\/.*/, "//…")} is no place for an export: a folder, s3:// or gs:// is accepted`);
  }
  const found = await stat(place).catch((thrown) => {
    if (thrown.code === "ENOENT") return undefined;
    if (thrown.code === "ENOTDIR") throw unusable(`${place}: a part of this path is no folder`);
    throw unusable(
      `${place}: it cannot be looked at (${thrown.code}): check its mode and those of the folders above it`,
    );
  });
  if (found !== undefined && !found.isDirectory()) throw unusable(`${place}: it is no folder: name one, or a new name`);
  return new FolderStorage(place);
}

/** An object's bytes; undefined where there is none. @throws CodedError as `LakeStorage.get` */
export async function readObject(storage: WritableStorage, key: string): Promise<Uint8Array | undefined> {
  const object = await storage.get(key);
  if (object === undefined) return undefined;
  try {
    return await object.bytes();
  } finally {
    await object.close();
  }
}

/** The names right below a folder of the export, sorted; none where it is not there. */
export async function namesIn(
  storage: WritableStorage,
  folder: string,
  options?: Pick<ListOptions, "after">,
): Promise<string[]> {
  try {
    return (await storage.list(folder, options)).sort();
  } catch (thrown) {
    if (thrown instanceof CodedError && thrown.reason === "FILE_NOT_FOUND") return [];
    throw thrown;
  }
}

/**
 * Writes an object that is always the same: whole, or not at all.
 * @returns false where it was there, with the same bytes
 * @throws CodedError DATA_LOSS / EXPORT_CHANGED where it is there with others; INVALID_ARGUMENT / EXPORT_PLACE where it
 * cannot be written; as `putIfAbsent`
 */
export async function putSame(
  storage: WritableStorage,
  key: string,
  bytes: Uint8Array,
  signal?: AbortSignal,
): Promise<boolean> {
  if (await put(storage, key, bytes, signal)) return true;
  const there = await readObject(storage, key);
  if (there !== undefined && Buffer.compare(there, bytes) === 0) return false;
  const message = `${storage.nameOf(key)}: it is there with other bytes than it should have: remove it where it is damaged or of another version of this program, then give the same command again`;
  throw new CodedError("DATA_LOSS", "EXPORT_CHANGED", message);
}

/** `putIfAbsent`, with the errors of a place that cannot take it. */
export async function put(
  storage: WritableStorage,
  key: string,
  bytes: Uint8Array,
  signal?: AbortSignal,
): Promise<boolean> {
  try {
    return await storage.putIfAbsent(key, bytes, signal);
  } catch (thrown) {
    const { code } = ((thrown as Error).cause ?? {}) as { code?: string };
    const name = storage.nameOf(key);
    if (code !== undefined && NO_ROOM.includes(code)) {
      throw unusable(
        `${name}: ${bytes.length} B do not fit there (${code}): make room, then give the same command again`,
      );
    }
    if (code === "EACCES" || code === "EPERM" || code === "EROFS") {
      throw unusable(`${name}: this user may not write it (${code}): check the mode of its folder`);
    }
    throw thrown;
  }
}

function unusable(message: string): CodedError {
  return new CodedError("INVALID_ARGUMENT", "EXPORT_PLACE", message);
}
