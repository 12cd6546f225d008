/** The main thread's side of DoGet for clients of HTTP: batches that the data plane sends one by one, when they are asked for. */
import { CodedError } from "../error.ts";
import type { Identity } from "../security/grant.ts";
import type { FromRowRead, IpcMessage, ReadBatch, ToRowRead } from "../threads/row-read.ts";
import type { TraceContext } from "../tracing/trace-context.ts";

type Send = (number: number, read: ToRowRead) => void;

/** What is read: a ticket as DoGet takes it, and who reads. */
interface RowReadRequest {
  ticket: Uint8Array;
  /** Address of the client. */
  peer: string;
  /** undefined: nobody is asked who he is. */
  identity: Identity | undefined;
  /** The span that asks, where there are traces. */
  caller?: TraceContext;
}

/** The reads that are open, by number. */
export class RowReads {
  private readonly open = new Map<number, RowRead>();
  private count = 0;

  constructor(private readonly send: Send) {}

  /** Begins to read; `RowRead.opened` tells whether it may. */
  read(request: RowReadRequest): RowRead {
    const number = ++this.count;
    const read = new RowRead(
      (said) => this.send(number, said),
      () => this.open.delete(number),
    );
    this.open.set(number, read);
    this.send(number, { step: "open", ...request });
    return read;
  }

  received(number: number, message: FromRowRead): void {
    this.open.get(number)?.received(message);
  }

  /** The data plane is gone. */
  failAll(error: CodedError): void {
    for (const read of this.open.values()) read.received({ step: "ended", error: error.toRecord() });
  }
}

/** One read. Whoever has it closes it. */
export class RowRead {
  /** Schema, then dictionaries. */
  opening: readonly IpcMessage[] = [];
  /** Where the client goes on that has had everything that `next` gave, or where the first batch begins. */
  cursor: string | undefined;
  /** Aborts when it has ended with an error, whether or not the client has had everything before. */
  readonly failed: AbortSignal;
  private readonly failing = new AbortController();
  private isOpened = false;
  private arrived: ReadBatch | undefined;
  private ending: Extract<FromRowRead, { step: "ended" }> | undefined;
  /** A batch has been given out, and the data plane does not know yet that it is taken. */
  private isGiven = false;
  private closed = false;
  private wake = () => {};

  constructor(
    private readonly send: (said: ToRowRead) => void,
    private readonly over: () => void,
  ) {
    this.failed = this.failing.signal;
  }

  received(message: FromRowRead): void {
    if (message.step === "opened") {
      this.isOpened = true;
      this.opening = message.opening;
      this.cursor = message.cursor;
    } else if (message.step === "batch") this.arrived = message.batch;
    else if (this.ending === undefined) {
      this.ending = message;
      this.over();
      if (message.error !== undefined) this.failing.abort();
    }
    this.wake();
  }

  /** Resolves when the schema is there. @throws CodedError with which the read is refused */
  async opened(): Promise<void> {
    while (!this.isOpened && !this.closed) {
      if (this.ending?.error !== undefined) throw CodedError.fromRecord(this.ending.error);
      await this.sleep();
    }
  }

  /**
   * Whether something has come within `ms`: a batch, the end, or nothing yet.
   * @throws CodedError with which it has ended before its first batch
   */
  async first(ms: number): Promise<"batch" | "end" | "nothing"> {
    const until = performance.now() + ms;
    for (;;) {
      if (this.arrived !== undefined) return "batch";
      if (this.ending?.error !== undefined) throw CodedError.fromRecord(this.ending.error);
      if (this.ending !== undefined || this.closed) return "end";
      const leftMs = until - performance.now();
      if (leftMs <= 0) return "nothing";
      await this.sleep(leftMs);
    }
  }

  /** The next batch, which says that the client has taken the one before; undefined at the end. @throws CodedError */
  async next(): Promise<ReadBatch | undefined> {
    if (this.isGiven) {
      this.isGiven = false;
      if (this.ending === undefined && !this.closed) this.send({ step: "taken" });
    }
    while (!this.closed) {
      const batch = this.arrived;
      if (batch !== undefined) {
        this.arrived = undefined;
        this.isGiven = true;
        return batch;
      }
      if (this.ending !== undefined) {
        this.cursor = this.ending.cursor ?? this.cursor;
        if (this.ending.error !== undefined) throw CodedError.fromRecord(this.ending.error);
        return undefined;
      }
      await this.sleep();
    }
    return undefined;
  }

  /** Leaves; `next` answers undefined then. Idempotent. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.arrived = undefined;
    if (this.ending === undefined) this.send({ step: "leave" });
    this.over();
    this.wake();
  }

  private async sleep(ms?: number): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    await new Promise<void>((resolve) => {
      this.wake = resolve;
      if (ms !== undefined) timer = setTimeout(resolve, ms);
    });
    clearTimeout(timer);
  }
}
