/** Finds a lake in a sub-folder of the folder that was named, for a hint: `ledgers/pubnet` is easily left out. */
import { promises as fs } from "node:fs";
import path from "node:path";
import { isLakeFolder } from "./lake-folder.ts";
import { LAKE_MANIFEST_KEY } from "./lake-manifest.ts";
import { canList, type LakeStorage } from "./lake-storage.ts";

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

const INSIDE_MAX = 20; // places right below that are looked at in a store

/** A lake right below a storage's root, told by its manifest: `s3://bucket/ledgers` for `…/ledgers/pubnet`. */
export async function lakeInside(storage: LakeStorage): Promise<string | undefined> {
  if (!canList(storage)) return undefined;
  const names = await storage.list("", { firstPage: true });
  for (const name of names.slice(0, INSIDE_MAX)) {
    if (await storage.has(`${name}/${LAKE_MANIFEST_KEY}`)) return storage.nameOf(name);
  }
  return undefined;
}
