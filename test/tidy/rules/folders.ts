/** Which folder may import from which: ARCHITECTURE.md draws the floors, and this reads them from there. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { importsOf } from "../project.ts";
import type { Rule } from "../rule.ts";

/** The floors of ARCHITECTURE.md from the ground up, rooms of one floor in one list: the block marked `floors`. */
function floors(): string[][] {
  const page = readFileSync(join(import.meta.dir, "../../../ARCHITECTURE.md"), "utf8");
  const block = /```floors\n([\s\S]*?)```/.exec(page)?.[1];
  if (block === undefined) throw new Error("ARCHITECTURE.md has no block marked floors");
  return block
    .trim()
    .split("\n")
    .map((line) =>
      line
        .replace(/#.*/, "")
        .trim()
        .split(/[\s,·|]+/)
        .filter(Boolean),
    );
}

/** The room of a path: the folder under src, or the file that stands in src itself; undefined outside of src. */
function roomOf(path: string): string | undefined {
  const [root, room] = path.split("/");
  return root === "src" ? room : undefined;
}

export const arrows: Rule = {
  name: "a folder imports only from floors below it, as ARCHITECTURE.md draws them",
  check(project) {
    const floorOf = new Map(floors().flatMap((rooms, floor) => rooms.map((room) => [room, floor] as const)));
    const broken: string[] = [];
    for (const file of project.values()) {
      const room = roomOf(file.path);
      if (room === undefined) continue;
      const floor = floorOf.get(room);
      if (floor === undefined) {
        broken.push(`${file.path}: ${room} stands on no floor of ARCHITECTURE.md`);
        continue;
      }
      for (const { target, line } of importsOf(file)) {
        const below = roomOf(target);
        if (below === undefined || below === room) continue;
        if (!((floorOf.get(below) ?? Number.POSITIVE_INFINITY) < floor)) {
          broken.push(`${file.path}:${line}: ${room} imports ${target}, which is not below it`);
        }
      }
    }
    return broken;
  },
  canary: new Map([
    ["src/xdr/low.ts", 'import { high } from "../cli/high.ts";\nhigh();'],
    ["src/cli/high.ts", "export const high = () => {};"],
  ]),
};

export const circles: Rule = {
  name: "no file imports itself by way of others",
  check(project) {
    const seen = new Map<string, "open" | "done">();
    const broken: string[] = [];
    const visit = (path: string, way: readonly string[]): void => {
      const file = project.get(path);
      if (file === undefined || seen.get(path) === "done") return;
      if (seen.get(path) === "open") {
        broken.push([...way.slice(way.indexOf(path)), path].join(" → "));
        return;
      }
      seen.set(path, "open");
      for (const { target } of importsOf(file)) visit(target, [...way, path]);
      seen.set(path, "done");
    };
    for (const path of project.keys()) visit(path, []);
    return broken;
  },
  canary: new Map([
    ["src/xdr/a.ts", 'import { b } from "./b.ts";\nexport const a = () => b;'],
    ["src/xdr/b.ts", 'import type { c } from "./c.ts";\nexport const b = (x: typeof c) => x;'],
    ["src/xdr/c.ts", 'export { a as c } from "./a.ts";'],
  ]),
};
