/**
 * How a record lies in the store: a CRC-32, then msgpack with the version of this form. The checksum covers the
 * record's key too, so that a record in the wrong place is as wrong as one with a flipped bit.
 */
import { Packr } from "msgpackr";

const STORED_VERSION = 1;
const CRC_BYTES = 4;

const packr = new Packr({ useRecords: false, mapsAsObjects: true, variableMapSize: true });

/** @param key the record's place: kind, id and part */
export function packStored(key: string, record: object): Uint8Array {
  const packed = packr.pack({ version: STORED_VERSION, record });
  const bytes = new Uint8Array(CRC_BYTES + packed.length);
  bytes.set(packed, CRC_BYTES);
  new DataView(bytes.buffer).setUint32(0, crc(key, packed), true);
  return bytes;
}

/** @throws Error that says what is wrong with it */
export function unpackStored(key: string, bytes: Uint8Array): unknown {
  if (bytes.length <= CRC_BYTES) throw new Error(`it has ${bytes.length} bytes`);
  const packed = bytes.subarray(CRC_BYTES);
  const expected = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  const found = crc(key, packed);
  if (found !== expected) throw new Error(`its checksum is ${found.toString(16)}, not ${expected.toString(16)}`);
  const { version, record } = packr.unpack(packed) as { version: number; record: unknown };
  if (version !== STORED_VERSION) throw new Error(`it has version ${version}; this program reads ${STORED_VERSION}`);
  return record;
}

function crc(key: string, packed: Uint8Array): number {
  return Bun.hash.crc32(Buffer.concat([Buffer.from(`${key}\n`), packed]));
}
