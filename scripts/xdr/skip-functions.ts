/** The generated functions of skip.ts, each made when the first call of it is written. */
import { Emitter } from "./emitter.ts";
import type { StructType, Type, UnionType } from "./model.ts";
import { children, endsInListOf, holdsRecursive, recursive } from "./recursion.ts";
import { visitorName, type Walk } from "./walks.ts";

const INLINE_LINES_MAX = 4; // a skipper this short is copied into its callers: measured, longer ones do not gain

export class SkipFunctions {
  private readonly functions = new Map<string, string | undefined>();
  private readonly queue: (() => void)[] = [];
  private readonly inlinable = new Map<Type, boolean>();
  private readonly reached = new Map<Walk, Map<Type, boolean>>();

  reaches(walk: Walk, type: Type): boolean {
    let memo = this.reached.get(walk);
    if (memo === undefined) {
      memo = new Map();
      this.reached.set(walk, memo);
    }
    const known = memo.get(type);
    if (known !== undefined) return known;
    memo.set(type, false);
    const isVisited = (child: Type, place: string): boolean =>
      walk.visits[place] !== undefined || ("name" in child && walk.visits[child.name] !== undefined);
    let found = false;
    if (type.kind === "struct") {
      found = type.fields.some(
        ([name, field]) => isVisited(field, `${type.name}.${name}`) || this.reaches(walk, field),
      );
    } else if (type.kind === "union") {
      found = type.arms.some(
        (arm) =>
          arm.type !== null && (isVisited(arm.type, `${type.name}.${arm.label}`) || this.reaches(walk, arm.type)),
      );
    } else {
      found = children(type).some((child) => isVisited(child, "") || this.reaches(walk, child));
    }
    memo.set(type, found);
    return found;
  }

  skipCall(type: StructType | UnionType, depth: string): [string, string] {
    const name = `skip${type.name}`;
    if (!this.functions.has(name)) {
      this.functions.set(name, undefined);
      this.queue.push(() => this.functions.set(name, this.skipFunction(name, type)));
    }
    return [name, holdsRecursive.has(type) ? `, ${depth}` : ""];
  }

  walkCall(walk: Walk, type: StructType | UnionType): [string, string] {
    const name = `${walk.name}${type.name}`;
    if (!this.functions.has(name)) {
      this.functions.set(name, undefined);
      this.queue.push(() => this.functions.set(name, this.walkFunction(name, walk, type)));
    }
    return [name, ", v"];
  }

  inlineBody(type: StructType | UnionType, depth: string): boolean {
    const known = this.inlinable.get(type);
    if (known !== undefined) return known;
    this.inlinable.set(type, false);
    const probe = new Emitter(new SkipFunctions(), undefined, depth, "", { next: 0 });
    probe.body(type);
    probe.flush();
    const fits = probe.lines.length <= INLINE_LINES_MAX;
    this.inlinable.set(type, fits);
    return fits;
  }

  private skipFunction(name: string, type: Type): string {
    if (type.kind === "union" && recursive.has(type)) {
      if (type.arms.every((arm) => arm.type === null || endsInListOf(arm.type, type))) {
        return this.loopFunction(name, type);
      }
    }
    const depth = recursive.has(type) ? "k + 1" : holdsRecursive.has(type) ? "k" : "0";
    const emitter = new Emitter(this, undefined, depth, "  ", { next: 0 });
    emitter.body(type);
    emitter.flush();
    const parameter = holdsRecursive.has(type) ? ", k: number" : "";
    const guard = recursive.has(type) ? "  if (k >= XDR_DEPTH_MAX) fail();\n" : "";
    return `export function ${name}(d: DataView, p: number${parameter}): number {\n${guard}${emitter.lines.join("\n")}\n  return p;\n}`;
  }

  /** A skipper of a recursive union that keeps the counts of its open levels in LEFT instead of calling itself. */
  private loopFunction(name: string, type: UnionType): string {
    const emitter = new Emitter(this, undefined, "0", "    ", { next: 0 });
    emitter.looped = type;
    emitter.body(type);
    emitter.flush();
    return [
      `export function ${name}(d: DataView, p: number, k: number): number {`,
      "  if (k >= XDR_DEPTH_MAX) fail();",
      "  const outermost = k;",
      "  let left = 1;",
      "  for (;;) {",
      ...emitter.lines,
      "    while (--left === 0) {",
      "      if (k === outermost) return p;",
      "      left = LEFT[--k]!;",
      "    }",
      "  }",
      "}",
    ].join("\n");
  }

  private walkFunction(name: string, walk: Walk, type: Type): string {
    const emitter = new Emitter(this, walk, "0", "  ", { next: 0 });
    emitter.body(type);
    emitter.flush();
    return `export function ${name}(d: DataView, p: number, v: ${visitorName(walk)}): number {\n${emitter.lines.join("\n")}\n  return p;\n}`;
  }

  finish(): string[] {
    for (let job = this.queue.shift(); job !== undefined; job = this.queue.shift()) job();
    return [...this.functions.values()].map((text) => text!);
  }
}
