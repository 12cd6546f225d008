/** What `doctor` says of one thing that it has looked at. */

/** ok: as it should be; note: worth knowing, and the server works with it; trouble: it has to be mended. */
type FindingState = "ok" | "note" | "trouble";

/** One line of `doctor`. */
export interface Finding {
  /** The setting that names what was looked at. */
  subject: string;
  state: FindingState;
  /** A sentence: what is there, or what is wrong and what to do. */
  detail: string;
}

const WIDTH = 8; // of the longest state, and a space

/** As a person reads it. */
export function findingText({ subject, state, detail }: Finding): string {
  return `${state.padEnd(WIDTH)}${subject}: ${detail}\n`;
}
