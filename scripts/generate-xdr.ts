/**
 * Writes src/xdr/generated/ from the type definitions inside the pinned dev dependency @stellar/stellar-sdk, so that a
 * protocol upgrade is a version bump and `make generate`.
 *
 * - `skip.ts`: functions that step over one XDR value, and walkers that step over a whole LedgerCloseMeta and call a
 *   visitor at the few places that matter. Plain functions over (DataView, position): no object is made. Counts and
 *   discriminants are read signed, for the engine keeps an unsigned 32-bit read as a floating-point number.
 * - `types.ts`: the same types as a table, for the slow reader that explains what is wrong and where (inspect.ts).
 *
 * What is checked and what is stepped over unread is written in src/xdr/README.md.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { xdr } from "@stellar/stellar-sdk";

const OUT_DIRECTORY = new URL("../src/xdr/generated/", import.meta.url);
const SDK_MANIFEST = new URL("../node_modules/@stellar/stellar-sdk/package.json", import.meta.url);

// ---------------------------------------------------------------------------------------------------------------
// The type model, read out of the SDK's classes

type Type =
  | { kind: "number"; name: "int" | "uint" | "hyper" | "uhyper" | "bool"; size: 4 | 8 }
  | { kind: "enum"; name: string; members: [number, string][] }
  | { kind: "opaque"; length: number }
  | { kind: "bytes"; max: number; text: boolean }
  | { kind: "array"; of: Type; length: number }
  | { kind: "list"; of: Type; max: number }
  | { kind: "option"; of: Type }
  | StructType
  | UnionType;
interface StructType {
  kind: "struct";
  name: string;
  fields: [string, Type][];
}
interface UnionType {
  kind: "union";
  name: string;
  switchOn: string;
  arms: { value: number; label: string; type: Type | null }[];
}

/** The parts of the SDK's type objects that carry the definition; they are the same for every js-xdr version so far. */
interface SdkType {
  name?: string;
  structName?: string;
  unionName?: string;
  enumName?: string;
  _fields?: [string, SdkType][];
  _switchOn?: SdkType;
  _switches?: Map<number | { value: number; name: string }, string | SdkType>;
  _arms?: Record<string, SdkType>;
  _defaultArm?: unknown;
  _members?: Record<string, { value: number; name: string }>;
  _childType?: SdkType;
  _maxLength?: number;
  _length?: number;
}

const NUMBERS: Record<string, Type> = {
  Int: { kind: "number", name: "int", size: 4 },
  UnsignedInt: { kind: "number", name: "uint", size: 4 },
  Hyper: { kind: "number", name: "hyper", size: 8 },
  UnsignedHyper: { kind: "number", name: "uhyper", size: 8 },
  Bool: { kind: "number", name: "bool", size: 4 },
};

const models = new Map<SdkType, Type>();
const named = new Map<string, { type: Type; sdk: SdkType }>();

function model(sdk: SdkType): Type {
  const known = models.get(sdk);
  if (known !== undefined) return known;
  if (sdk.structName !== undefined) {
    const struct: StructType = { kind: "struct", name: sdk.structName, fields: [] };
    register(sdk, struct);
    for (const [name, type] of sdk._fields ?? []) struct.fields.push([name, model(type)]);
    return struct;
  }
  if (sdk.unionName !== undefined) {
    if (sdk._defaultArm !== undefined) throw new Error(`${sdk.unionName} has a default arm: the generator knows none`);
    const union: UnionType = {
      kind: "union",
      name: sdk.unionName,
      switchOn: sdk._switchOn?.enumName ?? "int",
      arms: [],
    };
    register(sdk, union);
    if (sdk._switchOn?.enumName !== undefined) model(sdk._switchOn);
    for (const [value, arm] of sdk._switches ?? []) {
      const isVoid = typeof arm !== "string";
      union.arms.push({
        value: typeof value === "number" ? value : value.value,
        label: isVoid ? (typeof value === "number" ? `v${value}` : value.name) : arm,
        type: isVoid ? null : model(sdk._arms![arm]!),
      });
    }
    return union;
  }
  if (sdk.enumName !== undefined) {
    const members = Object.values(sdk._members ?? {}).map((m): [number, string] => [m.value, m.name]);
    return register(sdk, { kind: "enum", name: sdk.enumName, members });
  }
  const kind = typeof sdk === "function" ? ((sdk as { name: string }).name ?? "") : (sdk as object).constructor.name;
  const number = NUMBERS[kind];
  if (number !== undefined) return number;
  switch (kind) {
    case "Opaque":
      return { kind: "opaque", length: sdk._length! };
    case "VarOpaque":
    case "String":
      return { kind: "bytes", max: sdk._maxLength!, text: kind === "String" };
    case "Option":
      return { kind: "option", of: model(sdk._childType!) };
    case "Array":
      return { kind: "array", of: model(sdk._childType!), length: sdk._length! };
    case "VarArray":
      return { kind: "list", of: model(sdk._childType!), max: sdk._maxLength! };
    default:
      throw new Error(`unknown XDR type kind ${kind}`);
  }
}

