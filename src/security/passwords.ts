/** Names and passwords, compared in a time that says nothing about them. */
import { timingSafeEqual } from "node:crypto";
import type { Credential } from "../config/credentials.ts";
import { sha256 } from "./api-keys.ts";
import { type Login, refusal } from "./call-credentials.ts";

/** Knows whose password is right. */
export class Passwords {
  private readonly hashes: ReadonlyMap<string, Buffer>;

  constructor(credentials: readonly Credential[]) {
    this.hashes = new Map(credentials.map(({ name, passwordSha256 }) => [name, Buffer.from(passwordSha256, "hex")]));
  }

  /** @throws CodedError UNAUTHENTICATED / CREDENTIALS */
  check({ name, password }: Login): void {
    const known = this.hashes.get(name);
    const sent = Buffer.from(sha256(password), "hex");
    // compared in any case, so that time does not tell which names exist
    if (!timingSafeEqual(sent, known ?? Buffer.alloc(sent.length)) || known === undefined) {
      throw refusal("no such name and password");
    }
  }
}
