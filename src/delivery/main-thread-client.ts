/**
 * The data plane's questions to the main thread: request and reply over the Worker's messages. What the main thread
 * posts before an answer has arrived before it, so a stream whose number is the answer is open by then.
 */
import { CodedError, type ErrorRecord } from "../error.ts";
import type { FromDataPlane, QuestionName, Questions } from "../threads/data-plane-messages.ts";

const PENDING_MAX = 8192; // far more calls than one process can serve; a main thread that is stuck shows here

interface Pending {
  resolve(answer: unknown): void;
  reject(error: CodedError): void;
}

/** Asks the main thread, and hands its answers to whoever asked. */
export class MainThread {
  private readonly pending = new Map<number, Pending>();
  private count = 0;

  constructor(private readonly post: (message: FromDataPlane) => void) {}

  /** @throws CodedError as the question says, RESOURCE_EXHAUSTED */
  ask<N extends QuestionName>(name: N, asked: Questions[N]["asked"]): Promise<Questions[N]["answer"]> {
    if (this.pending.size >= PENDING_MAX) {
      throw new CodedError(
        "RESOURCE_EXHAUSTED",
        "QUESTIONS_MAX",
        `${this.pending.size} requests wait for the main thread, and ${PENDING_MAX} is the limit: try again`,
      );
    }
    const number = ++this.count;
    return new Promise((resolve, reject) => {
      this.pending.set(number, { resolve: resolve as Pending["resolve"], reject });
      this.post({ type: "ask", number, name, asked });
    });
  }

  answered(number: number, answer: unknown, error: ErrorRecord | undefined): void {
    const pending = this.pending.get(number);
    this.pending.delete(number);
    if (error === undefined) pending?.resolve(answer);
    else pending?.reject(CodedError.fromRecord(error));
  }
}
