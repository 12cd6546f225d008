/** The statements that step over one value, or walk it: what the body of a generated function is made of. */
import type { StructType, Type, UnionType } from "./model.ts";
import { holds, multiplicity, recursive } from "./recursion.ts";
import { evenUnionSize, plainSize, sizeMin } from "./sizes.ts";
import type { Visit, Walk } from "./walks.ts";

/** The functions that statements can call; a call is the function's name and its arguments after the position. */
interface Functions {
  /** Whether a walk visits something inside of the type. */
  reaches(walk: Walk, type: Type): boolean;
  /** Whether a skipper's body is short enough to stand in its callers. */
  inlineBody(type: StructType | UnionType, depth: string): boolean;
  skipCall(type: StructType | UnionType, depth: string): [string, string];
  walkCall(walk: Walk, type: StructType | UnionType): [string, string];
}

export class Emitter {
  readonly lines: string[] = [];
  /** Bytes already decided to be stepped over, folded into the next statement. */
  private pending = 0;
  /** The union whose own function this is, where that function loops instead of calling itself. */
  looped: UnionType | undefined;

  constructor(
    private readonly functions: Functions,
    private readonly walk: Walk | undefined,
    private readonly depth: string,
    private readonly indent: string,
    private names: { next: number },
  ) {}

  private nested(pending: number): Emitter {
    const inner = new Emitter(this.functions, this.walk, this.depth, `${this.indent}  `, this.names);
    inner.pending = pending;
    inner.looped = this.looped;
    return inner;
  }

  private say(line: string): void {
    this.lines.push(this.indent + line);
  }

  private get at(): string {
    return this.pending === 0 ? "p" : `p + ${this.pending}`;
  }

  private get left(): string {
    return `d.byteLength - p - ${this.pending + 4}`;
  }

  flush(): void {
    if (this.pending === 0) return;
    this.say(`p += ${this.pending};`);
    this.pending = 0;
  }

  /** Statements for one value; `place` is its `Struct.field`, which a walk may visit. */
  value(type: Type, place?: string): void {
    const visit = this.walk === undefined ? undefined : this.visitOf(type, place);
    if (visit !== undefined) {
      const call = `v.${visit.method}(d, ${this.at}${visit.argument === undefined ? "" : `, ${visit.argument}`})`;
      if (visit.consumes) {
        this.say(`p = ${call};`);
        this.pending = 0;
        return;
      }
      this.say(`${call};`);
    }
    if (this.walk !== undefined && this.functions.reaches(this.walk, type)) {
      this.descend(type, true);
      return;
    }
    const size = plainSize(type);
    if (size >= 0) {
      this.pending += size;
      return;
    }
    this.descend(type, false);
  }

  private visitOf(type: Type, place: string | undefined): Visit | undefined {
    const visits = this.walk!.visits;
    if (place !== undefined && visits[place] !== undefined) return visits[place];
    return "name" in type ? visits[type.name] : undefined;
  }

  private descend(type: Type, walks: boolean): void {
    if (type.kind === "struct" || type.kind === "union") {
      if (this.looped !== undefined && holds(type, this.looped)) {
        this.body(type);
        return;
      }
      if (!walks && !recursive.has(type)) {
        const inline = this.functions.inlineBody(type, this.depth);
        if (inline) {
          this.body(type);
          return;
        }
      }
      const call = walks ? this.functions.walkCall(this.walk!, type) : this.functions.skipCall(type, this.depth);
      this.say(`p = ${call[0]}(d, ${this.at}${call[1]});`);
      this.pending = 0;
      return;
    }
    this.body(type);
  }

  /** Statements for the inside of a value. */
  body(type: Type): void {
    switch (type.kind) {
      case "struct":
        for (const [name, field] of type.fields) this.value(field, `${type.name}.${name}`);
        return;
      case "union":
        this.union(type);
        return;
      case "bytes":
        this.bytes(type.max);
        return;
      case "option":
        this.option(type.of);
        return;
      case "list":
        this.list(type);
        return;
      case "array": {
        this.flush();
        const i = `i${this.names.next++}`;
        this.say(`for (let ${i} = 0; ${i} < ${type.length}; ${i}++) {`);
        this.inner(type.of);
        this.say("}");
        return;
      }
      default:
        throw new Error(`nothing to emit for ${type.kind}`);
    }
  }

