/** Bearer tokens that Handshake gives for a name and a password. They are kept in memory, by their hash. */
import { randomBytes } from "node:crypto";
import { sha256 } from "./api-keys.ts";
import type { Proof } from "./grant.ts";

const TOKEN_BYTES = 32; // 256 bits: not to be guessed

interface TokenOptions {
  /** How long a token is valid. */
  tokenTtlMs: number;
  /** Valid tokens of one name; the oldest makes room, and nobody else's. */
  tokensMax: number;
  nowMs?: () => number;
}

/** Knows who has logged in. */
export class HandshakeTokens {
  /** By hash, so that the time of a look-up says nothing about a token. */
  private readonly tokens = new Map<string, Proof & { expiresMs: number }>();
  /** Hashes of each name's tokens, oldest first. */
  private readonly issued = new Map<string, Set<string>>();
  private readonly nowMs: () => number;

  constructor(private readonly options: TokenOptions) {
    this.nowMs = options.nowMs ?? Date.now;
  }

  /** A new token for the name, for as long as its password stands in its file. */
  issue({ name, line }: Proof): string {
    const token = randomBytes(TOKEN_BYTES).toString("base64url");
    const hash = sha256(token);
    const issued = this.issued.get(name) ?? new Set();
    this.issued.set(name, issued.add(hash));
    this.tokens.set(hash, { name, line, expiresMs: this.nowMs() + this.options.tokenTtlMs });
    if (issued.size > this.options.tokensMax) this.forget(issued.values().next().value!);
    return token;
  }

  /** Whose token has that hash; undefined where there is none, or it has expired. */
  proofOf(hash: string): Proof | undefined {
    const known = this.tokens.get(hash);
    if (known !== undefined && known.expiresMs >= this.nowMs()) return { name: known.name, line: known.line };
    this.forget(hash);
    return undefined;
  }

  /** Forgets the tokens whose password has been taken back. */
  keep(holds: (proof: Proof) => boolean): void {
    for (const [hash, token] of this.tokens) if (!holds(token)) this.forget(hash);
  }

  private forget(hash: string): void {
    const known = this.tokens.get(hash);
    if (known === undefined) return;
    this.tokens.delete(hash);
    this.issued.get(known.name)!.delete(hash);
  }
}
