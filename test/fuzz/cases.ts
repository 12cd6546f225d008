/** One fuzz case: the bytes to decode and how they came about. */
import { smallLedger } from "./corpus.ts";
import { caseSeed, Dice } from "./dice.ts";
import { LOAD_TEST, PUBNET } from "./ledger-fixtures.ts";
import { BYTE_MUTATIONS, TREE_MUTATIONS } from "./mutations.ts";
import { randomContext, randomValue } from "./random-value.ts";
import { copyOf, LEDGER_CLOSE_META, readTree, writeTree, type XdrNode } from "./tree.ts";

export interface FuzzCase {
  /** How it was made, for people. */
  description: string;
  passphrase: string;
  bytes: Uint8Array;
}

const TREE_CHANGES_MAX = 3;

/** Case `index` of the run with `seed`: always the same bytes. */
export function makeCase(seed: number, index: number): FuzzCase {
  const dice = new Dice(caseSeed(seed, index));
  const begin = dice.chance(0.4) ? randomLedger(dice) : realLedger(dice);
  const { passphrase } = begin;
  const steps = [begin.description];
  let { root } = begin;
  const kind = dice.below(10);
  if (kind === 0) return { description: steps.join(), passphrase, bytes: writeTree(root) };
  if (kind < 6) {
    root = copyOf(root);
    const context = randomContext(dice, passphrase);
    const other = (dice.chance(0.5) ? randomLedger(dice) : realLedger(dice)).root;
    for (let n = dice.between(1, TREE_CHANGES_MAX); n > 0; n--) {
      const name = dice.pick(Object.keys(TREE_MUTATIONS));
      TREE_MUTATIONS[name]!(root, dice, context, other);
      steps.push(name);
    }
  }
  let bytes = writeTree(root);
  if (kind >= 5) {
    const name = dice.pick(Object.keys(BYTE_MUTATIONS));
    const other = writeTree((dice.chance(0.5) ? randomLedger(dice) : realLedger(dice)).root);
    bytes = BYTE_MUTATIONS[name]!(bytes, dice, other);
    steps.push(name);
  }
  return { description: steps.join(", "), passphrase, bytes };
}

interface Beginning {
  description: string;
  passphrase: string;
  root: XdrNode;
}

function randomLedger(dice: Dice): Beginning {
  const passphrase = dice.pick([PUBNET, LOAD_TEST]);
  const bytes = randomValue(LEDGER_CLOSE_META, randomContext(dice, passphrase));
  return { description: "a random ledger", passphrase, root: readTree(LEDGER_CLOSE_META, bytes).root };
}

function realLedger(dice: Dice): Beginning {
  return { description: "a small real ledger", ...smallLedger(dice) };
}
