/** Gives one object of a stream to a worker: whole, or as it comes. */
import type { ComingBytes, LedgerObject } from "../sources/source.ts";
import type { DecodePool } from "../workers/pool.ts";
import type { AssetRecord, ObjectRecord, StreamSpec } from "../workers/records.ts";

const PARTS_MAX = 64; // of a large object; a message for less would be a waste

/**
 * @param assets as DecodePool.sendObject
 * @returns false where no more of it comes: the worker has been told, and the source says why or gives it again
 * @throws as DecodePool.sendObject
 */
export async function sendObject(
  pool: DecodePool,
  worker: number,
  spec: StreamSpec,
  record: ObjectRecord,
  { bytes, coming }: LedgerObject,
  assets?: readonly AssetRecord[],
): Promise<boolean> {
  if (coming === undefined) {
    await pool.sendObject(worker, spec, record, bytes, assets);
    return true;
  }
  const { stream } = spec;
  const total = bytes.length;
  const partBytes = Math.ceil(total / PARTS_MAX);
  for (let sent = 0; sent < total; ) {
    if (!(await hasCome(coming, Math.min(sent + partBytes, total)))) {
      if (sent > 0) await pool.sendPart(worker, spec, { stream, isLost: true }, bytes.subarray(0, 0));
      return false;
    }
    const part = bytes.subarray(sent, Math.min(coming.filled(), sent + 4 * partBytes));
    if (sent === 0) await pool.sendObject(worker, spec, { ...record, bytes: total }, part, assets);
    else await pool.sendPart(worker, spec, { stream }, part);
    sent += part.length;
  }
  return true;
}

/** Waits for so many bytes; false where they do not come. */
async function hasCome(coming: ComingBytes, wanted: number): Promise<boolean> {
  while (coming.filled() < wanted) if (!(await coming.until(wanted))) return false;
  return true;
}
