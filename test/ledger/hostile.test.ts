/**
 * Ledgers with one fault each, at every kind of place that the walker passes: which fault, at which byte, on which path.
 * The places come from random ledgers (test/fuzz), read by the SDK's types.
 */
import { describe, expect, test } from "bun:test";
import { TsvWriter } from "../../src/columns/text.ts";
import { LedgerDecoder } from "../../src/ledger/decoder.ts";
import { RowSet } from "../../src/ledger/row-set.ts";
import { XdrError } from "../../src/xdr/error.ts";
import { XDR_DEPTH_MAX } from "../../src/xdr/limits.ts";
import { caseSeed, Dice } from "../fuzz/dice.ts";
import { ledger53312000 } from "../fuzz/ledger-fixtures.ts";
import { randomContext, randomValue } from "../fuzz/random-value.ts";
import { type Shape, sizeMin, type UnionShape } from "../fuzz/sdk-types.ts";
import { LEDGER_CLOSE_META, NESTING, PlainFault, readTree, walk, type XdrNode } from "../fuzz/tree.ts";
import { PUBNET } from "../support/networks.ts";
import { buildLedger, concat, created, scMap, scSymbol, scU32, state, u32, updated } from "./build.ts";

const SEED = 4;
const LEDGERS = 100;
const ARM_TRIES = 8; // random values of one arm: some have empty lists
const LISTS_MIN = 100;
const UNKNOWN_ARM = 1_000_003;
const TEST_MS_MAX = 60_000;

interface Place {
  ledger: Uint8Array;
  node: XdrNode;
}

const decoders = ([1, 2] as const).map(
  (schemaVersion) =>
    new LedgerDecoder({ networkPassphrase: PUBNET, compat: "default", schemaVersion, assets: schemaVersion === 2 }),
);

/** Structs that rows are made of. */
const READ_STRUCTS = new Set([
  ...["LedgerHeader", "ContractDataEntry", "LedgerKeyContractData", "TtlEntry", "LedgerEntry", "LedgerKeyTtl"],
]);

/** The first place of every union, and of every list, string and byte string by the struct or union that it is in. */
const unions = new Map<string, Place>();
const counted = new Map<string, Place>();

/** Of the types that nest: one that is in no other of its kind. */
const outermost = new Map<string, Place>();

function collectOutermost(ledger: Uint8Array, node: XdrNode): void {
  const { shape } = node;
  // A key there is to be the one of the state before it.
  if ("name" in shape && shape.name === "LedgerEntryChange") return;
  if ("name" in shape && NESTING.has(shape.name)) {
    if (!outermost.has(shape.name)) outermost.set(shape.name, { ledger, node });
    return;
  }
  for (const child of node.children) collectOutermost(ledger, child);
}

function collect(ledger: Uint8Array, node: XdrNode, owner: string): void {
  const { shape } = node;
  if (shape.kind === "union" && !unions.has(shape.name)) unions.set(shape.name, { ledger, node });
  if ((shape.kind === "list" || shape.kind === "bytes") && !counted.has(owner)) counted.set(owner, { ledger, node });
  node.children.forEach((child, i) => {
    const step = shape.kind === "struct" ? shape.fields[i]!.name : shape.kind === "union" ? String(node.number) : "";
    collect(ledger, child, "name" in shape ? `${shape.name}.${step}` : `${owner}${shape.kind === "list" ? "[]" : ""}`);
  });
}

/** Takes note of the places in a ledger that decodes: random ones have a fault now and then. */
function note(ledger: Uint8Array): void {
  try {
    for (const decoder of decoders) decoder.decode(ledger, new RowSet());
  } catch {
    return;
  }
  const { root } = readTree(LEDGER_CLOSE_META, ledger);
  collect(ledger, root, "");
  collectOutermost(ledger, root);
}

for (let i = 0; i < LEDGERS; i++) {
  note(randomValue(LEDGER_CLOSE_META, randomContext(new Dice(caseSeed(SEED, i)), PUBNET)));
}
// What stands only in arms that no random ledger had: every arm of every union that was met, also of those met by that.
const dice = new Dice(SEED);
for (const { ledger, node } of unions.values()) {
  const { arms } = node.shape as UnionShape;
  for (const [discriminant, { shape }] of arms) {
    for (let tries = 0; shape !== undefined && tries < ARM_TRIES; tries++) {
      const arm = concat(u32(discriminant), randomValue(shape, randomContext(dice, PUBNET)));
      note(concat(ledger.subarray(0, node.start), arm, ledger.subarray(node.end)));
    }
  }
}

