/** Names and passwords at rest: PASSWORDS_FILE has a line `name:$argon2id$…` for each. */
import { NAME } from "../config/credentials.ts";
import { readLines } from "./line-file.ts";

// What OWASP advises: 19 MiB and two passes, some 30 ms of CPU.
const MEMORY_KIB = 19_456;
const PASSES = 2;
const MEMORY_KIB_MAX = 262_144; // a quarter of a GiB, while it is checked
const PASSES_MAX = 16;
const LINE = /^([^:]+):(\$argon2id\$v=19\$m=(\d+),t=(\d+),p=\d+\$[A-Za-z0-9+/]+\$[A-Za-z0-9+/]+)$/;

/** A name, and the hash of its password. */
export interface PasswordHash {
  name: string;
  /** As argon2's encoded form has it. */
  hash: string;
}

/** The line of PASSWORDS_FILE that lets the name in with that password. */
export async function passwordLine(name: string, password: string): Promise<string> {
  const cost = { memoryCost: MEMORY_KIB, timeCost: PASSES };
  return `${name}:${await Bun.password.hash(password, { algorithm: "argon2id", ...cost })}`;
}

/** The passwords of a file; a name may have several. @throws CodedError INVALID_ARGUMENT / CREDENTIALS_FILE */
export function readPasswords(setting: string, path: string): PasswordHash[] {
  const form = `name:hash, as the command hash-password writes it (argon2id with at most m=${MEMORY_KIB_MAX},t=${PASSES_MAX})`;
  return readLines(setting, path, form, (line) => {
    const [, name, hash, memory, passes] = LINE.exec(line) ?? [];
    if (name === undefined || hash === undefined || !NAME.test(name)) return undefined;
    return Number(memory) <= MEMORY_KIB_MAX && Number(passes) <= PASSES_MAX ? { name, hash } : undefined;
  });
}
