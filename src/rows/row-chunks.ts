/** A read as the bytes of a response's body. */
import { encapsulate } from "../columns/ipc.ts";
import type { RowRead } from "../engine/row-reads.ts";
import { CodedError } from "../error.ts";
import type { ReadBatch } from "../threads/row-read.ts";
import type { RowFormat } from "./row-format.ts";
import type { RowFormatter } from "./row-formatter.ts";
import { type BatchNews, FRAMES } from "./row-frames.ts";

const SLICE_BODY_BYTES = 128 << 10; // of a batch, whose text is some three times as large: what a client holds beside its batch
const PIECE_BYTES = 256 << 10; // of a batch that goes as it is: what a socket has room for
const ALIVE_MS = 15_000; // proxies give up connections that are silent for a minute or less

/** What the bytes of a read are made with. */
interface ChunkParts {
  format: RowFormat;
  /** As FormatJob's. */
  decoded: boolean;
  formatter: RowFormatter;
  /** Whether the server is on its way down: a session's stream that ends then is not at its end. */
  isStopping: () => boolean;
}

/**
 * The body, piece by piece; each piece is made when the one before has been taken.
 * @throws CodedError what ends the stream, where the form has no way to say it
 */
export async function* rowChunks(read: RowRead, parts: ChunkParts): AsyncGenerator<Uint8Array, void> {
  const frame = FRAMES[parts.format];
  let isAmidBatch = false; // no cursor says how far a client has come: the connection is cut
  try {
    if (frame.head !== undefined) yield frame.head(read.opening);
    for (;;) {
      const next = read.next();
      if (frame.alive !== undefined) {
        while (!(await settledWithin(next, ALIVE_MS))) yield frame.alive;
      }
      const batch = await next;
      if (batch === undefined) break;
      isAmidBatch = true;
      yield* batchChunks(read, batch, parts);
      isAmidBatch = false;
      const news = JSON.parse(batch.metadata) as BatchNews;
      if (frame.after !== undefined) yield frame.after(news, batch.metadata);
    }
    if (parts.isStopping()) {
      throw new CodedError("UNAVAILABLE", "SERVER_STOPPING", "the server is shutting down: go on when it is back");
    }
    if (frame.end !== undefined) yield frame.end(read.cursor);
  } catch (thrown) {
    if (frame.error === undefined || isAmidBatch) throw thrown;
    yield frame.error(CodedError.from(thrown).toRecord(), read.cursor);
  }
}

async function* batchChunks(
  { opening }: RowRead,
  batch: ReadBatch,
  { format, decoded, formatter }: ChunkParts,
): AsyncGenerator<Uint8Array, void> {
  if (format === "arrow") {
    yield encapsulate(batch.header);
    for (let at = 0; at < batch.body.length; at += PIECE_BYTES) yield batch.body.slice(at, at + PIECE_BYTES);
    return;
  }
  const { rows } = JSON.parse(batch.metadata) as BatchNews;
  const rowsAtOnce = Math.max(1, Math.floor((rows * SLICE_BODY_BYTES) / Math.max(1, batch.body.length)));
  for (let first = 0; first < rows; first += rowsAtOnce) {
    const end = Math.min(rows, first + rowsAtOnce);
    yield await formatter.format({ format, opening, batch, first, end, decoded });
  }
}

async function settledWithin(work: Promise<unknown>, ms: number): Promise<boolean> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), ms);
  });
  const settled = await Promise.race([
    work.then(
      () => true,
      () => true, // its error is for who awaits it
    ),
    late,
  ]);
  clearTimeout(timer);
  return settled;
}
