/**
 * Finds the ends of a lake that cannot be listed. From an object that is there, a pass asks for those 1, 2, 4, 8, …
 * objects further on, goes to the farthest that is there, and on from it in halving steps; passes go on until one finds
 * nothing:
 *
 *     object ─ +1 ─ +2 ── +4 ──── +8 there ───────── +16 not there
 *                                  └─ +4? ─ +2? ─ +1? ─▶ end
 *
 * Of a lake without holes both ends are exact, after some 60 questions each. Behind a hole, objects are found too where
 * they are more than the hole is long; fewer are not seen until it is filled.
 */
import { LEDGER_SEQUENCE_MAX } from "../limits.ts";
import { type LakeEnd, NEWEST, OLDEST } from "./lake-ends.ts";

/** Whether the object that holds a ledger is there. Throws where that cannot be told. */
type IsThere = (ledger: number) => Promise<boolean>;

/** Objects asked for at a time: a small server must not be flooded. */
const QUESTIONS_MAX = 8;

/** One finds the end of a lake without holes, and a second that nothing follows; holes take some more. */
const PASSES_MAX = 16;

/**
 * The first ledger of the outermost object.
 * @param from first ledger of an object that is there
 * @param ledgersPerFile the lake's
 */
export async function endByName(isThere: IsThere, ledgersPerFile: number, from: number, end: LakeEnd): Promise<number> {
  let at = from;
  for (let pass = 0; pass < PASSES_MAX; pass++) {
    const steps = [...further(at, ledgersPerFile, end)];
    const far = (await answers(isThere, steps)).lastIndexOf(true);
    if (far < 0) return at;
    at = steps[far]!;
    for (let doublings = far - 1; doublings >= 0; doublings--) {
      const next = at + end * ledgersPerFile * 2 ** doublings;
      if (next >= 0 && next <= LEDGER_SEQUENCE_MAX && (await isThere(next))) at = next;
    }
  }
  return at;
}

/**
 * First ledger of an object that is there, at `ledger` or at a distance of 1, 2, 4, … objects from it, the nearest first;
 * undefined where none is.
 * @param ledger first one of its file
 */
export async function objectNear(
  isThere: IsThere,
  ledgersPerFile: number,
  ledger: number,
): Promise<number | undefined> {
  const around = [...further(ledger, ledgersPerFile, NEWEST), ...further(ledger, ledgersPerFile, OLDEST)];
  const candidates = [ledger, ...around.sort((a, b) => Math.abs(a - ledger) - Math.abs(b - ledger))];
  for (let at = 0; at < candidates.length; at += QUESTIONS_MAX) {
    const some = candidates.slice(at, at + QUESTIONS_MAX);
    const there = (await answers(isThere, some)).indexOf(true);
    if (there >= 0) return some[there];
  }
  return undefined;
}

function* further(from: number, ledgersPerFile: number, end: LakeEnd): Generator<number, void, undefined> {
  for (let distance = ledgersPerFile; ; distance *= 2) {
    const next = from + end * distance;
    if (next < 0 || next > LEDGER_SEQUENCE_MAX) return;
    yield next;
  }
}

async function answers(isThere: IsThere, ledgers: readonly number[]): Promise<boolean[]> {
  const all: boolean[] = [];
  for (let at = 0; at < ledgers.length; at += QUESTIONS_MAX) {
    all.push(...(await Promise.all(ledgers.slice(at, at + QUESTIONS_MAX).map(isThere))));
  }
  return all;
}
