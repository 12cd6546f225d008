/** Ways to make another ledger out of one. */
import { concat, int } from "./bytes.ts";
import type { Dice } from "./dice.ts";
import { type RandomContext, randomValue } from "./random-value.ts";
import { DEPTH_MAX, rawOf, readTree, walk, writeTree, type XdrNode } from "./tree.ts";

const FLIPS_MAX = 8;
const INSERTED_MAX = 64;
const WORDS = [0, 1, 2, 3, 4, 5, 7, 22, 23, 100, 199, 200, 201, 0xffff, 0x7fff_ffff, -0x8000_0000, -1, -2, -4];

/** Bytes, whatever they mean. */
export const BYTE_MUTATIONS: Readonly<
  Record<string, (bytes: Uint8Array, dice: Dice, other: Uint8Array) => Uint8Array>
> = {
  "flip bits": (bytes, dice) => {
    const changed = bytes.slice();
    for (let n = dice.between(1, FLIPS_MAX); n > 0; n--) changed[dice.below(bytes.length)]! ^= 1 << dice.below(8);
    return changed;
  },
  "set a word": (bytes, dice) => {
    const changed = bytes.slice();
    changed.set(int(dice.pick(WORDS)), 4 * dice.below(bytes.length >> 2));
    return changed;
  },
  "add to a word": (bytes, dice) => {
    const changed = bytes.slice();
    const at = 4 * dice.below(bytes.length >> 2);
    const view = new DataView(changed.buffer);
    view.setInt32(at, view.getInt32(at) + dice.pick([-4, -2, -1, 1, 2, 4]));
    return changed;
  },
  truncate: (bytes, dice) => bytes.slice(0, dice.below(bytes.length)),
  append: (bytes, dice) => concat(bytes, dice.bytes(dice.between(1, INSERTED_MAX))),
  insert: (bytes, dice) => {
    const at = dice.chance(0.8) ? 4 * dice.below(bytes.length >> 2) : dice.below(bytes.length);
    return concat(bytes.subarray(0, at), dice.bytes(4 * dice.between(1, INSERTED_MAX >> 2)), bytes.subarray(at));
  },
  delete: (bytes, dice) => {
    const at = 4 * dice.below(bytes.length >> 2);
    return concat(bytes.subarray(0, at), bytes.subarray(at + 4 * dice.between(1, 16)));
  },
  "repeat a part": (bytes, dice) => {
    const from = 4 * dice.below(bytes.length >> 2);
    const to = from + 4 * dice.between(1, 100);
    return concat(bytes.subarray(0, to), bytes.subarray(from));
  },
  splice: (bytes, dice, other) =>
    concat(bytes.subarray(0, 4 * dice.below(bytes.length >> 2)), other.subarray(4 * dice.below(other.length >> 2))),
};

function nodesOf(root: XdrNode, isWanted: (node: XdrNode) => boolean): XdrNode[] {
  return [...walk(root)].filter(isWanted);
}

/** A node of a random type among those wanted, then a random one of that type: rare types come up as often as common. */
function pickNode(root: XdrNode, dice: Dice, isWanted: (node: XdrNode) => boolean): XdrNode | undefined {
  const byShape = Map.groupBy(nodesOf(root, isWanted), (node) => node.shape);
  if (byShape.size === 0) return undefined;
  return dice.pick(byShape.get(dice.pick([...byShape.keys()]))!);
}

function put(target: XdrNode, replacement: XdrNode): void {
  Object.assign(target, replacement);
}

function randomNode(node: XdrNode, context: RandomContext): XdrNode {
  return readTree(node.shape, randomValue(node.shape, context, 6)).root;
}

/** Changes to a tree, in place. */
export const TREE_MUTATIONS: Readonly<
  Record<string, (root: XdrNode, dice: Dice, context: RandomContext, other: XdrNode) => void>
