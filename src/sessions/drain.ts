/** How a stop brings a session's stream to rest: by draining it, or by dropping what is not delivered yet. */
import type { EngineStream } from "../engine/engine-stream.ts";
import { CodedError } from "../error.ts";
import type { Reason } from "../reasons/registry.ts";
import type { StopOptions } from "./session-service.ts";

const DRAIN_MS = 10_000; // what has been read is decoded in far less; longer means that something is stuck
const CLIENTS_POLL_MS = 10; // while a stop waits for clients
const DROPPED = "the session was stopped, and what was not delivered is dropped";
const LATE = Symbol("late");

/** How a drain has ended. */
interface Drained {
  /** The error with which the stream failed on its own. */
  error: CodedError | undefined;
  /** Why the drain was cut short; absent where all that was read is decoded. The clients were ended with this error. */
  cut: CodedError | undefined;
}

/** One stop of one stream. `run` is called once; `dropRest` may be called at any time meanwhile. */
export class Drain {
  /** What was not delivered when the stream ended is dropped. */
  private dropped: boolean;
  private signal: () => void = () => {};
  private readonly cutShort = new Promise<typeof LATE>((resolve) => {
    this.signal = () => resolve(LATE);
  });
  private readonly waitMs: number;
  private readonly deadlineMs: number;

  /** @param endsOnPurpose called before a failure of the stream that is no error of the session */
  constructor(
    private readonly stream: EngineStream,
    { mode = "drain", deadlineMs = 0 }: StopOptions,
    private readonly endsOnPurpose: () => void,
  ) {
    this.dropped = mode === "drop";
    this.deadlineMs = deadlineMs;
    this.waitMs = deadlineMs || DRAIN_MS;
  }

  /** Drops what is left instead of waiting for it. */
  dropRest(): void {
    this.dropped = true;
    this.signal();
  }

  /** Stops the stream at once; resolves when it is over and its clients, where a deadline was given, have all. */
  async run(): Promise<Drained> {
    const { stream, waitMs } = this;
    if (this.dropped) return this.cut("");
    const untilMs = performance.now() + waitMs;
    stream.stop();
    const over = await Promise.race([within(stream.over, untilMs), this.cutShort]);
    if (over === LATE) return this.cut(`what was read was not decoded within ${waitMs} ms`);
    return { error: over, cut: await this.deliver(untilMs) };
  }

  /** Ends the stream with an error for its clients. */
  private async cut(why: string): Promise<Drained> {
    const cut = this.reasonOfCut(why);
    this.endsOnPurpose();
    this.stream.fail(cut);
    const error = await this.stream.over;
    return { error: error?.reason === cut.reason ? undefined : error, cut };
  }

  /** Waits for clients, only where a deadline was given: a client that does not read may take for ever. */
  private async deliver(untilMs: number): Promise<CodedError | undefined> {
    const { stream, deadlineMs } = this;
    const waits = () => deadlineMs > 0 && stream.cell.get("clients") > 0;
    while (waits() && !this.dropped && performance.now() < untilMs) {
      await new Promise((resolve) => setTimeout(resolve, CLIENTS_POLL_MS));
    }
    if (!waits()) return undefined;
    const cut = this.reasonOfCut(`not all was delivered within ${deadlineMs} ms`);
    stream.fail(cut);
    return cut;
  }

  private reasonOfCut(why: string): CodedError {
    return this.dropped ? cancelled("SESSION_DROPPED", DROPPED) : cancelled("STOP_DEADLINE", why);
  }
}

function cancelled(reason: Reason, why: string): CodedError {
  return new CodedError(
    "CANCELLED",
    reason,
    `${why}: ResumeSession goes on with it, and the cursor of the last batch (in the trailers too) with reading`,
  );
}

/** The promise's value, or LATE when the monotonic time `untilMs` comes first. */
async function within<T>(promise: Promise<T>, untilMs: number): Promise<T | typeof LATE> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<typeof LATE>((resolve) => {
    timer = setTimeout(() => resolve(LATE), Math.max(0, untilMs - performance.now()));
  });
  const first = await Promise.race([promise, late]);
  clearTimeout(timer);
  return first;
}
