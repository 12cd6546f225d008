/**
 * The public keys of an issuer of JWTs. What was read last stays in use while the issuer is away; keys that it has taken
 * back are gone with the next reading, and a token with a key that is not known asks for one.
 */
import { createPublicKey } from "node:crypto";
import { readFileSync } from "node:fs";
import { createLocalJWKSet, type JSONWebKeySet, type JWK, type JWTVerifyGetKey } from "jose";
import { CodedError } from "../error.ts";

const READ_EVERY_MS = 300_000; // how long a key that the issuer has taken back goes on to be accepted, at most
const READ_AGAIN_MS = 10_000; // after a reading that unknown keys have asked for: strangers make them up
const READ_MS_MAX = 5_000;
const BYTES_MAX = 1 << 20; // a thousand keys
const CURVES = new Set(["P-256", "Ed25519"]);

/** Finds keys. */
export interface Jwks {
  /** The key for a token's header. @throws CodedError UNAVAILABLE / JWKS_AWAY; jose's errors */
  readonly keyFor: JWTVerifyGetKey;
  /** Reads them again, where that is due, since a token has a key that is not known; true where they are others now. */
  renew(): Promise<boolean>;
  close(): void;
}

/** Keys that stay. One alone that has no id, as PEM has none, is for tokens with any. */
export function fixedJwks(set: JSONWebKeySet): Jwks {
  const find = createLocalJWKSet(set);
  const [only] = set.keys;
  const isNameless = set.keys.length === 1 && only?.kid === undefined;
  const keyFor: JWTVerifyGetKey = (header, token) => find(isNameless ? { ...header, kid: undefined } : header, token);
  return { keyFor, renew: () => Promise.resolve(false), close() {} };
}

/**
 * Keys behind a URL, read at once and every READ_EVERY_MS.
 * @param ca authorities in PEM, in place of the public ones
 * @param nowMs for tests, as everyMs
 */
export function remoteJwks(
  url: string,
  ca?: string[],
  nowMs: () => number = () => performance.now(),
  everyMs = READ_EVERY_MS,
): Jwks {
  let known: JWTVerifyGetKey | undefined;
  let text = "";
  let fault = "it has not answered yet";
  let readMs = Number.NEGATIVE_INFINITY;
  let reading: Promise<void> | undefined;
  const read = async () => {
    readMs = nowMs();
    try {
      const answer = await fetchText(url, ca);
      known = createLocalJWKSet(usableKeys(JSON.parse(answer)));
      text = answer;
    } catch (thrown) {
      fault = thrown instanceof Error ? thrown.message : String(thrown);
    }
  };
  const readOnce = () => {
    reading ??= read().finally(() => {
      reading = undefined;
    });
    return reading;
  };
  void readOnce();
  const timer = setInterval(() => void readOnce(), everyMs);
  timer.unref();
  return {
    async keyFor(header, token) {
      if (known === undefined && nowMs() - readMs > READ_AGAIN_MS) void readOnce();
      if (known === undefined) await reading;
      if (known !== undefined) return await known(header, token);
      throw new CodedError(
        "UNAVAILABLE",
        "JWKS_AWAY",
        `the keys of the tokens' issuer cannot be read (${fault}): try again`,
      );
    },
    async renew() {
      if (nowMs() - readMs <= READ_AGAIN_MS) return false;
      const before = text;
      await readOnce();
      return text !== before;
    },
    close: () => clearInterval(timer),
  };
}

async function fetchText(url: string, ca: string[] | undefined): Promise<string> {
  const signal = AbortSignal.timeout(READ_MS_MAX);
  const response = await fetch(url, { signal, redirect: "error", tls: ca && { ca } });
  if (!response.ok) throw new Error(`HTTP ${response.status}`);
  let size = 0;
  const parts: Uint8Array[] = [];
  for await (const part of response.body ?? []) {
    size += part.length;
    if (size > BYTES_MAX) throw new Error(`over ${BYTES_MAX} B`);
    parts.push(part);
  }
  return Buffer.concat(parts).toString("utf8");
}

/** A file with a JWK set, one JWK, or a public key in PEM. @throws CodedError INVALID_ARGUMENT / CREDENTIALS_FILE */
export function readKeyFile(setting: string, path: string): JSONWebKeySet {
  const wrong = (what: string, cause?: unknown) =>
    new CodedError("INVALID_ARGUMENT", "CREDENTIALS_FILE", `${setting}: the file ${path} ${what}`, { cause });
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (thrown) {
    throw wrong(`cannot be read (${(thrown as NodeJS.ErrnoException).code ?? "unknown"})`, thrown);
  }
  try {
    if (text.includes("-----BEGIN ")) return usableKeys(createPublicKey(text).export({ format: "jwk" }));
    return usableKeys(JSON.parse(text));
  } catch (thrown) {
    throw wrong("has no public key for RS256, ES256 or EdDSA, as a JWK set, a JWK or PEM", thrown);
  }
}

/** The public keys of our algorithms, without what is private of them. @throws Error where there is none */
function usableKeys(value: unknown): JSONWebKeySet {
  const set = value as { keys?: unknown } | null;
  const keys = (Array.isArray(set?.keys) ? set.keys : [value]) as JWK[];
  const usable = keys.filter((key) => key?.kty === "RSA" || CURVES.has(key?.crv ?? ""));
  if (usable.length === 0) throw new Error("no public key for RS256, ES256 or EdDSA");
  return { keys: usable.map(({ d: _d, p: _p, q: _q, dp: _dp, dq: _dq, qi: _qi, ...key }) => key) };
}
