/**
 * The consumer: one loop that reads a session, a partition or a range over Flight and commits rows and cursor together. The
 * server, the sink and this process may die at any instant: the next life asks the sink for its cursor and goes on there.
 */
import { backoffMs } from "../base/backoff.ts";
import { pause } from "../base/pause.ts";
import { counted } from "../base/text.ts";
import type { OutgoingTls } from "../config/tls-files.ts";
import { CodedError } from "../error.ts";
import { FlightClient, type ReceivedBatch } from "../flight-client/client.ts";
import { isPassing, RETRY_MS_MAX, RETRY_MS_MIN } from "../flight-client/passing.ts";
import { readAnywhere } from "../flight-client/read-anywhere.ts";
import { Locations } from "./locations.ts";
import { readerOf, type Selection, ticketFrom } from "./reader.ts";
import type { Sink, SinkProgress } from "./sink.ts";

const COMMIT_INTERVAL_MS = 5_000; // as the original's consumer
const COMMIT_ROWS = 1_000; // as the original's consumer …
const COMMIT_ROWS_MAX = 50_000; // … and so many while rows keep coming: a commit costs a database as much as hundreds of rows
const LULL_MS = 20; // with no further batch: rows have stopped coming
const COMMIT_BYTES = 64 << 20; // sinks may keep what is not committed in memory
const LAST_COMMIT_MS_MAX = 5_000; // a sink that stands still holds nobody up who wants to end

/** What has been committed. */
export interface ConsumerCommit extends SinkProgress {
  /** In this commit. */
  rows: number;
  /** Since `consume` was called. */
  rowsTotal: number;
  cursor: string;
  /** How far the last complete ledger's close is behind the clock. */
  lagSeconds: number;
  /** How long the sink took. */
  tookMs: number;
}

/** What `consume` is given. */
export interface ConsumeOptions {
  /** host:port of the Flight server. */
  address: string;
  selection: Selection;
  sink: Sink;
  /** Where the server asks who is calling: an API key or another bearer token, … */
  token?: string;
  /** … or a name with its password. */
  login?: { name: string; password: string };
  /** Absent: no TLS. */
  tls?: OutgoingTls;
  /** Rows wait for a commit no longer than this. Default 5 s. */
  commitIntervalMs?: number;
  /** A commit is due with this many rows, or with 64 MiB of them. Default 1000, or 50,000 while rows keep coming. */
  commitRows?: number;
  /** Tries in a row that may fail, with no commit in between, before the error is thrown. Default: no end of them. */
  retriesMax?: number;
  /** Ends the work after a last commit, for which a sink has 5 s; `consume` then resolves. */
  signal?: AbortSignal;
  /** The sink is open, at the first time and after each failure. */
  onOpen?(): void;
  onCommit?(commit: ConsumerCommit): void;
  /** The server or the sink has failed in a way that time may mend. */
  onRetry?(error: CodedError, waitMs: number): void;
}

/** What `consume` has done. */
export interface ConsumeResult {
  rows: number;
  commits: number;
  /** How often it began again. */
  retries: number;
  /** Behind the last row that is committed; undefined where there was nothing at all. */
  cursor: string | undefined;
  /** The signal has aborted, and the sink did not do its last commit in time: it may become durable, or not. */
  isCut: boolean;
}

/**
 * Reads until the stream's end, with everything committed, or until `signal` aborts.
 * @throws CodedError what the server or the sink says, where time does not mend it: at the first try whatever it is, and
 * after that all but UNAVAILABLE, broken connections, SLOW_CLIENT and RANGES_MAX
 */
export async function consume(options: ConsumeOptions): Promise<ConsumeResult> {
  const { signal = new AbortController().signal, retriesMax = Number.POSITIVE_INFINITY } = options;
  const consumer = new Consumer(options, signal);
  for (;;) {
    const error = await consumer.live();
    if (error === undefined || signal.aborted) return consumer.result;
    if (!consumer.hasBegun || !isPassing(error)) throw error;
    if (consumer.failures >= retriesMax) throw givenUp(error, retriesMax);
    const waitMs = backoffMs(consumer.failures, RETRY_MS_MIN, RETRY_MS_MAX);
    consumer.failed();
    options.onRetry?.(error, waitMs);
    await pause(waitMs, signal);
    if (signal.aborted) return consumer.result;
  }
}

class Consumer {
  readonly result: ConsumeResult = { rows: 0, commits: 0, retries: 0, cursor: undefined, isCut: false };
  /** Whether something has been read. */
  hasBegun = false;
  /** Since the last commit. */
  failures = 0;
  private rows = 0;
  private bytes = 0;
  private sinceMs = 0;
  private last: ReceivedBatch["metadata"] | undefined;
  private readonly locations = new Locations();

  constructor(
    private readonly options: ConsumeOptions,
    private readonly signal: AbortSignal,
  ) {}

  failed(): void {
    this.failures += 1;
    this.result.retries += 1;
  }

