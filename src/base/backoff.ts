/**
 * How long to wait before try `attempt` (from 0): doubled each time from `msMin` to `msMax`, of which a random half is
 * left out, so that many clients of one source do not come back at the same instant.
 */
export function backoffMs(attempt: number, msMin: number, msMax: number, random: () => number = Math.random): number {
  const full = Math.min(msMin * 2 ** Math.min(attempt, 30), msMax);
  return full * (0.5 + random() / 2);
}
