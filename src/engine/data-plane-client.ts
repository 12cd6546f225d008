/** The main thread's handle on the data-plane Worker. */
import type { Worker } from "node:worker_threads";
import { CodedError } from "../error.ts";
import type { ClientEvent } from "../threads/client-event.ts";
import type {
  ClientReport,
  DataPlaneData,
  FromDataPlane,
  QuestionName,
  Questions,
  ToDataPlane,
} from "../threads/data-plane-messages.ts";
import { dataPlaneThread } from "../threads/data-plane-thread.ts";
import { Heartbeat } from "../threads/heartbeat.ts";
import type { CallFacts, GetFacts } from "../tracing/span-facts.ts";
import type { AssetRecord, LedgerSkip, SpanDoneRecord } from "../workers/records.ts";
import { RowReads } from "./row-reads.ts";
import { type SilenceLimits, SilenceWatch } from "./silence-watch.ts";

/** What the data-plane thread tells the main thread. */
export interface DataPlaneEvents {
  ended(stream: number, error: CodedError | undefined): void;
  /** Comes before `ended`, and before any question of a client that has had the batch. */
  learned(stream: number, assets: AssetRecord[]): void;
  /** Ledgers left out in a span that is in order. */
  skipped(stream: number, skips: LedgerSkip[], count: number): void;
  /** A traced span is in order. */
  traced(stream: number, done: SpanDoneRecord, orderedUnixMs: number): void;
  /** A DoGet has ended; told where there are traces. */
  get(facts: GetFacts): void;
  /** Another call of Flight has ended; told where there are traces. */
  flightCall(facts: CallFacts): void;
  /** A Flight client has come or gone. */
  client(event: ClientEvent): void;
  /** A line of the data plane for the log. */
  logged(level: "warn" | "error", message: string, fields: Record<string, string>): void;
  /** Answers the data plane's questions. @throws CodedError, which the asker gets */
  asked<N extends QuestionName>(name: N, asked: Questions[N]["asked"]): Promise<Questions[N]["answer"]>;
  /** The thread has not taken a turn for so long: nobody is served, and nothing delivered, until it does. */
  silent(ms: number): void;
  /** It takes turns again, after so long. */
  answersAgain(ms: number): void;
  /** The Worker itself is gone, or silent for too long: nothing can be delivered any more. */
  died(error: CodedError): void;
}

/** How the data plane is started and watched; by default as in production. */
export interface DataPlaneOptions {
  /** What the Worker runs; for tests. */
  entry?: string;
  silence?: SilenceLimits;
}

/** Sends messages to the data-plane Worker, hears its own, and watches that it takes turns. */
export class DataPlaneClient {
  /** Rows for clients of HTTP. */
  readonly reads = new RowReads((number, read) => this.send({ type: "read", number, read }));
  private closing = false;
  private readonly watch: SilenceWatch;
  private exited: Promise<void>;
  private readonly reports = new Map<number, (report: ClientReport[] | object[]) => void>();
  private reportCount = 0;

  private constructor(
    private readonly worker: Worker,
    /** The port that the Flight server listens on. */
    readonly flightPort: number,
    heartbeat: Heartbeat,
    events: DataPlaneEvents,
    limits?: SilenceLimits,
  ) {
    this.watch = new SilenceWatch(
      heartbeat,
      {
        silent: (ms) => {
          this.settleReports();
          events.silent(ms);
        },
        over: (ms) => events.answersAgain(ms),
        lost: (ms) => this.lost(events, `it has taken no turn for ${Math.round(ms / 1000)} s`),
      },
      limits,
    );
    this.watch.start();
    worker.on("message", (message: FromDataPlane) => {
      if (message.type === "ended") {
        events.ended(message.stream, message.error === undefined ? undefined : CodedError.fromRecord(message.error));
      } else if (message.type === "learned") events.learned(message.stream, message.assets);
      else if (message.type === "skipped") events.skipped(message.stream, message.skips, message.count);
      else if (message.type === "traced") events.traced(message.stream, message.done, message.orderedUnixMs);
      else if (message.type === "get") events.get(message.facts);
      else if (message.type === "flightCall") events.flightCall(message.facts);
      else if (message.type === "client") events.client(message.event);
      else if (message.type === "log") events.logged(message.level, message.message, message.fields);
      else if (message.type === "ask") void this.answer(events, message.number, message.name, message.asked);
      else if (message.type === "read") this.reads.received(message.number, message.read);
      else if (message.type === "clients") this.reported(message.number, message.clients);
      else if (message.type === "streams") this.reported(message.number, message.streams);
    });
    worker.on("error", (thrown: Error) => this.lost(events, thrown.message));
    this.exited = new Promise((resolve) => {
      worker.on("exit", () => {
        resolve();
        this.settleReports();
        this.lost(events, "it exited");
      });
    });
  }

