/** One fuzz case: the bytes to decode and how they came about. */
import { LOAD_TEST, PUBNET } from "../support/networks.ts";
import { smallLedger } from "./corpus.ts";
import { caseSeed, Dice } from "./dice.ts";
import { BYTE_MUTATIONS, TREE_MUTATIONS } from "./mutations.ts";
import { type RandomContext, randomContext, randomValue } from "./random-value.ts";
import { copyOf, field, int32, LEDGER_CLOSE_META, readTree, writeTree, type XdrNode } from "./tree.ts";

export interface FuzzCase {
  /** How it was made, for people. */
  description: string;
  passphrase: string;
  bytes: Uint8Array;
  /** Ledgers of the same stream that come before it. */
  before?: readonly Uint8Array[];
}

const TREE_CHANGES_MAX = 3;
const BEFORE_MAX = 2;
/** How far before the case's ledger another one lies: around the delay after which what it shows is known. */
const DISTANCES = [1, 255, 255, 255, 256, 256, 256, 257, 1000];

/** Case `index` of the run with `seed`: always the same bytes. */
export function makeCase(seed: number, index: number): FuzzCase {
  const dice = new Dice(caseSeed(seed, index));
  const ledgersBefore = dice.chance(0.25) ? dice.between(1, BEFORE_MAX) : 0;
  // real ledgers have nothing to do with what random ones before them show
  const real = dice.chance(ledgersBefore > 0 ? 0.1 : 0.7) ? smallLedger(dice) : undefined;
  const passphrase = real?.passphrase ?? dice.pick([PUBNET, LOAD_TEST]);
  // the same assets all through the stream
  const context = randomContext(dice, passphrase);
  const earlier = Array.from({ length: ledgersBefore }, () => randomLedger(context));
  let root = real?.root ?? randomLedger(context);
  const before = placeBefore(earlier, root, dice);
  const steps = [real === undefined ? "a random ledger" : "a small real ledger"];
  if (before.length > 0) steps.push(`after ${before.length} others`);
  const kind = before.length > 0 && dice.chance(0.6) ? 0 : dice.below(10);
  if (kind === 0) return { description: steps.join(", "), passphrase, bytes: writeTree(root), before };
  if (kind < 6) {
    root = copyOf(root);
    const other = otherLedger(dice, passphrase);
    for (let n = dice.between(1, TREE_CHANGES_MAX); n > 0; n--) {
      const name = dice.pick(Object.keys(TREE_MUTATIONS));
      TREE_MUTATIONS[name]!(root, dice, context, other);
      steps.push(name);
    }
  }
  let bytes = writeTree(root);
  if (kind >= 5) {
    const name = dice.pick(Object.keys(BYTE_MUTATIONS));
    const other = writeTree(otherLedger(dice, passphrase));
    bytes = BYTE_MUTATIONS[name]!(bytes, dice, other);
    steps.push(name);
  }
  return { description: steps.join(", "), passphrase, bytes, before };
}

/** Gives the ledgers sequences at distances before that of `root`, which becomes large enough for it. */
function placeBefore(ledgers: readonly XdrNode[], root: XdrNode, dice: Dice): Uint8Array[] {
  if (ledgers.length === 0) return [];
  const sequence = Math.max(...DISTANCES) + dice.below(2 ** 31);
  setSequence(root, sequence);
  return ledgers.map((ledger) => {
    setSequence(ledger, sequence - dice.pick(DISTANCES));
    const bytes = writeTree(ledger);
    return dice.chance(0.1) ? dice.pick(Object.values(BYTE_MUTATIONS))(bytes, dice, bytes) : bytes;
  });
}

function setSequence(root: XdrNode, sequence: number): void {
  const header = field(field(root.children[0]!, "ledgerHeader"), "header");
  const source = int32(sequence);
  Object.assign(field(header, "ledgerSeq"), { source, start: 0, end: source.length, number: sequence });
}

function randomLedger(context: RandomContext): XdrNode {
  return readTree(LEDGER_CLOSE_META, randomValue(LEDGER_CLOSE_META, context)).root;
}

function otherLedger(dice: Dice, passphrase: string): XdrNode {
  return dice.chance(0.5) ? randomLedger(randomContext(dice, passphrase)) : smallLedger(dice).root;
}
