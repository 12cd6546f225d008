/** Bearer tokens that Handshake gives for a name and a password. They are kept in memory, by their hash. */
import { randomBytes } from "node:crypto";
import { sha256 } from "./api-keys.ts";

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
  private readonly tokens = new Map<string, { name: string; expiresMs: number }>();
  /** Hashes of each name's tokens, oldest first. */
  private readonly issued = new Map<string, Set<string>>();
  private readonly nowMs: () => number;

  constructor(private readonly options: TokenOptions) {
    this.nowMs = options.nowMs ?? Date.now;
  }

  /** A new token for the name. */
  issue(name: string): string {
    const token = randomBytes(TOKEN_BYTES).toString("base64url");
    const hash = sha256(token);
    const issued = this.issued.get(name) ?? new Set();
    this.issued.set(name, issued.add(hash));
    this.tokens.set(hash, { name, expiresMs: this.nowMs() + this.options.tokenTtlMs });
    if (issued.size > this.options.tokensMax) this.forget(issued.values().next().value!);
    return token;
  }

  /** Whose token has that hash; undefined where there is none, or it has expired. */
  nameOf(hash: string): string | undefined {
    const known = this.tokens.get(hash);
    if (known !== undefined && known.expiresMs >= this.nowMs()) return known.name;
    this.forget(hash);
    return undefined;
  }

  private forget(hash: string): void {
    const known = this.tokens.get(hash);
    if (known === undefined) return;
    this.tokens.delete(hash);
    this.issued.get(known.name)!.delete(hash);
  }
}