function register<T extends Type & { name: string }>(sdk: SdkType, type: T): T {
  models.set(sdk, type);
  const twin = named.get(type.name);
  if (twin !== undefined && twin.sdk !== sdk) throw new Error(`two XDR types are named ${type.name}`);
  named.set(type.name, { type, sdk });
  return type;
}

function typeNamed(name: string): Type {
  const found = named.get(name);
  if (found === undefined) throw new Error(`no XDR type ${name}`);
  return found.type;
}

// ---------------------------------------------------------------------------------------------------------------
// Properties of types

/** Encoded size of a type whose bytes need no check at all; -1 where the size varies or a discriminant must be read. */
function plainSize(type: Type): number {
  switch (type.kind) {
    case "number":
      return type.size;
    case "enum":
      return 4;
    case "opaque":
      return (type.length + 3) & ~3;
    case "array": {
      const size = plainSize(type.of);
      return size < 0 ? -1 : size * type.length;
    }
    case "struct": {
      let sum = 0;
      for (const [, field] of type.fields) {
        const size = plainSize(field);
        if (size < 0) return -1;
        sum += size;
      }
      return sum;
    }
    default:
      return -1;
  }
}

/** Where every arm of a union is plain and of one size and the discriminants are 0..n: that size; else -1. */
function evenUnionSize(type: UnionType): number {
  const sizes = new Set(type.arms.map((arm) => (arm.type === null ? 0 : plainSize(arm.type))));
  const values = type.arms.map((arm) => arm.value).sort((a, b) => a - b);
  if (sizes.size !== 1 || values.some((value, index) => value !== index)) return -1;
  return [...sizes][0]!;
}

const sizesMin = new Map<Type, number>();
/** The fewest bytes that a value of the type can take; bounds the element count of a list by the bytes left. */
function sizeMin(type: Type): number {
  const known = sizesMin.get(type);
  if (known !== undefined) return known;
  sizesMin.set(type, Number.POSITIVE_INFINITY); // a type inside itself never makes the minimum
  let size: number;
  switch (type.kind) {
    case "bytes":
    case "list":
    case "option":
      size = 4;
      break;
    case "array":
      size = sizeMin(type.of) * type.length;
      break;
    case "struct":
      size = type.fields.reduce((sum, [, field]) => sum + sizeMin(field), 0);
      break;
    case "union":
      size = 4 + Math.min(...type.arms.map((arm) => (arm.type === null ? 0 : sizeMin(arm.type))));
      break;
    default:
      size = plainSize(type);
  }
  sizesMin.set(type, size);
  return size;
}

function children(type: Type): Type[] {
  switch (type.kind) {
    case "array":
    case "list":
    case "option":
      return [type.of];
    case "struct":
      return type.fields.map(([, field]) => field);
    case "union":
      return type.arms.flatMap((arm) => (arm.type === null ? [] : [arm.type]));
    default:
      return [];
  }
}

const recursive = new Set<Type>();
const holdsRecursive = new Set<Type>();
/** Finds the types that contain themselves (each such level counts as one of depth) and all that contain those. */
function findRecursion(root: Type): void {
  const state = new Map<Type, "open" | "done">();
  const visit = (type: Type): void => {
    if (state.get(type) === "done") return;
    if (state.get(type) === "open") {
      recursive.add(type);
      return;
    }
    state.set(type, "open");
    for (const child of children(type)) visit(child);
    state.set(type, "done");
  };
  visit(root);
  for (let grown = true; grown; ) {
    grown = false;
    for (const type of state.keys()) {
      if (holdsRecursive.has(type)) continue;
      if (recursive.has(type) || children(type).some((child) => holdsRecursive.has(child))) {
        holdsRecursive.add(type);
        grown = true;
      }
    }
  }
}

