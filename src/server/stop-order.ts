/** How the server's parts are ended: in an order, within one grace. */
import type { Logger } from "../ops/log.ts";

/** Ends one part of the server, within the grace where it has clients. */
type StopStep = (graceMs: number) => Promise<unknown>;

/** Collects what has to be ended, as parts are started. */
export class StopOrder {
  /** First, so that streams come to their end. */
  readonly sessions: StopStep[] = [];
  readonly workers: StopStep[] = [];
  /** Side by side: clients of one must not use up the grace of the other. */
  readonly listeners: StopStep[] = [];
  /** Last: HTTP says until then that the server is shutting down. */
  readonly ops: StopStep[] = [];

  constructor(private readonly log: Logger) {}

  /** Ends everything that was started; a step that fails is logged. Each step is run once. */
  async run(graceMs: number): Promise<void> {
    const deadline = performance.now() + graceMs;
    for (const steps of [this.sessions, this.workers, this.listeners, this.ops]) {
      const leftMs = Math.max(0, deadline - performance.now());
      await Promise.all(steps.splice(0).map((step) => step(leftMs).catch((error) => this.log.warn("stop", { error }))));
    }
  }
}

/** Resolves with the work, or without it when the time is up. */
export async function within(work: Promise<unknown>, ms: number): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([work, late]);
  clearTimeout(timer);
}
