/**
 * XDR as a tree of nodes that know where they lie: read by the SDK's types, one value at a time, with no thought of
 * speed. The tree can be changed and written back.
 */
import { padded, type Shape, shapeNamed, sizeMin } from "./sdk-types.ts";

/** Levels of types inside themselves that src/xdr/README.md promises to read, and not one more. */
export const DEPTH_MAX = 200;
/** Those types. */
export const NESTING: ReadonlySet<string> = new Set([
  ...["ScVal", "ClaimPredicate", "SorobanAuthorizedInvocation", "SorobanDelegateSignature", "ScpQuorumSet"],
]);

export interface XdrNode {
  shape: Shape;
  /** The bytes that it was read from, and where in them it lies. */
  source: Uint8Array;
  start: number;
  end: number;
  /** Discriminant of a union, flag of an option, number of elements or bytes, value of a bool, an enum or an int. */
  number: number;
  children: XdrNode[];
}

/** Something that no check speaks of: src/xdr/README.md, "What is stepped over unread". */
export interface Unvalidated {
  at: number;
  what: "padding" | "bool" | "enum";
}

/** Why bytes are not a value: the plain decoder's own words. */
export class PlainFault extends Error {
  constructor(
    readonly kind: "xdr" | "depth" | "pairing" | "header" | "durability",
    message: string,
  ) {
    super(message);
  }
}

class Reader {
  private at = 0;
  readonly unvalidated: Unvalidated[] = [];
  private readonly view: DataView;

  constructor(private readonly bytes: Uint8Array) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  whole(shape: Shape): XdrNode {
    const node = this.read(shape, 0);
    if (this.at !== this.bytes.length) throw new PlainFault("xdr", `${this.bytes.length - this.at} bytes are left`);
    return node;
  }

  private read(shape: Shape, depth: number): XdrNode {
    const node: XdrNode = { shape, source: this.bytes, start: this.at, end: 0, number: 0, children: [] };
    switch (shape.kind) {
      case "number":
        if (shape.size === 4) node.number = this.int();
        else this.skip(8);
        break;
      case "bool":
        node.number = this.int();
        if (node.number !== 0 && node.number !== 1) this.unvalidated.push({ at: node.start, what: "bool" });
        break;
      case "enum":
        node.number = this.int();
        if (!shape.values.includes(node.number)) this.unvalidated.push({ at: node.start, what: "enum" });
        break;
      case "opaque":
        this.opaque(shape.length);
        break;
      case "bytes":
        node.number = this.length(shape.max, 1);
        this.opaque(node.number);
        break;
      case "array":
        for (let i = 0; i < shape.length; i++) node.children.push(this.read(shape.of, depth));
        break;
      case "list":
        node.number = this.length(shape.max, sizeMin(shape.of));
        for (let i = 0; i < node.number; i++) node.children.push(this.read(shape.of, depth));
        break;
      case "option":
        node.number = this.int();
        if (node.number !== 0 && node.number !== 1) throw new PlainFault("xdr", `flag ${node.number} of an option`);
        if (node.number === 1) node.children.push(this.read(shape.of, depth));
        break;
      case "struct": {
        const inner = deeper(shape.name, depth);
        for (const field of shape.fields) node.children.push(this.read(field.shape, inner));
        break;
      }
      case "union": {
        const inner = deeper(shape.name, depth);
        node.number = this.int();
        const arm = shape.arms.get(node.number);
        if (arm === undefined) throw new PlainFault("xdr", `${shape.name} has no arm ${node.number}`);
        if (arm.shape !== undefined) node.children.push(this.read(arm.shape, inner));
        break;
      }
    }
    node.end = this.at;
    return node;
  }

  private int(): number {
    this.skip(4);
    return this.view.getInt32(this.at - 4);
  }

  private length(max: number, unit: number): number {
    const n = this.int() >>> 0;
    if (n > max) throw new PlainFault("xdr", `length ${n} is over ${max}`);
    if (n * unit > this.bytes.length - this.at) throw new PlainFault("xdr", `length ${n} does not fit`);
    return n;
  }

  private opaque(length: number): void {
    this.skip(length);
    const padding = padded(length) - length;
    this.skip(padding);
    for (let at = this.at - padding; at < this.at; at++) {
      if (this.bytes[at] !== 0) this.unvalidated.push({ at, what: "padding" });
    }
  }

  private skip(bytes: number): void {
    if (bytes > this.bytes.length - this.at) throw new PlainFault("xdr", "the bytes end early");
    this.at += bytes;
  }
}

function deeper(name: string, depth: number): number {
  if (!NESTING.has(name)) return depth;
  if (depth >= DEPTH_MAX) throw new PlainFault("depth", `${name} is nested deeper than ${DEPTH_MAX}`);
  return depth + 1;
}

/** Reads `bytes` as one value and nothing else. @throws PlainFault */
export function readTree(shape: Shape, bytes: Uint8Array): { root: XdrNode; unvalidated: Unvalidated[] } {
  const reader = new Reader(bytes);
  return { root: reader.whole(shape), unvalidated: reader.unvalidated };
}

export const LEDGER_CLOSE_META = shapeNamed("LedgerCloseMeta");

/** The node's own bytes, as they were read. */
export function rawOf(node: XdrNode): Uint8Array {
  return node.source.subarray(node.start, node.end);
}

/** A struct's field by its name in the SDK. */
export function field(node: XdrNode, name: string): XdrNode {
  if (node.shape.kind !== "struct") throw new Error(`${node.shape.kind} has no field ${name}`);
  const index = node.shape.fields.findIndex((f) => f.name === name);
  if (index < 0) throw new Error(`${node.shape.name} has no field ${name}`);
  return node.children[index]!;
}

export function hasField(node: XdrNode, name: string): boolean {
  return node.shape.kind === "struct" && node.shape.fields.some((f) => f.name === name);
}

/** The content of a string, symbol or byte string, without length and padding. */
export function contentOf(node: XdrNode): Uint8Array {
  return node.source.subarray(node.start + 4, node.start + 4 + node.number);
}

/** All nodes, parents first. */
export function* walk(node: XdrNode): Generator<XdrNode> {
  yield node;
  for (const child of node.children) yield* walk(child);
}

/** The tree's bytes, after changes to `number` of unions and options, and to the children of anything. */
export function writeTree(node: XdrNode): Uint8Array {
  const parts: Uint8Array[] = [];
  write(node, parts);
  return new Uint8Array(Buffer.concat(parts));
}

function write(node: XdrNode, parts: Uint8Array[]): void {
  switch (node.shape.kind) {
    case "list":
      parts.push(int32(node.children.length));
      break;
    case "option":
      parts.push(int32(node.children.length));
      break;
    case "union":
      parts.push(int32(node.number));
      break;
    case "struct":
    case "array":
      break;
    default:
      parts.push(rawOf(node));
  }
  for (const child of node.children) write(child, parts);
}

export function int32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setInt32(0, value);
  return bytes;
}

/** A node of its own, so that one part of a tree can be changed and the rest shared. */
export function copyOf(node: XdrNode): XdrNode {
  return { ...node, children: node.children.map(copyOf) };
}
