/**
 * Finds a lake's newest or oldest object by listing. Partitions are listed from that end on until one has any; of the
 * names of a folder only the outermost is kept, so that 64,000 of them are neither sorted nor parsed.
 */
import { type LakeKey, parseLakeKey, parsePartitionName } from "./lake-layout.ts";
import type { LakeStorage } from "./lake-storage.ts";

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
  storage: LakeStorage,
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
    listed();
    const found = outermostName(await storage.list(name), `${name}/`, end, holds);
    if (found !== undefined) return found;
  }
  return direct;
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
