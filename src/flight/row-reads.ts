/**
 * DoGet for clients of HTTP, which the main thread serves: the streams of gRPC's DoGet, with the same limits and rules of slow
 * clients, written to the main thread in place of a call. A batch is copied out of its slot, and the next one is taken
 * when the client has had it.
 */
import * as grpc from "@grpc/grpc-js";
import { CodedError } from "../error.ts";
import type { OnUnexpected } from "../grpc/service.ts";
import type { FromRowRead, IpcMessage, ToRowRead } from "../threads/row-read.ts";
import type { GetFacts } from "../tracing/span-facts.ts";
import type { FlightDataMessage } from "./flight-data.ts";
import { GetWatch } from "./get-watch.ts";
import type { FlightProducer, GetOutcome, OutgoingStream } from "./producer.ts";
import { sendStream } from "./send-stream.ts";

const NOTHING = new Uint8Array(0);

interface Options {
  /** Why nothing is read at present, if that is so. */
  refusal: () => CodedError | undefined;
  onUnexpected: OnUnexpected;
  /** Told of each read that has ended; absent: nobody traces them. */
  getEnded?: (facts: GetFacts) => void;
}

/** The reads that the main thread has asked for, by its numbers. */
export class RowReads {
  private readonly open = new Map<number, RowRead>();
  private drained: (() => void) | undefined;

  constructor(
    private readonly producer: Pick<FlightProducer, "doGet">,
    private readonly post: (number: number, read: FromRowRead) => void,
    private readonly options: Options,
  ) {}

  /** Does what the main thread says of a read. */
  handle(number: number, said: ToRowRead): void {
    if (said.step === "taken") this.open.get(number)?.taken();
    else if (said.step === "leave") this.open.get(number)?.leave();
    else {
      const read = new RowRead((message) => this.post(number, message), this.options);
      this.open.set(number, read);
      void read.run(this.producer, said).finally(() => {
        this.open.delete(number);
        if (this.open.size === 0) this.drained?.();
      });
    }
  }

  /** Lets reads come to their end within the grace; the others end with UNAVAILABLE. */
  async close(graceMs: number): Promise<void> {
    if (this.open.size === 0) return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    await new Promise<void>((resolve) => {
      this.drained = resolve;
      timer = setTimeout(resolve, graceMs);
    });
    clearTimeout(timer);
    const error = new CodedError(
      "UNAVAILABLE",
      "SERVER_STOPPING",
      "the server is shutting down: go on when it is back",
    );
    for (const read of this.open.values()) read.fail(error);
  }
}

/** One DoGet whose messages go to the main thread. */
class RowRead {
  private stream: OutgoingStream | undefined;
  private watch: GetWatch | undefined;
  private readonly left = new AbortController();
  private closed = false;
  /** Ends the wait for the client. */
  private wake = () => {};

  constructor(
    private readonly post: (message: FromRowRead) => void,
    private readonly options: Options,
  ) {}

  taken(): void {
    this.wake();
  }

  leave(): void {
    this.close("cancelled");
  }

  fail(thrown: unknown): void {
    if (this.closed) return;
    const cursor = this.stream?.cursor?.();
    this.watch?.failed(thrown);
    this.close("failed");
    this.post({ step: "ended", error: CodedError.from(thrown).toRecord(), cursor });
  }

  /** Reads to the end; every way of ending is told but the client's own leaving. */
  async run(
    producer: Pick<FlightProducer, "doGet">,
    { ticket, peer, identity, caller }: Extract<ToRowRead, { step: "open" }>,
  ): Promise<void> {
    const { getEnded } = this.options;
    this.watch = getEnded && new GetWatch({ over: "http", caller, peer }, getEnded);
    try {
      const refusal = this.options.refusal();
      if (refusal !== undefined) throw refusal;
      let cursor: string | undefined;
      const opened = await producer.doGet(ticket, {
        peer,
        metadata: new grpc.Metadata(),
        identity,
        asks: "request",
        signal: this.left.signal,
        sendHeaders: (headers) => {
          cursor = headers.get("cursor")[0]?.toString();
        },
        announce: () => {}, // batches are counted with their stream
      });
      const stream = this.watch?.of(opened) ?? opened;
      this.stream = stream;
      if (this.closed) return stream.close("cancelled");
      stream.endedSignal?.addEventListener("abort", () => this.wake());
      this.post({ step: "opened", opening: stream.opening.map(ownMessage), cursor });
      const went = await sendStream(
        stream,
        (message) => this.write(message),
        () => performance.now(),
      );
      if (!went || this.closed) return;
      const end = stream.cursor?.();
      this.close("completed");
      this.post({ step: "ended", cursor: end });
    } catch (thrown) {
      if (!(thrown instanceof CodedError) && !this.closed) this.options.onUnexpected(thrown, "DoGet over HTTP");
      this.fail(thrown);
    }
  }

  /** As FlightServer's: true also where the stream was ended while it waited, so that its error is told. */
  private async write(message: FlightDataMessage): Promise<boolean> {
    const { appMetadata, dataHeader = NOTHING, dataBody = NOTHING } = message;
    if (appMetadata === undefined) return true; // sent with `opened`
    const body = new Uint8Array(new SharedArrayBuffer(dataBody.length));
    body.set(dataBody);
    const metadata = Buffer.from(appMetadata).toString("utf8");
    this.post({ step: "batch", batch: { header: new Uint8Array(dataHeader), body, metadata } });
    if (this.stream?.endedSignal?.aborted) return true;
    await new Promise<void>((resolve) => {
      this.wake = resolve;
    });
    return !this.closed;
  }

  private close(outcome: GetOutcome): void {
    if (this.closed) return;
    this.closed = true;
    if (this.stream === undefined) this.watch?.ended(outcome);
    this.stream?.close(outcome);
    this.left.abort(); // the name's count of streams goes by it
    this.wake();
  }
}

function ownMessage({ dataHeader = NOTHING, dataBody = NOTHING }: FlightDataMessage): IpcMessage {
  return { header: new Uint8Array(dataHeader), body: new Uint8Array(dataBody) };
}