> = {
  "replace a value": (root, dice, context) => {
    const node = pickNode(root, dice, (n) => n !== root && n.children.length === 0);
    if (node !== undefined) put(node, randomNode(node, context));
  },
  "replace a part": (root, dice, context) => {
    const node = pickNode(root, dice, (n) => n !== root && n.end - n.start < 4000);
    if (node !== undefined) put(node, randomNode(node, context));
  },
  "another arm": (root, dice, context) => {
    const node = pickNode(root, dice, (n) => n !== root && n.shape.kind === "union");
    if (node === undefined || node.shape.kind !== "union") return;
    // half of the time the content stays what it was, under the wrong discriminant
    if (dice.chance(0.5)) node.number = dice.pick([...node.shape.arms.keys()]);
    else put(node, randomNode(node, context));
  },
  "drop an element": (root, dice) => {
    const list = pickNode(root, dice, (n) => n.shape.kind === "list" && n.children.length > 0);
    list?.children.splice(dice.below(list.children.length), 1);
  },
  "repeat an element": (root, dice) => {
    const list = pickNode(root, dice, (n) => n.shape.kind === "list" && n.children.length > 0);
    list?.children.splice(dice.below(list.children.length), 0, dice.pick(list.children));
  },
  "swap elements": (root, dice) => {
    const list = pickNode(root, dice, (n) => n.shape.kind === "list" && n.children.length > 1);
    if (list === undefined) return;
    const [a, b] = [dice.below(list.children.length), dice.below(list.children.length)];
    [list.children[a], list.children[b]] = [list.children[b]!, list.children[a]!];
  },
  "exchange parts of one type": (root, dice) => {
    const one = pickNode(root, dice, (n) => n !== root);
    const same = nodesOf(root, (n) => n.shape === one?.shape);
    if (one === undefined) return;
    const two = dice.pick(same);
    if ([...walk(one)].includes(two) || [...walk(two)].includes(one)) return;
    const kept = { ...one };
    put(one, two);
    put(two, kept);
  },
  "graft from another ledger": (root, dice, _context, other) => {
    const graft = pickNode(other, dice, (n) => n !== other && n.end - n.start < 4000);
    const places = nodesOf(root, (n) => n.shape === graft?.shape);
    if (graft !== undefined && places.length > 0) put(dice.pick(places), graft);
  },
  "wrong length": (root, dice) => {
    const node = pickNode(root, dice, (n) => ["list", "bytes", "option"].includes(n.shape.kind));
    if (node === undefined) return;
    const bytes = writeTree(node);
    const count = new DataView(bytes.buffer).getInt32(0);
    new DataView(bytes.buffer).setInt32(0, dice.chance(0.5) ? count + dice.pick([-2, -1, 1, 2, 3]) : dice.pick(WORDS));
    put(node, rawNode(bytes));
  },
  "what is not validated": (root, dice) => {
    const kinds = ["bool", "enum", "bytes", "opaque"];
    for (let n = dice.between(1, 3); n > 0; n--) {
      const node = pickNode(root, dice, (m) => kinds.includes(m.shape.kind) && (isValue(m) || padding(m) > 0));
      if (node === undefined) return;
      const bytes = rawOf(node).slice();
      const changed = isValue(node) ? 4 : padding(node);
      bytes.set(dice.bytes(changed), bytes.length - changed);
      put(node, rawNode(bytes));
    }
  },
  nest: (root, dice) => {
    const val = pickNode(root, dice, (n) => n.shape.kind === "union" && n.shape.name === "ScVal");
    if (val !== undefined) put(val, nested(val, dice));
  },
};

function isValue(node: XdrNode): boolean {
  return node.shape.kind === "bool" || node.shape.kind === "enum";
}

function padding(node: XdrNode): number {
  const content = node.shape.kind === "opaque" ? node.shape.length : node.number;
  return -content & 3;
}

/** Bytes that stand in a tree without being anything. */
function rawNode(source: Uint8Array): XdrNode {
  const shape = { kind: "opaque", length: source.length } as const;
  return { shape, source, start: 0, end: source.length, number: 0, children: [] };
}

const VEC_OF_ONE = concat(int(16), int(1), int(1));
const MAP_OF_ONE = concat(int(17), int(1), int(1), int(1)); // its key is a void
const DEEP = 20_000; // far over any stack's comfort, small enough to be quick

/** The value inside lists inside lists: around the limit, or far past it. */
function nested(val: XdrNode, dice: Dice): XdrNode {
  const level = dice.chance(0.5) ? VEC_OF_ONE : MAP_OF_ONE;
  const levels = dice.chance(0.8) ? dice.between(DEPTH_MAX - 6, DEPTH_MAX + 2) : dice.pick([1, 50, 1000, DEEP]);
  const bytes = concat(...Array.from({ length: levels }, () => level), writeTree(val));
  return rawNode(bytes);
}
