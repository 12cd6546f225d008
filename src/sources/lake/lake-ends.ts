/**
 * Finds a lake's newest or oldest object by listing. Partitions are listed from that end on until one has any; of the
 * names of a folder only the outermost is kept, so that 64,000 of them are neither sorted nor parsed.
 */
import type { LedgerRange } from "../../vocabulary/ledger-range.ts";
import { LEDGER_SEQUENCE_MAX } from "../limits.ts";
import { type LakeKey, parseLakeKey, parsePartitionName } from "./lake-layout.ts";
import type { ListedStorage } from "./lake-storage.ts";

/** One end of a lake. */
export type LakeEnd = 1 | -1;
export const NEWEST: LakeEnd = 1;
export const OLDEST: LakeEnd = -1;

/** An object with its key, relative to the lake's root. */
export type FoundObject = LakeKey & { key: string };

/**
 * The outermost object for which `holds`, or undefined where there is none.
 * @param root names in the lake's root
 * @param listed called before each further listing
 * @throws CodedError where a partition cannot be listed
 */
export async function outermost(
  storage: ListedStorage,
  root: readonly string[],
  end: LakeEnd,
  holds: (key: LakeKey) => boolean = () => true,
  listed: () => void = () => {},
): Promise<FoundObject | undefined> {
  const direct = outermostName(root, "", end, holds);
  const partitions = root
    .map((name) => ({ name, range: parsePartitionName(name) }))
    .filter(({ range }) => range !== undefined)
    .sort((a, b) => end * (b.range!.ledgerFirst - a.range!.ledgerFirst));
  for (const { name, range } of partitions) {
    if (direct !== undefined && end * (direct.ledgerFirst - range!.ledgerFirst) > 0) return direct;
    const found = await outermostOf(storage, name, range!, end, holds, listed);
    if (found !== undefined) return found;
  }
  return direct;
}

/** Ledgers at a partition's old end whose names are listed first: a page of a listing, were there a file for each. */
const OLD_END_LEDGERS = 1_000;

/**
 * The outermost object of a partition. Names begin with inverted numbers: the newest stand on the first page of a listing,
 * and the oldest behind a name near the partition's end, so that a store need not list all 64,000.
 */
async function outermostOf(
  storage: ListedStorage,
  folder: string,
  { ledgerFirst }: LedgerRange,
  end: LakeEnd,
  holds: (key: LakeKey) => boolean,
  listed: () => void,
): Promise<FoundObject | undefined> {
  const part = {
    firstPage: end === NEWEST,
    after: end === NEWEST ? undefined : beforeLedger(ledgerFirst + OLD_END_LEDGERS),
  };
  listed();
  const found = outermostName(await storage.list(folder, part), `${folder}/`, end, holds);
  if (found !== undefined || !storage.listsParts) return found;
  listed();
  return outermostName(await storage.list(folder), `${folder}/`, end, holds);
}

/** A name that stands before the names of objects up to that ledger. */
function beforeLedger(ledger: number): string {
  return (LEDGER_SEQUENCE_MAX - Math.min(ledger, LEDGER_SEQUENCE_MAX)).toString(16).toUpperCase().padStart(8, "0");
}

/** Names begin with inverted numbers, so the least is the newest. */
function outermostName(
  names: readonly string[],
  prefix: string,
  end: LakeEnd,
  holds: (key: LakeKey) => boolean,
): FoundObject | undefined {
  let best: string | undefined;
  let found: FoundObject | undefined;
  for (const name of names) {
    if (best !== undefined && (end === NEWEST ? name >= best : name <= best)) continue;
    const parsed = parseLakeKey(prefix + name);
    if (parsed === undefined || !holds(parsed)) continue;
    best = name;
    found = { ...parsed, key: prefix + name };
  }
  return found;
}