  /** From the sink's cursor to the stream's end. @returns what has ended it before that */
  async live(): Promise<CodedError | undefined> {
    const { address, selection, sink, token, login, tls } = this.options;
    const client = new FlightClient(address, { token, tls });
    this.forget();
    try {
      // a database that does not answer holds no Ctrl-C up
      const cursor = await orAborted(async () => sink.open(readerOf(selection)), this.signal, 0);
      if (this.signal.aborted) return undefined;
      this.result.cursor = cursor;
      this.options.onOpen?.();
      if (login !== undefined) {
        const loggedIn = client.login(login.name, login.password, this.signal);
        // where this one is away, other nodes take the password too
        await (this.locations.areKnown ? loggedIn.catch(() => {}) : loggedIn);
      }
      const ticket = ticketFrom(selection, cursor ?? "start");
      const locations = await this.locations.of(client, ticket, this.signal);
      const read = async () => {
        await this.read(readAnywhere(client, { ticket, locations }, this.signal));
        return true;
      };
      this.result.isCut = (await orAborted(read, this.signal, LAST_COMMIT_MS_MAX)) === undefined;
      return undefined;
    } catch (thrown) {
      return CodedError.from(thrown);
    } finally {
      client.close();
      await sink.close();
    }
  }

  /** One batch is asked for while the one before it is written, and no more: a slow sink holds the server back. */
  private async read(batches: AsyncGenerator<ReceivedBatch>): Promise<void> {
    try {
      for (let next = nextOf(batches); ; ) {
        const step = await this.orDue(next);
        if (step === undefined) {
          await this.commit();
          continue;
        }
        if (step.done) break;
        next = nextOf(batches);
        await this.take(step.value);
      }
      await this.commit();
      this.hasBegun = true; // an empty stream, too
      if (!this.signal.aborted) await this.options.sink.finish?.();
    } finally {
      void batches.return(undefined).catch(() => {}); // the call is over, or was given up
    }
  }

  private async take(batch: ReceivedBatch): Promise<void> {
    this.hasBegun = true;
    if (this.last === undefined) this.sinceMs = performance.now();
    if (batch.table.numRows > 0) await this.options.sink.write(batch);
    this.last = batch.metadata;
    this.rows += batch.table.numRows;
    this.bytes += batch.bytes;
    const { commitRows = COMMIT_ROWS_MAX } = this.options;
    if (this.rows >= commitRows || this.bytes >= COMMIT_BYTES || this.dueInMs() <= 0) await this.commit();
  }

  /** What comes first: the next batch, or undefined where a commit is due. */
  private async orDue<T>(next: Promise<T>): Promise<T | undefined> {
    if (this.last === undefined) return next;
    const waiting = new AbortController();
    const due = pause(this.patienceMs(), waiting.signal).then(() => undefined);
    try {
      return await Promise.race([next, due]);
    } finally {
      waiting.abort();
    }
  }

  /** How long to wait for a further batch before a commit. */
  private patienceMs(): number {
    const isEnough = this.options.commitRows === undefined && this.rows >= COMMIT_ROWS;
    return Math.max(0, Math.min(this.dueInMs(), isEnough ? LULL_MS : Number.POSITIVE_INFINITY));
  }

  private dueInMs(): number {
    const { commitIntervalMs = COMMIT_INTERVAL_MS } = this.options;
    return this.sinceMs + commitIntervalMs - performance.now();
  }

  private async commit(): Promise<void> {
    const { last, rows, result } = this;
    if (last === undefined) return;
    const { cursor, ledger_complete: ledgerComplete, closed_at: closedAtUnixSeconds } = last;
    const begun = performance.now();
    await this.options.sink.commit(cursor, { ledgerComplete, closedAtUnixSeconds });
    this.forget();
    this.failures = 0;
    result.rows += rows;
    result.commits += 1;
    result.cursor = cursor;
    this.options.onCommit?.({
      rows,
      rowsTotal: result.rows,
      cursor,
      ledgerComplete,
      closedAtUnixSeconds,
      lagSeconds: Math.max(0, Date.now() / 1000 - closedAtUnixSeconds),
      tookMs: performance.now() - begun,
    });
  }

  private forget(): void {
    this.last = undefined;
    this.rows = 0;
    this.bytes = 0;
  }
}

/** The next step; it may fail while nobody waits for it, and is waited for later. */
function nextOf<T>(batches: AsyncGenerator<T>): Promise<IteratorResult<T>> {
  const next = batches.next();
  next.catch(() => {});
  return next;
}

/** What `work` gives, or undefined where it has given nothing `graceMs` after `signal` aborts. */
function orAborted<T>(work: () => Promise<T>, signal: AbortSignal, graceMs: number): Promise<T | undefined> {
  const over = new AbortController();
  return new Promise((resolve, reject) => {
    const abort = (): void => void pause(graceMs, over.signal).then(() => resolve(undefined));
    signal.addEventListener("abort", abort);
    over.signal.addEventListener("abort", () => signal.removeEventListener("abort", abort));
    void work()
      .then(resolve, reject)
      .finally(() => over.abort());
    if (signal.aborted) abort();
  });
}

function givenUp(error: CodedError, retriesMax: number): CodedError {
  const { code, reason, message } = error;
  const failures = counted(retriesMax + 1, "failure");
  const sentence = `${message}; given up after ${failures} with no commit in between (MAX_RETRIES ${retriesMax})`;
  return CodedError.received(code, reason, sentence, { cause: error });
}