/** The names of all unions that a value of the shape may have in it. */
function unionsIn(shape: Shape | undefined, found: Set<string>, seen = new Set<Shape>()): Set<string> {
  if (shape === undefined || seen.has(shape)) return found;
  seen.add(shape);
  if (shape.kind === "union") {
    found.add(shape.name);
    for (const arm of shape.arms.values()) unionsIn(arm.shape, found, seen);
  } else if (shape.kind === "struct") for (const { shape: inner } of shape.fields) unionsIn(inner, found, seen);
  else if ("of" in shape) unionsIn(shape.of, found, seen);
  return found;
}

/** The fault of the ledger with another word at the place's beginning, the same from every decoder. */
function faultWith({ ledger, node }: Place, word: number): XdrError {
  const bytes = ledger.slice();
  new DataView(bytes.buffer).setUint32(node.start, word);
  expect(() => readTree(LEDGER_CLOSE_META, bytes)).toThrow(PlainFault);
  const [fault, other] = decoders.map((decoder) => faultOf(decoder, bytes));
  expect(other!.message).toBe(fault!.message);
  return fault!;
}

function faultOf(decoder: LedgerDecoder, bytes: Uint8Array): XdrError {
  const rows = new RowSet();
  try {
    decoder.decode(bytes, rows);
  } catch (thrown) {
    expect(rows.length).toBe(0);
    if (thrown instanceof XdrError) return thrown;
    throw thrown;
  }
  throw new Error("decoded without a fault");
}

test(
  "an unknown arm of every union says type, discriminant, byte offset and path",
  () => {
    expect([...unions.keys()].sort()).toEqual([...unionsIn(LEDGER_CLOSE_META, new Set())].sort());
    for (const [name, place] of unions) {
      for (const arm of [UNKNOWN_ARM, 0xffff_ff00]) {
        const fault = faultWith(place, arm);
        expect({ name, reason: fault.reason, type: fault.typeName, at: fault.byteOffset }).toEqual({
          ...{ name, reason: "XDR_UNKNOWN_ARM", type: name, at: place.node.start },
        });
        expect(fault.path).toMatch(/^LedgerCloseMeta(\.|$)/);
        expect(fault.message).toContain(`unknown arm ${arm | 0} of union ${name}`);
        expect(fault.message).toContain(`at byte ${place.node.start}, ${fault.path}`);
      }
    }
  },
  TEST_MS_MAX,
);

test(
  "a count or length near 2^31, or one over what is left, says so before anything is read",
  () => {
    expect(counted.size).toBeGreaterThanOrEqual(LISTS_MIN);
    for (const [name, place] of counted) {
      const { ledger, node } = place;
      const shape = node.shape as Shape & { kind: "list" | "bytes" };
      const unit = shape.kind === "list" ? sizeMin(shape.of) : 1;
      const overWhatIsLeft = Math.floor((ledger.length - node.start - 4) / unit) + 1;
      for (const count of [0x7fff_ffff, 0x8000_0000, 0x8000_0001, 0xffff_ffff, overWhatIsLeft]) {
        const fault = faultWith(place, count);
        expect({ name, count, reason: fault.reason, at: fault.byteOffset }).toEqual({
          ...{ name, count, reason: "XDR_LENGTH", at: node.start },
        });
        expect(fault.path).toStartWith("LedgerCloseMeta.");
        expect(fault.message).toContain(`length ${count} `);
        expect(fault.message).toContain(count > shape.max ? `limit of ${shape.max}` : "are left");
      }
    }
  },
  TEST_MS_MAX,
);

