/**
 * File descriptors that are left. When none is, `accept` fails, and Bun 1.4.5 (as every level-triggered loop that does not
 * stop listening) asks for it again at once: a core at 100 % and no answer, until a connection closes. So connections
 * are closed as they come while there are still descriptors for files, sources and more urgent clients.
 *
 * A new descriptor gets the lowest free number (POSIX), so opening one tells how many are in use at least.
 */
import { closeSync, openSync, readFileSync } from "node:fs";

/** Kept from connections, where the limit is large enough: lake files of 64 sessions and 32 ranges, the store, threads. */
const DESCRIPTORS_RESERVED = 256;

/** Which part of the reserve must be left for one more connection; operators come last to an end. */
const ROOM_SHARES = { flight: 1, control: 1 / 2, http: 1 / 4 } as const;
type RoomFor = keyof typeof ROOM_SHARES;

const RESERVED_SHARE_MAX = 1 / 4; // of a small limit

/** RLIMIT_NOFILE, which Bun raises as far as it may when it starts; undefined where the system does not tell. */
export function descriptorLimit(): number | undefined {
  try {
    const limit = Number(/^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "latin1"))?.[1]);
    return Number.isSafeInteger(limit) && limit > 0 ? limit : undefined;
  } catch {
    return undefined; // no /proc, or no descriptor to read it with
  }
}

/** Tells whether one more connection may have a descriptor. */
export class Descriptors {
  readonly reserved: number;

  /** @param limit as `descriptorLimit` says; undefined: there is room while a descriptor can be opened */
  constructor(readonly limit: number | undefined = descriptorLimit()) {
    this.reserved = limit === undefined ? 0 : Math.min(DESCRIPTORS_RESERVED, Math.floor(limit * RESERVED_SHARE_MAX));
  }

  /** Whether one more connection of that kind may stay. Takes about 10 µs. */
  hasRoom(kind: RoomFor): boolean {
    const next = nextDescriptor();
    if (next === undefined) return false;
    return this.limit === undefined || next < this.limit - this.reserved * ROOM_SHARES[kind];
  }
}

/** The number that the next descriptor gets; undefined where there is none; 0 where the system does not tell. */
function nextDescriptor(): number | undefined {
  try {
    const descriptor = openSync("/dev/null", "r");
    closeSync(descriptor);
    return descriptor;
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException;
    return code === "EMFILE" || code === "ENFILE" ? undefined : 0; // a bare root has no /dev/null
  }
}
