/** The ends of a lake by asking for names: exact without holes, bounded with them. */
import { describe, expect, test } from "bun:test";
import { endByName, objectNear } from "../../src/sources/lake/ends-by-name.ts";
import { NEWEST, OLDEST } from "../../src/sources/lake/lake-ends.ts";
import { LEDGER_SEQUENCE_MAX } from "../../src/sources/limits.ts";
import { randomFrom, seedOf } from "../support/random.ts";

/** A lake of files `first` to `last` (numbers of files), but for holes; counts questions. */
class Names {
  questions = 0;
  private asked = 0;
  askedMax = 0;

  constructor(
    readonly size: number,
    readonly first: number,
    readonly last: number,
    readonly isHole: (file: number) => boolean = () => false,
  ) {}

  readonly has = async (ledger: number): Promise<boolean> => {
    expect(ledger % this.size).toBe(0);
    this.questions += 1;
    this.askedMax = Math.max(this.askedMax, ++this.asked);
    await Promise.resolve();
    this.asked -= 1;
    const file = ledger / this.size;
    return file >= this.first && file <= this.last && !this.isHole(file);
  };

  async ends(from: number): Promise<[number, number]> {
    const at = (end: 1 | -1) => endByName(this.has, this.size, from * this.size, end);
    return [(await at(OLDEST)) / this.size, (await at(NEWEST)) / this.size];
  }
}

test("both ends of lakes without holes, from anywhere in them", async () => {
  const seed = seedOf();
  const random = randomFrom(seed);
  const below = (max: number) => Math.floor(random() * max);
  for (let run = 0; run < 300; run++) {
    const size = [1, 8, 64, 1000][below(4)]!;
    const filesMax = Math.floor((LEDGER_SEQUENCE_MAX + 1) / size);
    const first = below(2) === 0 ? below(3) : below(filesMax);
    const last = Math.min(filesMax - 1, first + below(2 ** below(28)));
    const names = new Names(size, first, last);
    const from = first + below(last - first + 1);
    expect(await names.ends(from), `SEED=${seed} run ${run}`).toEqual([first, last]);
    expect(names.questions, `SEED=${seed} run ${run}`).toBeLessThan(200);
    expect(names.askedMax).toBeLessThanOrEqual(8);
  }
});

describe("holes", () => {
  test("what is longer than the hole before it is found", async () => {
    const names = new Names(1, 1000, 2000, (file) => file >= 1500 && file < 1700);
    expect(await names.ends(1499)).toEqual([1000, 2000]);
    expect(await names.ends(1700)).toEqual([1000, 2000]);
  });

  test("what is shorter may be hidden, and nothing is taken for an object that is none", async () => {
    const names = new Names(1, 1000, 2000, (file) => file > 1500 && file < 1999);
    const [first, last] = await names.ends(1200);
    expect([first, last === 1500 || last === 2000]).toEqual([1000, true]);
  });

  test("every second file missing: it ends", async () => {
    const names = new Names(1, 0, 100_000, (file) => file % 2 === 1);
    const [first, last] = await names.ends(50_000);
    expect([first, last]).toEqual([0, 100_000]);
    expect(names.questions).toBeLessThan(2_000);
  });
});

test("an object near a ledger that is not there", async () => {
  const names = new Names(64, 1000, 2000);
  expect(await objectNear(names.has, 64, 1500 * 64)).toBe(1500 * 64);
  for (const file of [999, 900, 2001, 2500]) {
    const found = (await objectNear(names.has, 64, file * 64))! / 64;
    expect([file, found >= 1000 && found <= 2000]).toEqual([file, true]);
  }
  expect(await objectNear(names.has, 64, 1_000_000 * 64)).toBeUndefined();
  // A whole lake of a network is found from its beginning.
  expect(await objectNear(new Names(1, 3, 60_000_000).has, 1, 0)).toBe(4);
});
