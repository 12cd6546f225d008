/** What a gate asks for, for tests. */
import type { Access } from "../../src/security/access.ts";
import { READERS_ALONE } from "../../src/security/access-file.ts";

export function accessOf(parts: Partial<Access>): Access {
  return {
    keys: [],
    passwords: [],
    credentials: [],
    tokenTtlMs: 60_000,
    tokensMax: 100,
    rules: READERS_ALONE,
    bytesPerSecondMax: 0,
    open: [],
    ...parts,
  };
}
