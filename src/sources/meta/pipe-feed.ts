/**
 * A meta stream from a FIFO, or from a pipe that this process was given as a descriptor.
 *
 * The FIFO is open for as long as the source is: a writer that finds nobody reading waits in its open, and one whose reader
 * has gone ends. It is opened without waiting for a writer (O_NONBLOCK), and Bun waits for its bytes as it does for a
 * socket's, so no thread stands still.
 */
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { CodedError } from "../../error.ts";
import { fileFault } from "../lake/file-fault.ts";
import type { MetaBytes, MetaFeed } from "./meta-feed.ts";

const PIPE_BYTES = 64 << 10; // what Linux gives one

/** Each attach opens the path anew, since it may be another FIFO by now, and reads until no writer is left. */
export class PipeFeed implements MetaFeed {
  private descriptor: number | undefined;

  /** @param name path of the FIFO */
  constructor(readonly name: string) {}

  /** @throws CodedError UNAVAILABLE / SOURCE_UNAVAILABLE where nobody writes; NOT_FOUND / FILE_NOT_FOUND; PERMISSION_DENIED, DATA_LOSS, UNAVAILABLE / FILE_UNREADABLE */
  async attach(signal: AbortSignal): Promise<MetaBytes> {
    const descriptor = openPipe(this.name);
    this.close(); // after the new one is open: a writer that is there must not be without a reader
    this.descriptor = descriptor;
    const first = readNow(this.name, descriptor);
    if (first?.length !== 0) return new PipeBytes(this.name, descriptor, first, signal);
    throw new CodedError("UNAVAILABLE", "SOURCE_UNAVAILABLE", `meta stream ${this.name}: nobody writes to it`);
  }

  close(): void {
    if (this.descriptor !== undefined) closeSync(this.descriptor);
    this.descriptor = undefined;
  }
}

function openPipe(path: string): number {
  let descriptor: number;
  try {
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (thrown) {
    throw fileFault(path, thrown);
  }
  if (fstatSync(descriptor).isFIFO()) return descriptor;
  closeSync(descriptor);
  throw new CodedError(
    "DATA_LOSS",
    "FILE_UNREADABLE",
    `${path}: not a FIFO: make one with mkfifo before core starts; a file is read where it is there when the source is opened`,
  );
}

/** What is in the pipe: empty where nobody writes, undefined where a writer has written nothing yet. */
function readNow(path: string, descriptor: number): Uint8Array | undefined {
  const bytes = new Uint8Array(PIPE_BYTES);
  try {
    return bytes.subarray(0, readSync(descriptor, bytes));
  } catch (thrown) {
    if ((thrown as { code?: unknown }).code === "EAGAIN") return undefined;
    throw fileFault(path, thrown);
  }
}

class PipeBytes implements MetaBytes {
  private readonly chunks: { read(): Promise<{ value?: Uint8Array }>; cancel(): Promise<void> };
  private readonly cancel = () => void this.chunks.cancel().catch(() => {});

  constructor(
    private readonly path: string,
    descriptor: number,
    /** Read before the stream of what follows was begun. */
    private first: Uint8Array | undefined,
    private readonly signal: AbortSignal,
  ) {
    this.chunks = Bun.file(descriptor).stream().getReader();
    signal.addEventListener("abort", this.cancel, { once: true });
  }

  async next(): Promise<Uint8Array | undefined> {
    if (this.signal.aborted) return undefined;
    const { first } = this;
    this.first = undefined;
    if (first !== undefined) return first;
    try {
      return (await this.chunks.read()).value;
    } catch (thrown) {
      throw fileFault(this.path, thrown);
    }
  }

  close(): void {
    this.signal.removeEventListener("abort", this.cancel);
    this.cancel();
  }
}
