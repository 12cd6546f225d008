/** Compressed bytes inflated as they come, for streams that are larger than memory. */
import zlib from "node:zlib";
import { CodedError } from "../../error.ts";
import { joined } from "./byte-reader.ts";
import type { Encoding } from "./inflate.ts";
import { ZstdEnd } from "./zstd-end.ts";

/**
 * The content of `stored`, chunk by chunk.
 *
 * @param name of the file, for messages
 * @throws CodedError DATA_LOSS / ZSTD_CORRUPT, ZSTD_TRUNCATED, ZSTD_TRAILING_BYTES, GZIP_CORRUPT, GZIP_TRUNCATED; what
 * came before the fault has been given by then
 */
export async function* inflated(
  name: string,
  stored: AsyncIterable<Uint8Array>,
  encoding: Encoding,
): AsyncGenerator<Uint8Array, void, undefined> {
  if (encoding === "none") {
    yield* stored;
    return;
  }
  const frames = new ZstdEnd();
  const decoder = decoderOf(encoding);
  let failed: unknown;
  const feeding = (async () => {
    for await (const chunk of stored) {
      if (encoding === "zstd") frames.push(chunk);
      await new Promise((resolve) => decoder.write(chunk, resolve)); // or until it is destroyed
      if (decoder.destroyed) return;
    }
    decoder.end();
  })().catch((thrown: unknown) => {
    failed = thrown;
    decoder.destroy();
  });
  try {
    for await (const chunk of decoder as AsyncIterable<Uint8Array>) yield chunk;
  } catch (thrown) {
    throw failed ?? decoderFault(name, encoding, thrown);
  } finally {
    decoder.destroy();
  }
  await feeding;
  if (failed !== undefined) throw failed;
  if (encoding === "zstd" && frames.end === "cut") {
    throw new CodedError(
      "DATA_LOSS",
      "ZSTD_TRUNCATED",
      `${name}: the zstd data ends inside a frame: it is cut off, or still being written`,
    );
  }
  if (encoding === "zstd" && frames.end === "foreign") {
    throw new CodedError(
      "DATA_LOSS",
      "ZSTD_TRAILING_BYTES",
      `${name}: something that is not zstd follows a zstd frame`,
    );
  }
}

/**
 * The first `bytesMin` bytes of the content or more, as soon as what has come of `stored` holds them; fewer where it ends
 * before, or has given `storedBytesMax` of its own. None where they cannot be inflated.
 */
export async function firstInflated(
  stored: AsyncIterable<Uint8Array>,
  encoding: Exclude<Encoding, "none">,
  bytesMin: number,
  storedBytesMax: number,
): Promise<Uint8Array> {
  const decoder = decoderOf(encoding);
  const parts: Uint8Array[] = [];
  let bytes = 0;
  let storedBytes = 0;
  decoder.on("data", (part: Uint8Array) => {
    parts.push(part);
    bytes += part.length;
  });
  decoder.on("error", () => {}); // the write's callback has it
  try {
    for await (const chunk of stored) {
      const error = await new Promise((resolve) => decoder.write(chunk, resolve));
      if (error) return new Uint8Array(0);
      await new Promise((resolve) => setImmediate(resolve)); // what the chunk gave is told by then
      storedBytes += chunk.length;
      if (bytes >= bytesMin || storedBytes >= storedBytesMax) break;
    }
  } finally {
    decoder.destroy();
  }
  return joined(parts);
}

function decoderOf(encoding: Exclude<Encoding, "none">): zlib.ZstdDecompress | zlib.Gunzip {
  return encoding === "zstd" ? zlib.createZstdDecompress() : zlib.createGunzip();
}

function decoderFault(name: string, encoding: Encoding, thrown: unknown): CodedError {
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  const isCut = (thrown as { code?: string }).code === "Z_BUF_ERROR";
  if (encoding === "zstd") return new CodedError("DATA_LOSS", "ZSTD_CORRUPT", `${name}: bad zstd data: ${message}`);
  if (isCut) return new CodedError("DATA_LOSS", "GZIP_TRUNCATED", `${name}: the gzip data ends too early`);
  return new CodedError("DATA_LOSS", "GZIP_CORRUPT", `${name}: bad gzip data: ${message}`);
}
