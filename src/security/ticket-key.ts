/** The key that signs tickets: random, and kept in DATA_DIR so that tickets hold over a restart; or that of a file, for several nodes. */
import { createHash, randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { CodedError } from "../error.ts";

const KEY_BYTES = 32; // as the hash's
const FILE = "ticket-key";

/**
 * @param dataDir empty: the key is gone with the process
 * @param keyFile TICKET_KEY_FILE; empty: the key is that of DATA_DIR
 * @throws CodedError FAILED_PRECONDITION / TICKET_KEY where the file is not one of ours, or cannot be read or written
 */
export function ticketKey(dataDir: string, keyFile = ""): Uint8Array {
  if (keyFile !== "") return keyOfFile(keyFile);
  if (dataDir === "") return randomBytes(KEY_BYTES);
  const file = path.join(dataDir, FILE);
  const wrong = (what: string, cause?: unknown) =>
    new CodedError("FAILED_PRECONDITION", "TICKET_KEY", `the key of tickets, ${file}, ${what}`, { cause });
  try {
    mkdirSync(dataDir, { recursive: true });
    writeFileSync(file, randomBytes(KEY_BYTES), { flag: "wx", mode: 0o600 });
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException;
    if (code !== "EEXIST") throw wrong(`cannot be written (${code ?? "unknown"})`, thrown);
  }
  let key: Uint8Array;
  try {
    key = readFileSync(file);
  } catch (thrown) {
    throw wrong(`cannot be read (${(thrown as NodeJS.ErrnoException).code ?? "unknown"})`, thrown);
  }
  if (key.length === KEY_BYTES) return key;
  throw wrong(`has ${key.length} bytes in place of ${KEY_BYTES}: remove it, and tickets given out so far end`);
}

/** A secret of any form and length; what is signed with is its hash. */
function keyOfFile(file: string): Uint8Array {
  const wrong = (what: string, cause?: unknown) =>
    new CodedError("FAILED_PRECONDITION", "TICKET_KEY", `TICKET_KEY_FILE: the file ${file} ${what}`, { cause });
  let secret: Uint8Array;
  try {
    secret = readFileSync(file);
  } catch (thrown) {
    throw wrong(`cannot be read (${(thrown as NodeJS.ErrnoException).code ?? "unknown"})`, thrown);
  }
  if (secret.length >= KEY_BYTES) return createHash("sha256").update(secret).digest();
  throw wrong(`has ${secret.length} bytes, under min ${KEY_BYTES}: make one with openssl rand -hex ${KEY_BYTES}`);
}
