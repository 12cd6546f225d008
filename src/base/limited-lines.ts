/** Complaints of libraries, for the log: short, printable, and few. */
import { shortened } from "./text.ts";

const LINE_LENGTH_MAX = 300; // characters; what is wrong, and with what, stands in the first hundred
const LINES_A_MINUTE_MAX = 10; // enough to notice; others decide how many there would be
const MINUTE_MS = 60_000;

/**
 * A function that takes a complaint and gives it to `write`, shortened, with control characters escaped, and at most
 * LINES_A_MINUTE_MAX of them a minute; the first of the next minute says how many were left out.
 * @param who whose complaints they are
 */
export function limitedLines(
  who: string,
  write: (line: string) => void,
  nowMs: () => number = () => performance.now(),
): (...parts: unknown[]) => void {
  let minuteMs = Number.NEGATIVE_INFINITY;
  let lines = 0;
  return (...parts) => {
    if (nowMs() - minuteMs >= MINUTE_MS) {
      const left = lines - LINES_A_MINUTE_MAX;
      if (left > 0) write(`${left} more complaints of ${who} were left out`);
      minuteMs = nowMs();
      lines = 0;
    }
    lines += 1;
    if (lines > LINES_A_MINUTE_MAX) return;
    const text = shortened(parts.map(String).join(" "), LINE_LENGTH_MAX);
    write(text.replace(/\p{Cc}/gu, (control) => `\\x${control.charCodeAt(0).toString(16).padStart(2, "0")}`));
  };
}
