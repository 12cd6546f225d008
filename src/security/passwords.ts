/** Names and passwords, compared in a time that says nothing about them. */
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import type { Credential } from "../config/credentials.ts";
import { sha256 } from "./api-keys.ts";
import { type Login, refusal } from "./call-credentials.ts";
import { LoginPace } from "./login-pace.ts";
import type { PasswordHash } from "./password-hashes.ts";

const PROVED_MAX = 1000; // clients that send name and password with each call; others log in

/** Knows whose password is right. */
export class Passwords {
  private plain: ReadonlyMap<string, string> = new Map();
  private slow: ReadonlyMap<string, readonly string[]> = new Map();
  /** Pairs that were right, by a keyed hash that is worth nothing elsewhere: a slow check is for the first call. */
  private readonly proved = new Map<string, { name: string; line: string }>();
  /** Checks under way by address and pair: calls that a client makes side by side share one. */
  private readonly pending = new Map<string, Promise<string | undefined>>();
  private readonly proofKey = randomBytes(32);
  private readonly pace: LoginPace;

  /**
   * @param credentials of FLIGHT_CREDENTIALS
   * @param hashes of PASSWORDS_FILE
   */
  constructor(credentials: readonly Credential[], hashes: readonly PasswordHash[] = [], nowMs?: () => number) {
    this.pace = new LoginPace(nowMs);
    this.use(credentials, hashes);
  }

  /** Other passwords from now on. What was proved by one that is still there goes on to be. */
  use(credentials: readonly Credential[], hashes: readonly PasswordHash[]): void {
    this.plain = new Map(credentials.map(({ name, passwordSha256 }) => [name, passwordSha256]));
    const slow = new Map<string, string[]>();
    for (const { name, hash } of hashes) slow.set(name, [...(slow.get(name) ?? []), hash]);
    this.slow = slow;
    for (const [pair, { name, line }] of this.proved) {
      if (!this.has(name, line)) this.proved.delete(pair);
    }
  }

  private has(name: string, line: string): boolean {
    return this.plain.get(name) === line || this.slow.get(name)?.includes(line) === true;
  }

  /**
   * Resolves where the password is right, with the hash of the line that has it.
   * @param address of the client, without its port
   * @throws CodedError UNAUTHENTICATED / CREDENTIALS, RESOURCE_EXHAUSTED / LOGINS_MAX
   */
  async check(login: Login, address: string): Promise<string> {
    const pair = createHmac("sha256", this.proofKey).update(`${login.name}:${login.password}`).digest("base64");
    const known = this.proved.get(pair);
    if (known !== undefined) return known.line;
    const key = `${address} ${pair}`;
    let right = this.pending.get(key);
    if (right === undefined) {
      right = this.pace.attempt(address, login.name, () => this.lineOf(login)).finally(() => this.pending.delete(key));
      this.pending.set(key, right);
    }
    const line = await right;
    if (line === undefined || !this.has(login.name, line)) throw refusal("no such name and password");
    this.proved.set(pair, { name: login.name, line });
    if (this.proved.size > PROVED_MAX) this.proved.delete(this.proved.keys().next().value!);
    return line;
  }

  /**
   * The hash of the line that has the password; undefined where none has. What is not known is compared all the same, so
   * that time does not tell which names exist.
   */
  private async lineOf({ name, password }: Login): Promise<string | undefined> {
    const { plain, slow } = this;
    const sent = Buffer.from(sha256(password), "hex");
    const known = plain.get(name);
    let line = timingSafeEqual(sent, known === undefined ? Buffer.alloc(sent.length) : Buffer.from(known, "hex"))
      ? known
      : undefined;
    const [first] = slow.values();
    if (first === undefined) return line;
    const hashes = slow.get(name);
    for (const hash of hashes ?? first.slice(0, 1)) {
      const matches = await Bun.password.verify(password, hash).catch(() => false); // an empty one is refused there
      if (matches && hashes !== undefined) line = hash;
    }
    return line;
  }
}
