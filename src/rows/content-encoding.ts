/** Compression of a body that is sent as it is made: each piece can be read as soon as it is there. */
import type { Transform } from "node:stream";
import { constants, createGzip, createZstdCompress } from "node:zlib";

/** Encodings of HTTP that are made, the preferred one first. */
export const ENCODINGS = ["zstd", "gzip"] as const;
type Encoding = (typeof ENCODINGS)[number];

/** Each holds 1 MiB at most (READER_ENCODER_BYTES of the memory plan); zstd's default would hold 3 and give no fewer bytes. */
const CODECS: Readonly<Record<Encoding, () => Transform>> = {
  zstd: () => createZstdCompress({ flush: constants.ZSTD_e_flush, params: { [constants.ZSTD_c_compressionLevel]: 1 } }),
  gzip: () => createGzip({ level: constants.Z_BEST_SPEED, flush: constants.Z_SYNC_FLUSH }),
};

/** The pieces, compressed and flushed one by one. */
export async function* encoded(
  pieces: AsyncIterable<Uint8Array>,
  encoding: Encoding,
): AsyncGenerator<Uint8Array, void> {
  const codec = CODECS[encoding]();
  let made: Uint8Array[] = [];
  codec.on("data", (chunk: Uint8Array) => made.push(chunk));
  const take = () => {
    const chunk = Buffer.concat(made);
    made = [];
    return chunk;
  };
  try {
    for await (const piece of pieces) {
      await new Promise<void>((resolve, reject) => {
        codec.write(piece, (error) => (error ? reject(error) : resolve()));
      });
      yield take();
    }
    await new Promise<void>((resolve, reject) => {
      codec.once("end", resolve).once("error", reject);
      codec.end();
    });
    yield take();
  } finally {
    codec.destroy();
  }
}
