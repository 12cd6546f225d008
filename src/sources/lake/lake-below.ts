/** Finds a lake in a sub-folder of the folder that was named, for a hint: `ledgers/pubnet` is easily left out. */
import { promises as fs } from "node:fs";
import path from "node:path";
import { isLakeFolder } from "./lake-folder.ts";

const LEVELS_MAX = 3; // as deep as buckets put lakes
const FOLDERS_MAX = 200; // a hint must not list a disk

/** The first lake folder below `folder`, nearest first; undefined where there is none within the limits. */
export async function lakeBelow(folder: string): Promise<string | undefined> {
  let level = [folder];
  let looked = 0;
  for (let depth = 0; depth < LEVELS_MAX && level.length > 0; depth++) {
    const next: string[] = [];
    for (const parent of level) {
      const entries = await fs.readdir(parent, { withFileTypes: true }).catch(() => []);
      for (const entry of entries) {
        if (!entry.isDirectory() || entry.name.startsWith(".") || ++looked > FOLDERS_MAX) continue;
        const child = path.join(parent, entry.name);
        if (await isLakeFolder(child)) return child;
        next.push(child);
      }
    }
    level = next;
  }
  return undefined;
}