/** How many values of `inner`, and nothing else, one list element is made of; 0 where it is something else. */
function multiplicity(element: Type, inner: Type): number {
  if (element === inner) return 1;
  if (element.kind !== "struct" || element.fields.some(([, field]) => field !== inner)) return 0;
  return element.fields.length;
}

/** Whether `type` holds `inner` at most as a list at its very end, so that a loop can take the place of recursion. */
function endsInListOf(type: Type, inner: Type): boolean {
  switch (type.kind) {
    case "option":
      return endsInListOf(type.of, inner);
    case "list":
      return multiplicity(type.of, inner) > 0 || !holds(type.of, inner);
    case "struct":
      return type.fields.every(([, field], i) =>
        i === type.fields.length - 1 ? endsInListOf(field, inner) : !holds(field, inner),
      );
    default:
      return !holds(type, inner);
  }
}

function holds(type: Type, inner: Type, seen = new Set<Type>()): boolean {
  if (type === inner) return true;
  if (seen.has(type)) return false;
  seen.add(type);
  return children(type).some((child) => holds(child, inner, seen));
}

// ---------------------------------------------------------------------------------------------------------------
// Emitting skippers and walkers

/** `visits` maps `Type` or `Struct.field` to the visitor call made there. */
interface Walk {
  name: string;
  visits: Record<string, Visit>;
}
interface Visit {
  method: string;
  /** Extra argument, as source text. */
  argument?: string;
  /** The visitor steps over the value itself and returns the position after it. */
  consumes: boolean;
}

const INLINE_LINES_MAX = 4; // a skipper this short is copied into its callers: measured, longer ones do not gain

class Emitter {
  readonly lines: string[] = [];
  /** Bytes already decided to be stepped over, folded into the next statement. */
  private pending = 0;
  /** The union whose own function this is, where that function loops instead of calling itself. */
  looped: UnionType | undefined;

  constructor(
    private readonly generator: Generator,
    private readonly walk: Walk | undefined,
    private readonly depth: string,
    private readonly indent: string,
    private names: { next: number },
  ) {}

