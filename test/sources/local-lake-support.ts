/** Reading of a lake in a folder, to its end or its error. */
import type { Lake } from "../../src/sources/lake/lake.ts";
import type { LedgerObject } from "../../src/sources/source.ts";

export const never = new AbortController().signal;
export const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

export async function readAll(lake: Lake, start: number, end: number, signal = never): Promise<LedgerObject[]> {
  const objects: LedgerObject[] = [];
  for await (const object of lake.read(start, end, signal)) objects.push(object);
  return objects;
}