test.each([
  ["after its state", 1],
  ["after nothing", 0],
])("an unknown type of an updated entry %s is an unknown arm too, and not a pair that does not match", (_, index) => {
  const changes = [state({ key: scU32(1) }), updated({ key: scU32(1) })].slice(1 - index);
  const bytes = buildLedger({ transactions: [{ operations: [changes] }] });
  const view = new DataView(bytes.buffer);
  const data = [...walk(readTree(LEDGER_CLOSE_META, bytes).root)].filter(
    ({ shape }) => shape.kind === "union" && shape.name === "LedgerEntryData",
  );
  const at = data[index]!.start;
  view.setUint32(at, UNKNOWN_ARM);
  expect(() => decoders[0]!.decode(bytes, new RowSet())).toThrow(
    expect.objectContaining({ reason: "XDR_UNKNOWN_ARM", typeName: "LedgerEntryData", byteOffset: at }),
  );
});

describe("every type inside itself is read to the limit, and not one level more", () => {
  // Each nests in the place of something that every ledger, or every transaction, has.
  const scVal = (levels: number): Uint8Array =>
    concat(...Array.from({ length: levels - 1 }, () => concat(u32(16), u32(1), u32(1))), u32(1));
  const quorumSet = (levels: number): Uint8Array =>
    concat(...Array.from({ length: levels }, (_, i) => concat(u32(1), u32(0), u32(i < levels - 1 ? 1 : 0))));
  const predicate = (levels: number): Uint8Array =>
    concat(...Array.from({ length: levels - 1 }, () => concat(u32(3), u32(1))), u32(0));
  const invocation = (levels: number): Uint8Array => {
    const call = concat(u32(0), u32(1), new Uint8Array(32), u32(0), u32(0)); // a contract's function without arguments
    return concat(...Array.from({ length: levels }, (_, i) => concat(call, u32(i < levels - 1 ? 1 : 0))));
  };

  const delegate = (levels: number): Uint8Array => {
    const own = concat(u32(1), new Uint8Array(32), u32(1)); // a contract's address, a void signature
    // The last level is the innermost delegate's signature, a ScVal.
    return concat(...Array.from({ length: levels - 1 }, (_, i) => concat(own, u32(i < levels - 2 ? 1 : 0))));
  };

  const places: [name: string, nested: (levels: number) => Uint8Array, deepest?: string][] = [
    ["ScVal", scVal],
    ["ScpQuorumSet", quorumSet],
    ["ClaimPredicate", predicate],
    ["SorobanAuthorizedInvocation", invocation],
    ["SorobanDelegateSignature", delegate, "ScVal"],
  ];
  test.each(places)("%s", (name, nested, deepest = name) => {
    // One that stands in no other of its kind, in some random ledger.
    const found = outermost.get(name)!;
    const withLevels = (levels: number): Uint8Array =>
      concat(found.ledger.subarray(0, found.node.start), nested(levels), found.ledger.subarray(found.node.end));
    for (const decoder of decoders) decoder.decode(withLevels(XDR_DEPTH_MAX), new RowSet());
    const bytes = withLevels(XDR_DEPTH_MAX + 1);
    for (const decoder of decoders) {
      const thrown = faultOf(decoder, bytes);
      expect(thrown).toMatchObject({ reason: "XDR_TOO_DEEP", typeName: deepest });
      expect(thrown.byteOffset).toBeGreaterThan(found.node.start);
      expect(thrown.path.length).toBeGreaterThan("LedgerCloseMeta.".length + XDR_DEPTH_MAX);
      expect(thrown.message).toContain(`nested deeper than ${XDR_DEPTH_MAX} levels`);
    }
  });
});

test("bytes after the ledger say how many, and where they begin", () => {
  const { ledger } = [...unions.values()][0]!;
  for (const more of [1, 4, 1000]) {
    const thrown = faultOf(decoders[0]!, concat(ledger, new Uint8Array(more)));
    expect(thrown).toMatchObject({
      ...{ reason: "XDR_TRAILING_BYTES", typeName: "LedgerCloseMeta", byteOffset: ledger.length },
      path: "LedgerCloseMeta",
    });
    expect(thrown.message).toContain(`${more} bytes are left`);
  }
});