  private inner(type: Type): void {
    const inner = this.nested(0);
    inner.value(type);
    inner.flush();
    this.lines.push(...inner.lines);
  }

  private bytes(max: number): void {
    const n = `n${this.names.next++}`;
    this.say(`const ${n} = d.getInt32(${this.at});`);
    this.say(`if (${n} < 0 || ${max >= 0x7fffffff ? "" : `${n} > ${max} || `}${n} > ${this.left}) fail();`);
    this.say(`p += ${this.pending + 4} + ((${n} + 3) & ~3);`);
    this.pending = 0;
  }

  private option(of: Type): void {
    const n = `n${this.names.next++}`;
    this.say(`const ${n} = d.getInt32(${this.at});`);
    this.say(`if (${n} < 0 || ${n} > 1) fail();`);
    this.pending += 4;
    const size = this.walk !== undefined && this.functions.reaches(this.walk, of) ? -1 : plainSize(of);
    if (size >= 0) {
      this.say(`p += ${this.pending} + ${n} * ${size};`);
      this.pending = 0;
      return;
    }
    this.flush();
    this.say(`if (${n} === 1) {`);
    this.inner(of);
    this.say("}");
  }

  private list(type: { of: Type; max: number }): void {
    const n = `n${this.names.next++}`;
    const size = this.walk !== undefined && this.functions.reaches(this.walk, type.of) ? -1 : plainSize(type.of);
    const unit = size >= 0 ? size : sizeMin(type.of);
    this.say(`${size >= 0 ? "const" : "let"} ${n} = d.getInt32(${this.at});`);
    const over = type.max >= 0x7fffffff ? "" : `${n} > ${type.max} || `;
    this.say(`if (${n} < 0 || ${over}${n} * ${unit} > ${this.left}) fail();`);
    this.pending += 4;
    if (size >= 0) {
      this.say(`p += ${this.pending} + ${n} * ${size};`);
      this.pending = 0;
      return;
    }
    this.flush();
    const times = this.looped === undefined ? 0 : multiplicity(type.of, this.looped);
    if (times > 0) {
      // One level down: what is left of this level waits on the stack. The loop takes the value itself off the count.
      this.say(`if (${n} > 0) {`);
      this.say("  if (k + 1 >= XDR_DEPTH_MAX) fail();");
      this.say("  LEFT[k++] = left;");
      this.say(`  left = ${times === 1 ? n : `${n} * ${times}`} + 1;`);
      this.say("}");
      return;
    }
    this.say(`for (; ${n} > 0; ${n}--) {`);
    this.inner(type.of);
    this.say("}");
  }

  private union(type: UnionType): void {
    const walks = this.walk !== undefined && this.functions.reaches(this.walk, type);
    const even = walks ? -1 : evenUnionSize(type);
    if (even >= 0) {
      const n = `n${this.names.next++}`;
      this.say(`const ${n} = d.getInt32(${this.at});`);
      this.say(`if (${n} < 0 || ${n} > ${type.arms.length - 1}) fail();`);
      this.pending += 4 + even;
      return;
    }
    if (type.arms.length === 1) {
      const arm = type.arms[0]!;
      this.say(`if (d.getInt32(${this.at}) !== ${arm.value}) fail();`);
      this.pending += 4;
      if (arm.type !== null) this.value(arm.type, `${type.name}.${arm.label}`);
      return;
    }
    this.say(`switch (d.getInt32(${this.at})) {`);
    const start = this.pending + 4;
    // Arms with the same code share one body: the switch stays small.
    const bodies = new Map<string, number[]>();
    for (const arm of type.arms) {
      const inner = this.nested(start);
      const next = this.names.next;
      if (arm.type !== null) inner.value(arm.type, `${type.name}.${arm.label}`);
      inner.flush();
      const text = inner.lines.map((line) => `  ${line}`).join("\n");
      const values = bodies.get(text);
      if (values === undefined) bodies.set(text, [arm.value]);
      else values.push(arm.value);
      if (inner.lines.length <= 1) this.names.next = next; // no names used: keep numbering small
    }
    for (const [text, values] of bodies) {
      this.say(`  ${values.map((value) => `case ${value}:`).join(" ")} {`);
      if (text !== "") this.lines.push(text);
      this.say("    break;");
      this.say("  }");
    }
    this.say("  default:");
    this.say("    fail();");
    this.say("}");
    this.pending = 0;
  }
}
