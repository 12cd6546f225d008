/**
 * The slow reader: walks bytes by the type table, checking what the fast walkers check, and says what is wrong and
 * where. It runs only after a fast walk gave up, so that the fast code carries neither names nor paths.
 */
import { XdrError, type XdrReason } from "./error.ts";
import { RECURSIVE_TYPES, XDR_TYPES } from "./generated/types.ts";
import { XDR_DEPTH_MAX } from "./limits.ts";
import type { XdrTypeReference } from "./type-table.ts";

const NUMBER_BYTES: Readonly<Record<string, number>> = { int: 4, uint: 4, hyper: 8, uhyper: 8, bool: 4 };

class Inspector {
  /** Path of the value being read, outermost type first; joined only when it is asked for. */
  private readonly path: string[];
  private position = 0;
  /** Where it lies inside the bytes: reading stops at the first value that starts at or after `target`. */
  private found: string | undefined;

  constructor(
    private readonly view: DataView,
    private readonly root: string,
    private readonly target = Number.POSITIVE_INFINITY,
  ) {
    this.path = [root];
  }

  /** @throws XdrError at the first fault. */
  whole(): void {
    this.value(this.root, this.root, 0);
    if (this.position < this.view.byteLength) {
      const left = this.view.byteLength - this.position;
      this.refuse("XDR_TRAILING_BYTES", this.root, this.position, `${left} bytes are left after the value`);
    }
  }

  /** The path of the innermost value around the target byte, of those that have a name. */
  locate(): string {
    try {
      this.value(this.root, this.root, 0);
    } catch (error) {
      if (!(error instanceof XdrError)) throw error;
    }
    return this.found ?? this.path.join("");
  }

  private refuse(reason: XdrReason, typeName: string, at: number, detail: string): never {
    throw new XdrError(reason, typeName, at, this.path.join(""), detail);
  }

  private need(bytes: number, typeName: string): void {
    const left = this.view.byteLength - this.position;
    if (bytes <= left) return;
    this.refuse("XDR_TRUNCATED", typeName, this.position, `${bytes} bytes are needed and ${left} are left`);
  }

  private uint(typeName: string): number {
    this.need(4, typeName);
    const value = this.view.getUint32(this.position);
    this.position += 4;
    return value;
  }

  private length(typeName: string, max: number, unit: number): number {
    const at = this.position;
    const n = this.uint(typeName);
    const left = this.view.byteLength - this.position;
    if (n > max) this.refuse("XDR_LENGTH", typeName, at, `length ${n} is over the type's limit of ${max}`);
    if (n * unit > left) {
      this.refuse("XDR_LENGTH", typeName, at, `length ${n} needs ${n * unit} bytes and ${left} are left`);
    }
    return n;
  }

  private skip(bytes: number, typeName: string): void {
    this.need(bytes, typeName);
    this.position += bytes;
  }

  private inside(step: string, type: XdrTypeReference, owner: string, depth: number): void {
    this.path.push(step);
    const start = this.position;
    this.value(type, owner, depth);
    if (this.found === undefined && this.target >= start && this.target < this.position) {
      this.found = this.path.join("");
    }
    this.path.pop();
  }

  private value(type: XdrTypeReference, owner: string, depth: number): void {
    if (typeof type === "string") {
      this.named(type, owner, depth);
      return;
    }
    switch (type[0]) {
      case "opaque":
        this.skip((type[1] + 3) & ~3, owner);
        return;
      case "bytes":
      case "string":
        this.skip((this.length(owner, type[1], 1) + 3) & ~3, owner);
        return;
      case "array":
        for (let i = 0; i < type[2]; i++) this.inside(`[${i}]`, type[1], owner, depth);
        return;
      case "list": {
        const n = this.length(owner, type[2], type[3]);
        for (let i = 0; i < n; i++) this.inside(`[${i}]`, type[1], owner, depth);
        return;
      }
      case "option": {
        const at = this.position;
        const flag = this.uint(owner);
        if (flag > 1) this.refuse("XDR_VALUE", owner, at, `an optional's flag is ${flag}, not 0 or 1`);
        if (flag === 1) this.value(type[1], owner, depth);
        return;
      }
    }
  }

  private named(name: string, owner: string, depth: number): void {
    const bytes = NUMBER_BYTES[name];
    if (bytes !== undefined) {
      this.skip(bytes, owner);
      return;
    }
    const definition = XDR_TYPES[name];
    if (definition === undefined) throw new Error(`no XDR type ${name} (in ${owner})`);
    if (definition[0] === "enum") {
      this.skip(4, name);
      return;
    }
    let inner = depth;
    if (RECURSIVE_TYPES.has(name)) {
      if (depth >= XDR_DEPTH_MAX) {
        this.refuse("XDR_TOO_DEEP", name, this.position, `nested deeper than ${XDR_DEPTH_MAX} levels`);
      }
      inner = depth + 1;
    }
    if (definition[0] === "struct") {
      for (const [field, type] of definition[1]) this.inside(`.${field}`, type, name, inner);
      return;
    }
    const at = this.position;
    const discriminant = this.uint(name) | 0;
    const arm = definition[2].find(([value]) => value === discriminant);
    if (arm === undefined) {
      this.refuse("XDR_UNKNOWN_ARM", name, at, `unknown arm ${discriminant} of union ${name}: a newer protocol?`);
    }
    if (arm[2] !== null) this.inside(`.${arm[1]}`, arm[2], name, inner);
  }
}

/** The first fault in `bytes` read as one `typeName` and nothing after it; undefined where the slow reader finds none. */
export function findFault(typeName: string, view: DataView): XdrError | undefined {
  try {
    new Inspector(view, typeName).whole();
    return undefined;
  } catch (error) {
    if (error instanceof XdrError) return error;
    throw error;
  }
}

/** XDR path of the innermost named value around byte `byteOffset` of a `typeName`. */
export function pathAt(typeName: string, view: DataView, byteOffset: number): string {
  return new Inspector(view, typeName, byteOffset).locate();
}