describe("what src/xdr/README.md lists as stepped over unread may be anything: the rows stay as they are", () => {
  const ledger = ledger53312000();
  const { root } = readTree(LEDGER_CLOSE_META, ledger);
  /** Leaves of everything that no row is made of. */
  const unread: { node: XdrNode; name: string }[] = [];
  const gather = (node: XdrNode, name: string): void => {
    const { shape } = node;
    if (shape.kind === "struct" && READ_STRUCTS.has(shape.name)) return;
    if (node.children.length === 0 && shape.kind !== "struct" && shape.kind !== "array") unread.push({ node, name });
    node.children.forEach((child, i) => {
      if (shape.kind !== "struct") gather(child, name);
      else if (shape.fields[i]!.name !== "transactionHash") gather(child, shape.fields[i]!.name);
    });
  };
  gather(root, "");

  const textOf = (bytes: Uint8Array): string => {
    const rows = new RowSet();
    decoders[0]!.decode(bytes, rows);
    return Buffer.from(new TsvWriter().write(rows)).toString("latin1");
  };
  const rowsText = textOf(ledger);
  expect(rowsText.length).toBeGreaterThan(0);

  const flip = (bytes: Uint8Array, from: number, to: number): void => {
    for (let at = from; at < to; at++) bytes[at]! ^= 0xff;
  };
  const contentEnd = (node: XdrNode): number => node.start + 4 + node.number;
  const classes: [string, (node: XdrNode, name: string) => boolean, (bytes: Uint8Array, node: XdrNode) => void][] = [
    [
      "padding",
      ({ shape, number }) => shape.kind === "bytes" && number % 4 !== 0,
      (bytes, node) => flip(bytes, contentEnd(node), node.end),
    ],
    ["bools", ({ shape }) => shape.kind === "bool", (bytes, node) => flip(bytes, node.start, node.end)],
    [
      "enums that decide nothing",
      ({ shape }) => shape.kind === "enum",
      (bytes, node) => flip(bytes, node.start, node.end),
    ],
    [
      "the content of strings, symbols and byte strings (signatures are such)",
      ({ shape, number }) => shape.kind === "bytes" && number > 0,
      (bytes, node) => flip(bytes, node.start + 4, contentEnd(node)),
    ],
    ["numbers", ({ shape }) => shape.kind === "number", (bytes, node) => flip(bytes, node.start, node.end)],
    ["hashes and keys", ({ shape }) => shape.kind === "opaque", (bytes, node) => flip(bytes, node.start, node.end)],
    ["sequence numbers", (_, name) => /^seqNum$/.test(name), (bytes, node) => flip(bytes, node.start, node.end)],
  ];
  const ONE_BY_ONE_MAX = 25; // spread over the ledger; then all at once

  test.each(classes)("%s", (_, isOne, mutate) => {
    const nodes = unread.filter(({ node, name }) => isOne(node, name)).map(({ node }) => node);
    expect(nodes.length).toBeGreaterThan(0);
    const step = Math.ceil(nodes.length / ONE_BY_ONE_MAX);
    for (let i = 0; i < nodes.length; i += step) {
      const bytes = ledger.slice();
      mutate(bytes, nodes[i]!);
      expect(bytes).not.toEqual(ledger);
      expect(textOf(bytes) === rowsText).toBe(true);
    }
    const bytes = ledger.slice();
    for (const node of nodes) mutate(bytes, node);
    expect(textOf(bytes) === rowsText).toBe(true);
  });

  test("the order and the uniqueness of a map's keys: the value is what the ledger says", () => {
    const val = scMap([
      [scSymbol("b"), scU32(1)],
      [scSymbol("a"), scU32(2)],
      [scSymbol("a"), scU32(3)],
    ]);
    const text = textOf(buildLedger({ transactions: [{ operations: [[created({ key: scU32(1), val })]] }] }));
    expect(text).toContain(`\t${Buffer.from(val).toString("base64")}\t`);
  });

  test("but a durability and a close time that cannot be are refused", () => {
    const durability = buildLedger({
      transactions: [{ operations: [[created({ key: scU32(1), durability: 2 })]] }],
    });
    expect(faultOf(decoders[0]!, durability)).toMatchObject({ reason: "XDR_VALUE" });
    expect(faultOf(decoders[0]!, buildLedger({ closeTime: 2n ** 63n }))).toMatchObject({ reason: "LEDGER_HEADER" });
  });
});
