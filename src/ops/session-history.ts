/** Rate and lag of sessions over the last hour, in memory of a fixed size. */
import type { SessionSnapshot } from "../sessions/session-service.ts";

const STEP_MS = 10_000;
const POINTS = 360; // an hour
const SESSIONS_MAX = 200; // as many as the metrics show; 3 KiB each

interface Series {
  rates: Float32Array;
  lags: Float32Array;
}

/** What the console draws. Lists are of the same length, the newest point last; a session that is new has fewer. */
export interface History {
  stepSeconds: number;
  /** By session: rows a second, and the age of its current ledger in seconds. */
  sessions: Record<string, { rates: number[]; lags: number[] }>;
}

/** Looks at the sessions every 10 s, and remembers an hour of that. */
export class SessionHistory {
  private readonly series = new Map<string, Series>();
  /** Points that each has, at most POINTS. */
  private readonly counts = new Map<string, number>();
  private readonly timer: ReturnType<typeof setInterval>;

  /** @param list newest first */
  constructor(private readonly list: () => readonly SessionSnapshot[]) {
    this.timer = setInterval(() => this.look(), STEP_MS);
    this.timer.unref();
  }

  /** Adds a point to each session. */
  look(): void {
    const shown = this.list().slice(0, SESSIONS_MAX);
    const ids = new Set(shown.map(({ id }) => id));
    for (const id of [...this.series.keys()].filter((each) => !ids.has(each))) {
      this.series.delete(id);
      this.counts.delete(id);
    }
    for (const { id, ratePerSecond, lagSeconds } of shown) {
      const series = this.series.get(id) ?? { rates: new Float32Array(POINTS), lags: new Float32Array(POINTS) };
      this.series.set(id, series);
      this.counts.set(id, Math.min(POINTS, (this.counts.get(id) ?? 0) + 1));
      push(series.rates, ratePerSecond);
      push(series.lags, lagSeconds);
    }
  }

  read(): History {
    const last = (points: Float32Array, count: number) =>
      Array.from(points.subarray(POINTS - count), (point) => Math.round(point * 10) / 10);
    const sessions = [...this.series].map(([id, { rates, lags }]) => {
      const count = this.counts.get(id) ?? 0;
      return [id, { rates: last(rates, count), lags: last(lags, count) }] as const;
    });
    return { stepSeconds: STEP_MS / 1000, sessions: Object.fromEntries(sessions) };
  }

  close(): void {
    clearInterval(this.timer);
  }
}

function push(points: Float32Array, point: number): void {
  points.copyWithin(0, 1);
  points[POINTS - 1] = point;
}
