/** Where a worker's time goes for one traced span, of which others may be decoded in between. */
import { unixNowMs } from "../base/unix-time.ts";
import type { SpanTrace } from "./records.ts";
import type { StageTimes } from "./stage-times.ts";

const STAGES = ["inflate", "decode", "encode", "outputWait"] as const;

/** Runs while the worker is at the span. */
export class SpanStopwatch {
  private readonly begunUnixMs = unixNowMs();
  private readonly stagesMs = { inflate: 0, decode: 0, encode: 0, outputWait: 0 };

  constructor(private readonly times: StageTimes) {}

  /** The worker takes the span up: what it has done until now is not the span's. */
  resume(): void {
    for (const stage of STAGES) this.stagesMs[stage] -= this.times.ownMs(stage);
  }

  /** The worker puts it down. */
  pause(): void {
    for (const stage of STAGES) this.stagesMs[stage] += this.times.ownMs(stage);
  }

  /** While it runs: the span is done. */
  read(): SpanTrace {
    this.pause();
    return { begunUnixMs: this.begunUnixMs, doneUnixMs: unixNowMs(), stagesMs: this.stagesMs };
  }
}
