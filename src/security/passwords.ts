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
  private readonly plain: ReadonlyMap<string, Buffer>;
  private readonly slow = new Map<string, string[]>();
  /** Pairs that were right, by a keyed hash that is worth nothing elsewhere: a slow check is for the first call. */
  private readonly proved = new Set<string>();
  /** Checks under way by address and pair: calls that a client makes side by side share one. */
  private readonly pending = new Map<string, Promise<boolean>>();
  private readonly proofKey = randomBytes(32);
  private readonly pace: LoginPace;

  /**
   * @param credentials of FLIGHT_CREDENTIALS
   * @param hashes of PASSWORDS_FILE
   */
  constructor(
    credentials: readonly Credential[],
    private readonly hashes: readonly PasswordHash[] = [],
    nowMs?: () => number,
  ) {
    this.plain = new Map(credentials.map(({ name, passwordSha256 }) => [name, Buffer.from(passwordSha256, "hex")]));
    for (const { name, hash } of hashes) this.slow.set(name, [...(this.slow.get(name) ?? []), hash]);
    this.pace = new LoginPace(nowMs);
  }

  /**
   * Resolves where the password is right.
   * @param address of the client, without its port
   * @throws CodedError UNAUTHENTICATED / CREDENTIALS, RESOURCE_EXHAUSTED / LOGINS_MAX
   */
  async check(login: Login, address: string): Promise<void> {
    const proof = createHmac("sha256", this.proofKey).update(`${login.name}:${login.password}`).digest("base64");
    if (this.proved.has(proof)) return;
    const key = `${address} ${proof}`;
    let right = this.pending.get(key);
    if (right === undefined) {
      right = this.pace.attempt(address, login.name, () => this.isRight(login)).finally(() => this.pending.delete(key));
      this.pending.set(key, right);
    }
    if (!(await right)) throw refusal("no such name and password");
    this.proved.add(proof);
    if (this.proved.size > PROVED_MAX) this.proved.delete(this.proved.values().next().value!);
  }

  /** What is not known is compared all the same, so that time does not tell which names exist. */
  private async isRight({ name, password }: Login): Promise<boolean> {
    const sent = Buffer.from(sha256(password), "hex");
    const known = this.plain.get(name);
    let right = timingSafeEqual(sent, known ?? Buffer.alloc(sent.length)) && known !== undefined;
    const [first] = this.hashes;
    if (first === undefined) return right;
    const hashes = this.slow.get(name);
    for (const hash of hashes ?? [first.hash]) {
      const matches = await Bun.password.verify(password, hash).catch(() => false); // an empty one is refused there
      if (matches && hashes !== undefined) right = true;
    }
    return right;
  }
}
