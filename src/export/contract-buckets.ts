/**
 * Contracts in 16 parts of about equal size, each a run of contract ids in the order of their text: the statistics of a
 * part's files leave out the other 15. A contract's id is a hash, so its second character is one of A to D, its third one
 * of 32, all as likely.
 */
import type { ColumnSlice } from "../parquet/column.ts";

const SECOND = "ABCD";
const THIRD = "234567ABCDEFGHIJKLMNOPQRSTUVWXYZ"; // in the order of their bytes
const RUN = 8;
const RUNS = THIRD.length / RUN;

/** Folders of the parts: `contracts=CA2-CAB`, … */
export const BUCKETS: readonly string[] = [...SECOND].flatMap((second) =>
  Array.from({ length: RUNS }, (_, run) => {
    const [first, last] = [THIRD[run * RUN]!, THIRD[run * RUN + RUN - 1]!];
    return `contracts=C${second}${first}-C${second}${last}`;
  }),
);

const RUN_OF = new Uint8Array(256);
for (const [place, character] of [...THIRD].entries()) RUN_OF[character.charCodeAt(0)] = Math.floor(place / RUN);

/** The part of the contract in a row. @param contracts its column */
export function bucketOf({ offsets, values }: ColumnSlice, row: number): number {
  const at = offsets![row]!;
  return (values[at + 1]! - 0x41) * RUNS + RUN_OF[values[at + 2]!]!;
}