  /** Starts the Worker; resolves once its Flight server listens. @throws CodedError ADDRESS_IN_USE and the like */
  static async start(
    data: Omit<DataPlaneData, "heartbeat">,
    events: DataPlaneEvents,
    { entry, silence }: DataPlaneOptions = {},
  ): Promise<DataPlaneClient> {
    const heartbeat = Heartbeat.create();
    const worker = dataPlaneThread({ ...data, heartbeat: heartbeat.memory }, entry);
    const port = await new Promise<number>((resolve, reject) => {
      worker.once("message", (message: FromDataPlane) => {
        if (message.type === "listening") resolve(message.port);
        else if (message.type === "failedToListen") reject(CodedError.fromRecord(message.error));
      });
      worker.once("error", reject);
    });
    return new DataPlaneClient(worker, port, heartbeat, events, silence);
  }

  send(message: ToDataPlane): void {
    this.worker.postMessage(message);
  }

  /** How long the thread has taken no turn, once that is long enough to count. */
  get silenceMs(): number | undefined {
    return this.watch.silence;
  }

  /** Who reads a stream, and who has read it lately; nobody where the thread cannot say. */
  clientsOf(stream: number): Promise<ClientReport[]> {
    return this.report((number) => ({ type: "clientsOf", number, stream })) as Promise<ClientReport[]>;
  }

  /** Every open stream with its clients, as Flight's action `streams` gives them; none where the thread cannot say. */
  streams(): Promise<object[]> {
    return this.report((number) => ({ type: "streamsOf", number }));
  }

  /** Lets clients finish within the grace, then ends the Worker; one that is silent at once. */
  async close(graceMs: number): Promise<void> {
    this.closing = true;
    this.watch.stop();
    if (this.silenceMs !== undefined) {
      await this.worker.terminate();
      return;
    }
    const closed = new Promise<void>((resolve) => {
      this.worker.on("message", (message: FromDataPlane) => {
        if (message.type === "closed") resolve();
      });
    });
    this.send({ type: "close", graceMs });
    await Promise.race([closed, this.exited, new Promise((resolve) => setTimeout(resolve, graceMs + CLOSE_SLACK_MS))]);
    await this.worker.terminate();
  }

  private async answer(events: DataPlaneEvents, number: number, name: QuestionName, asked: unknown): Promise<void> {
    try {
      const answer = await events.asked(name, asked as Questions[typeof name]["asked"]);
      this.send({ type: "answer", number, answer });
    } catch (thrown) {
      this.send({ type: "answer", number, error: CodedError.from(thrown).toRecord() });
    }
  }

  private report(ask: (number: number) => ToDataPlane): Promise<ClientReport[] | object[]> {
    if (this.silenceMs !== undefined) return Promise.resolve([]);
    return new Promise((resolve) => {
      const number = ++this.reportCount;
      this.reports.set(number, resolve);
      this.send(ask(number));
    });
  }

  private reported(number: number, report: ClientReport[] | object[]): void {
    this.reports.get(number)?.(report);
    this.reports.delete(number);
  }

  private settleReports(): void {
    for (const settle of this.reports.values()) settle([]);
    this.reports.clear();
  }

  private lost(events: DataPlaneEvents, why: string): void {
    if (this.closing) return;
    this.closing = true;
    this.watch.stop();
    const error = new CodedError("INTERNAL", "DATA_PLANE_DIED", `the data-plane thread is lost: ${why}`);
    this.reads.failAll(error);
    events.died(error);
  }
}

const CLOSE_SLACK_MS = 2000; // over the grace: for the Worker's own clean-up
