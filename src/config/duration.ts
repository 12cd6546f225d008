/** Durations in Go's notation (time.ParseDuration), as the environment has them: `5s`, `1m30s`, `500ms`. */

const UNIT_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3, // U+00B5, micro sign
  μs: 1e-3, // U+03BC, Greek letter mu
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};
/** The longest time that most settings accept. */
export const DAY_MS = 86_400_000;

const PART = /(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)/gy;

/** Milliseconds, perhaps with a fraction; undefined where the text is no duration. A sign is allowed, as in Go. */
export function parseDurationMs(text: string): number | undefined {
  const sign = text.startsWith("-") ? -1 : 1;
  const body = text.replace(/^[+-]/, "");
  if (body === "0") return 0;
  let totalMs = 0;
  let end = 0;
  for (const match of body.matchAll(PART)) {
    totalMs += Number(match[1]) * (UNIT_MS[match[2] ?? ""] ?? 0);
    end = match.index + match[0].length;
  }
  if (end === 0 || end !== body.length) return undefined;
  return sign * totalMs;
}

/** The shortest usual spelling: 90000 → `1m30s`, 500 → `500ms`. */
export function formatDuration(durationMs: number): string {
  if (durationMs < 0) return `-${formatDuration(-durationMs)}`;
  if (durationMs === 0) return "0s";
  if (durationMs < 1000) return `${durationMs}ms`;
  const hours = Math.floor(durationMs / UNIT_MS.h!);
  const minutes = Math.floor((durationMs % UNIT_MS.h!) / UNIT_MS.m!);
  const seconds = (durationMs % UNIT_MS.m!) / 1000;
  return `${hours ? `${hours}h` : ""}${minutes ? `${minutes}m` : ""}${seconds ? `${seconds}s` : ""}`;
}