  private nested(pending: number): Emitter {
    const inner = new Emitter(this.generator, this.walk, this.depth, `${this.indent}  `, this.names);
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
    if (this.walk !== undefined && this.generator.reaches(this.walk, type)) {
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
        const inline = this.generator.inlineBody(type, this.depth);
        if (inline) {
          this.body(type);
          return;
        }
      }
      const call = walks ? this.generator.walkCall(this.walk!, type) : this.generator.skipCall(type, this.depth);
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
    const size = this.walk !== undefined && this.generator.reaches(this.walk, of) ? -1 : plainSize(of);
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
    const size = this.walk !== undefined && this.generator.reaches(this.walk, type.of) ? -1 : plainSize(type.of);
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
    const walks = this.walk !== undefined && this.generator.reaches(this.walk, type);
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

class Generator {
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
    const probe = new Emitter(new Generator(), undefined, depth, "", { next: 0 });
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

function visitorName(walk: Walk): string {
  return `${walk.name.replace(/^walk/, "")}Visitor`;
}

// ---------------------------------------------------------------------------------------------------------------
// What to generate

const list = (argument: string): Visit => ({ method: "changes", argument, consumes: true });
const evicted: Visit = { method: "evicted", consumes: true };
const events: Visit = { method: "events", consumes: true };
const CHANGES_VISITS: Record<string, Visit> = {
  LedgerHeaderHistoryEntry: { method: "header", consumes: false },
  TransactionResultPair: { method: "transaction", consumes: false },
  "TransactionResultMeta.feeProcessing": list("LIST_FEE"),
  "TransactionResultMetaV1.feeProcessing": list("LIST_FEE"),
  "TransactionResultMetaV1.postTxApplyFeeProcessing": list("LIST_FEE_REFUND"),
  "TransactionMetaV1.txChanges": list("LIST_TRANSACTION"),
  "TransactionMetaV2.txChangesBefore": list("LIST_TRANSACTION"),
  "TransactionMetaV2.txChangesAfter": list("LIST_TRANSACTION"),
  "TransactionMetaV3.txChangesBefore": list("LIST_TRANSACTION"),
  "TransactionMetaV3.txChangesAfter": list("LIST_TRANSACTION"),
  "TransactionMetaV4.txChangesBefore": list("LIST_TRANSACTION"),
  "TransactionMetaV4.txChangesAfter": list("LIST_TRANSACTION"),
  "OperationMeta.changes": list("LIST_OPERATION"),
  "OperationMetaV2.changes": list("LIST_OPERATION"),
  "UpgradeEntryMeta.changes": list("LIST_UPGRADE"),
  "LedgerCloseMetaV1.evictedKeys": evicted,
  "LedgerCloseMetaV2.evictedKeys": evicted,
};
const WALKS: (Walk & { root: string; doc: string })[] = [
  {
    name: "walkChanges",
    root: "LedgerCloseMeta",
    doc: "Called at the header, at each transaction's result and for each list of ledger entry changes, in wire order; at last for the evicted keys.",
    visits: CHANGES_VISITS,
  },
  {
    name: "walkEvents",
    root: "LedgerCloseMeta",
    doc: "As ChangesVisitor, and for the lists of contract events that operations emit.",
    visits: {
      ...CHANGES_VISITS,
      "SorobanTransactionMeta.events": events,
      "OperationMetaV2.events": events,
    },
  },
  {
    name: "walkEnvelopes",
    root: "LedgerCloseMeta",
    doc: "Called for each transaction envelope of the transaction set, then for each transaction's result.",
    visits: {
      TransactionEnvelope: { method: "envelope", consumes: true },
      TransactionResultPair: { method: "transaction", consumes: false },
    },
  },
];

/** Skippers that hand-written code calls. */
const SKIPS = [
  ...["LedgerCloseMeta", "LedgerHeader", "StellarValue"],
  ...["LedgerEntry", "LedgerEntryExt", "LedgerKey", "ScVal", "ScAddress", "ContractExecutable"],
  ...["TransactionEnvelope", "TransactionV0", "Transaction", "FeeBumpTransaction"],
];

/** Layouts that hand-written code relies on (src/ledger): a new protocol that moves a field stops the generator. */
const LAYOUTS: Record<string, string> = {
  LedgerEntry: "lastModifiedLedgerSeq,data,ext",
  ContractDataEntry: "ext,contract,key,durability,val",
  TtlEntry: "keyHash,liveUntilLedgerSeq",
  LedgerKeyContractData: "contract,key,durability",
  ScContractInstance: "executable,storage",
  ScMapEntry: "key,val",
  ContractExecutableExternalRef: "executableOwner,tag",
  MuxedEd25519Account: "id,ed25519",
  Int128Parts: "hi,lo",
  Int256Parts: "hiHi,hiLo,loHi,loLo",
  ScNonceKey: "nonce",
  ContractEvent: "ext,contractId,type,body",
  ContractEventV0: "topics,data",
  LedgerHeaderHistoryEntry: "hash,header,ext",
  LedgerHeader:
    "ledgerVersion,previousLedgerHash,scpValue,txSetResultHash,bucketListHash,ledgerSeq,totalCoins,feePool,inflationSeq,idPool,baseFee,baseReserve,maxTxSetSize,skipList,ext",
  StellarValue: "txSetHash,closeTime,upgrades,ext",
  TransactionResultPair: "transactionHash,result",
  TransactionV1Envelope: "tx,signatures",
  TransactionV0Envelope: "tx,signatures",
  FeeBumpTransactionEnvelope: "tx,signatures",
  LedgerCloseMetaBatch: "startSequence,endSequence,ledgerCloseMeta",
};

function checkLayouts(): void {
  for (const [name, fields] of Object.entries(LAYOUTS)) {
    const type = typeNamed(name);
    const found = type.kind === "struct" ? type.fields.map(([field]) => field).join() : type.kind;
    if (found !== fields) throw new Error(`XDR type ${name} is now {${found}}, src/ledger was written for {${fields}}`);
  }
}

function banner(): string {
  const manifest = JSON.parse(readFileSync(SDK_MANIFEST, "utf8")) as { version: string };
  return `// Generated by scripts/generate-xdr.ts from @stellar/stellar-sdk ${manifest.version}. Do not edit: run \`make generate\`.\n`;
}

function skipFile(): string {
  const generator = new Generator();
  const visitors: string[] = [];
  for (const walk of WALKS) {
    const methods = new Map<string, Visit>();
    for (const visit of Object.values(walk.visits)) methods.set(visit.method, visit);
    const lines = [...methods.values()].map(
      (visit) =>
        `  ${visit.method}(d: DataView, p: number${visit.argument === undefined ? "" : ", list: number"}): ${visit.consumes ? "number" : "void"};`,
    );
    visitors.push(`/** ${walk.doc} */\nexport interface ${visitorName(walk)} {\n${lines.join("\n")}\n}`);
    generator.walkCall(walk, typeNamed(walk.root) as UnionType);
  }
  for (const name of SKIPS) generator.skipCall(typeNamed(name) as StructType, "0");
  return [
    banner(),
    `import { fail, XDR_DEPTH_MAX } from "../limits.ts";\n`,
    ["FEE", "TRANSACTION", "OPERATION", "FEE_REFUND", "UPGRADE", "EVICTION"]
      .map((name, i) => `export const LIST_${name} = ${i};`)
      .join("\n"),
    "",
    `/** Fewest bytes of one such value, to bound counts. */`,
    `export const LEDGER_ENTRY_CHANGE_BYTES_MIN = ${sizeMin(typeNamed("LedgerEntryChange"))};`,
    `export const LEDGER_KEY_BYTES_MIN = ${sizeMin(typeNamed("LedgerKey"))};`,
    `export const CONTRACT_EVENT_BYTES_MIN = ${sizeMin(typeNamed("ContractEvent"))};`,
    `export const LEDGER_CLOSE_META_BYTES_MIN = ${sizeMin(typeNamed("LedgerCloseMeta"))};\n`,
    "// Scratch of the skippers that loop instead of calling themselves: values left to read, per open level.",
    "const LEFT = new Int32Array(XDR_DEPTH_MAX);\n",
    visitors.join("\n\n"),
    "",
    generator.finish().join("\n\n"),
    "",
  ].join("\n");
}

function reference(type: Type): unknown {
  switch (type.kind) {
    case "number":
    case "enum":
    case "struct":
    case "union":
      return type.name;
    case "opaque":
      return ["opaque", type.length];
    case "bytes":
      return [type.text ? "string" : "bytes", type.max];
    case "array":
      return ["array", reference(type.of), type.length];
    case "list":
      return ["list", reference(type.of), type.max, sizeMin(type.of)];
    case "option":
      return ["option", reference(type.of)];
  }
}

function typesFile(): string {
  const lines: string[] = [];
  for (const name of [...named.keys()].sort()) {
    const type = typeNamed(name);
    if (type.kind === "struct") {
      lines.push(`  ${name}: ["struct", ${JSON.stringify(type.fields.map(([field, t]) => [field, reference(t)]))}],`);
    } else if (type.kind === "union") {
      const arms = type.arms.map((arm) => [arm.value, arm.label, arm.type === null ? null : reference(arm.type)]);
      lines.push(`  ${name}: ["union", ${JSON.stringify(type.switchOn)}, ${JSON.stringify(arms)}],`);
    } else if (type.kind === "enum") {
      lines.push(`  ${name}: ["enum", ${JSON.stringify(type.members)}],`);
    }
  }
  const recursiveNames = [...recursive].map((type) => ("name" in type ? type.name : "")).sort();
  return [
    banner(),
    `import type { XdrTypeTable } from "../type-table.ts";\n`,
    "/** Types that contain themselves: each level of one counts towards XDR_DEPTH_MAX. */",
    `export const RECURSIVE_TYPES: ReadonlySet<string> = new Set(${JSON.stringify(recursiveNames)});\n`,
    "export const XDR_TYPES: XdrTypeTable = {",
    ...lines,
    "};",
    "",
  ].join("\n");
}

/** File name → content of everything under src/xdr/generated. */
export function generateXdr(): Map<string, string> {
  return new Map([
    ["skip.ts", skipFile()],
    ["types.ts", typesFile()],
  ]);
}

const roots = xdr as unknown as Record<string, SdkType>;
for (const name of ["LedgerCloseMeta", "LedgerCloseMetaBatch"]) findRecursion(model(roots[name]!));
checkLayouts();

if (import.meta.main) {
  for (const [name, content] of generateXdr()) {
    writeFileSync(new URL(name, OUT_DIRECTORY), content);
    console.log(`src/xdr/generated/${name}: ${content.split("\n").length} lines`);
  }
}
