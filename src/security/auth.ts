/**
 * Credentials of Flight clients: a name and a password become a bearer token. Clients send them in one of two ways,
 * and get the token back the same way:
 *
 * - header `authorization: Basic …` on Handshake (pyarrow's authenticate_basic_token, JDBC, ADBC); the answer's header
 *   is `authorization: Bearer <token>`
 * - a BasicAuth message as Handshake's payload (Flight's older handlers); the answer's payload is the token, and calls
 *   carry it in `auth-token-bin`
 */
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import type * as grpc from "@grpc/grpc-js";
import type { Credential } from "../config/credentials.ts";
import { CodedError } from "../error.ts";
import { BasicAuth } from "../grpc/generated/flight.ts";

const TOKEN_BYTES = 32; // 256 bits: not to be guessed

interface AuthenticatorOptions {
  /** How long a token is valid. */
  tokenTtlMs: number;
  /** Valid tokens of one name; the oldest makes room, and nobody else's. */
  tokensMax: number;
  nowMs?: () => number;
}

interface Login {
  name: string;
  password: string;
}

interface IssuedToken {
  token: string;
  identity: string;
}

function unauthenticated(message: string): CodedError {
  return new CodedError("UNAUTHENTICATED", "CREDENTIALS", message);
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}

/** Tokens are looked up by this, so that the time of a look-up says nothing about them. */
function keyOf(token: string): string {
  return digest(token).toString("base64");
}

/** Knows who may log in, and who has. */
export class BasicAuthenticator {
  private readonly passwords: Map<string, Buffer>;
  private readonly tokens = new Map<string, { identity: string; expiresMs: number }>();
  /** Keys of each name's tokens, oldest first. */
  private readonly issued: Map<string, Set<string>>;
  private readonly nowMs: () => number;

  constructor(
    credentials: readonly Credential[],
    private readonly options: AuthenticatorOptions,
  ) {
    this.passwords = new Map(credentials.map(({ name, passwordSha256 }) => [name, Buffer.from(passwordSha256, "hex")]));
    this.issued = new Map(credentials.map(({ name }) => [name, new Set()]));
    this.nowMs = options.nowMs ?? Date.now;
  }

  /** @param payload of the HandshakeRequest @throws CodedError UNAUTHENTICATED */
  login(metadata: grpc.Metadata, payload: Uint8Array): IssuedToken {
    const { name, password } = basicHeader(metadata) ?? basicPayload(payload);
    const known = this.passwords.get(name);
    // compared in any case, so that time does not tell which names exist
    const equal = timingSafeEqual(digest(password), known ?? digest(""));
    if (known === undefined || !equal) throw unauthenticated("no such name and password");
    const token = randomBytes(TOKEN_BYTES).toString("base64url");
    const key = keyOf(token);
    const issued = this.issued.get(name)!.add(key);
    this.tokens.set(key, { identity: name, expiresMs: this.nowMs() + this.options.tokenTtlMs });
    if (issued.size > this.options.tokensMax) this.forget(issued.values().next().value!);
    return { token, identity: name };
  }

  /** Who sends these headers. @throws CodedError UNAUTHENTICATED */
  identify(metadata: grpc.Metadata): string {
    const bearer = /^Bearer (.+)$/i.exec(String(metadata.get("authorization")[0] ?? ""))?.[1];
    const binary = metadata.get("auth-token-bin")[0];
    const token = bearer ?? (binary === undefined ? undefined : Buffer.from(binary).toString("utf8"));
    if (token === undefined)
      throw unauthenticated("this server asks for a token: call Handshake with name and password");
    const key = keyOf(token);
    const known = this.tokens.get(key);
    if (known === undefined || known.expiresMs < this.nowMs()) {
      this.forget(key);
      throw unauthenticated("the token is unknown or has expired: call Handshake again");
    }
    return known.identity;
  }

  private forget(key: string): void {
    const known = this.tokens.get(key);
    if (known === undefined) return;
    this.tokens.delete(key);
    this.issued.get(known.identity)!.delete(key);
  }
}

function basicHeader(metadata: grpc.Metadata): Login | undefined {
  const encoded = /^Basic (.+)$/i.exec(String(metadata.get("authorization")[0] ?? ""))?.[1];
  if (encoded === undefined) return undefined;
  const text = Buffer.from(encoded, "base64").toString("utf8");
  const colon = text.indexOf(":");
  if (colon < 0) throw unauthenticated("the basic credentials have no colon");
  return { name: text.slice(0, colon), password: text.slice(colon + 1) };
}

function basicPayload(payload: Uint8Array): Login {
  try {
    const { username, password } = BasicAuth.decode(payload);
    if (username !== "") return { name: username, password };
  } catch {
    // told below
  }
  throw unauthenticated("send name and password: header authorization: Basic …, or a BasicAuth message");
}
