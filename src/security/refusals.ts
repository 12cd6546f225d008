/** Counts what a gate refuses, and writes it to the log, so many lines a while: strangers must not fill a disk. */
import { shortened } from "../base/text.ts";
import { API_KEY_PREFIX } from "./api-keys.ts";
import type { Refusal } from "./gate.ts";

const LINES_MAX = 20; // in LINES_MS, for each listener
const LINES_MS = 10_000;
const NAME_LENGTH_MAX = 64; // longer ones are no names of ours
const TOKEN_LIKE = new RegExp(`^(${API_KEY_PREFIX}|eyJ)`); // an API key or a JWT in the place of a name

/** Refusals so far; they never fall. */
export interface RefusalCounts {
  unauthenticated: number;
  denied: number;
}

/** The refusals of one listener. */
export class Refusals {
  readonly counts: RefusalCounts = { unauthenticated: 0, denied: 0 };
  private windowMs = Number.NEGATIVE_INFINITY;
  private lines = 0;
  private unwritten = 0;

  /** @param warn writes a line */
  constructor(
    private readonly listener: string,
    private readonly warn: (message: string, fields: Record<string, string>) => void,
    private readonly nowMs: () => number = () => performance.now(),
  ) {}

  readonly told = ({ path, peer, name, error }: Refusal): void => {
    this.counts[error.code === "PERMISSION_DENIED" ? "denied" : "unauthenticated"]++;
    const nowMs = this.nowMs();
    if (nowMs - this.windowMs >= LINES_MS) {
      this.windowMs = nowMs;
      this.lines = 0;
    }
    if (this.lines >= LINES_MAX) {
      this.unwritten++;
      return;
    }
    this.lines++;
    const fields: Record<string, string> = { listener: this.listener, call: path, peer, reason: error.reason };
    if (name !== undefined) fields.name = TOKEN_LIKE.test(name) ? "[hidden]" : shortened(name, NAME_LENGTH_MAX);
    if (this.unwritten > 0) fields.unwritten = String(this.unwritten);
    this.unwritten = 0;
    this.warn(error.code === "PERMISSION_DENIED" ? "a caller may not do that" : "a caller is not known", {
      ...fields,
      why: error.message,
    });
  };
}
