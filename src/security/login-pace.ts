/**
 * Slows down who tries passwords. After a wrong one the next attempt of that address at that name waits, longer each time
 * and never longer than DELAY_MS_MAX; an address that has failed often, under whatever names, waits too. Nobody is locked
 * out: an attempt at the same name from another address waits for nothing, and one from the same address gets its turn.
 */
import { createHash } from "node:crypto";
import { CodedError } from "../error.ts";

const DELAY_MS_FIRST = 100; // doubled with each failure
const DELAY_MS_MAX = 2_000; // a person who has mistyped waits that long
const FREE_FAILURES_OF_PEER = 10; // many people may share an address
const FORGET_MS = 600_000;
const ENTRIES_MAX = 20_000; // of some 100 bytes; the oldest makes room
const ATTEMPTS_OF_PEER_MAX = 8; // at once, those that wait included
const ATTEMPTS_MAX = 64;
const CHECKS_MAX = 2; // at once: each takes 19 MiB and a core

interface Failures {
  count: number;
  lastMs: number;
}

/** The pace of one listener. */
export class LoginPace {
  /** By address, and by address and name; oldest first. */
  private readonly failures = new Map<string, Failures>();
  private readonly attempts = new Map<string, number>();
  /** The end of the newest attempt by address and name. */
  private readonly turns = new Map<string, Promise<unknown>>();
  private attemptCount = 0;
  private checks = 0;
  private readonly waiting: (() => void)[] = [];

  constructor(private readonly nowMs: () => number = () => performance.now()) {}

  /**
   * Runs `check` when it is its turn.
   * @param address of the client, without its port
   * @returns what `check` gives: undefined where the password is wrong
   * @throws CodedError RESOURCE_EXHAUSTED / LOGINS_MAX
   */
  async attempt<T>(address: string, name: string, check: () => Promise<T | undefined>): Promise<T | undefined> {
    const ofPeer = this.attempts.get(address) ?? 0;
    if (ofPeer >= ATTEMPTS_OF_PEER_MAX || this.attemptCount >= ATTEMPTS_MAX) {
      throw new CodedError(
        "RESOURCE_EXHAUSTED",
        "LOGINS_MAX",
        `${ofPeer} passwords of ${address} and ${this.attemptCount} in all are being checked, and ${ATTEMPTS_OF_PEER_MAX} and ${ATTEMPTS_MAX} is the limit: try again, and send a token in place of the password`,
      );
    }
    this.attempts.set(address, ofPeer + 1);
    this.attemptCount++;
    // A name may be long, and is a stranger's.
    const key = `${address} ${createHash("sha256").update(name).digest("base64")}`;
    const turn = (this.turns.get(key) ?? Promise.resolve()).then(() => this.run(address, key, check));
    const over = turn.catch(() => {});
    this.turns.set(key, over);
    try {
      return await turn;
    } finally {
      if (this.turns.get(key) === over) this.turns.delete(key);
      const left = this.attempts.get(address)! - 1;
      if (left === 0) this.attempts.delete(address);
      else this.attempts.set(address, left);
      this.attemptCount--;
    }
  }

  /** One attempt of an address at a name, after the ones before it. */
  private async run<T>(address: string, key: string, check: () => Promise<T | undefined>): Promise<T | undefined> {
    const delayMs = this.delayMs(address, key);
    if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs));
    if (this.checks >= CHECKS_MAX) await new Promise<void>((resolve) => this.waiting.push(resolve));
    else this.checks++;
    try {
      const right = await check();
      if (right !== undefined) this.failures.delete(key);
      else for (const each of [key, address]) this.failed(each);
      return right;
    } finally {
      const next = this.waiting.shift(); // it has this one's place
      if (next === undefined) this.checks--;
      else next();
    }
  }

  private delayMs(address: string, key: string): number {
    const failed = Math.max(this.count(key), this.count(address) - FREE_FAILURES_OF_PEER);
    return failed <= 0 ? 0 : Math.min(DELAY_MS_MAX, DELAY_MS_FIRST * 2 ** (failed - 1));
  }

  private count(key: string): number {
    const known = this.failures.get(key);
    return known === undefined || this.nowMs() - known.lastMs > FORGET_MS ? 0 : known.count;
  }

  private failed(key: string): void {
    const count = this.count(key) + 1;
    this.failures.delete(key);
    this.failures.set(key, { count, lastMs: this.nowMs() });
    if (this.failures.size > ENTRIES_MAX) this.failures.delete(this.failures.keys().next().value!);
  }
}
