import { describe, expect, test } from "bun:test";
import { AheadBudget, AheadBySize, type LoadContext, readAhead } from "../../src/sources/lake/read-ahead.ts";
import { randomFrom, seedOf } from "../support/random.ts";

const turn = () => new Promise((resolve) => setImmediate(resolve));
const numbers = (count: number) => Array.from({ length: count }, (_, i) => i).values();

describe("readAhead", () => {
  test("keeps the order and both bounds, whatever the sizes and speeds", async () => {
    const seed = seedOf();
    const random = randomFrom(seed);
    for (let round = 0; round < 20; round++) {
      const itemsMax = 1 + Math.floor(random() * 6);
      const bytesMax = 50 + Math.floor(random() * 100);
      let open = 0;
      let bytes = 0;
      let handedOver = 0;
      let taken = 0;
      const sizes = new Map<number, number>();
      const load = async (key: number, { admit }: LoadContext) => {
        open++;
        for (let i = Math.floor(random() * 4); i > 0; i--) await turn();
        if (random() < 0.1) return key; // one that needs no room
        const size = Math.floor(random() * 80);
        await admit(size);
        bytes += size;
        sizes.set(key, size);
        handedOver = sizes.get(taken) ?? 0;
        // The item that is being handed over is the consumer's, and not counted any more.
        const ahead = bytes - handedOver;
        expect(ahead <= bytesMax || ahead === size, `SEED=${seed} round ${round}: ${ahead} of ${bytesMax} B`).toBe(
          true,
        );
        for (let i = Math.floor(random() * 4); i > 0; i--) await turn();
        return key;
      };
      const seen: number[] = [];
      for await (const key of readAhead(numbers(200), load, { itemsMax, bytesMax })) {
        expect(open).toBeLessThanOrEqual(itemsMax + 1);
        open--;
        bytes -= sizes.get(key) ?? 0;
        sizes.delete(key);
        taken = key + 1;
        seen.push(key);
        if (random() < 0.3) await turn();
      }
      expect(seen).toEqual([...numbers(200)]);
    }
  });

  test("an item over the bound is loaded by itself", async () => {
    const seen: number[] = [];
    const load = async (key: number, { admit }: LoadContext) => {
      await admit(1000);
      return key;
    };
    for await (const key of readAhead(numbers(5), load, { itemsMax: 3, bytesMax: 10 })) seen.push(key);
    expect(seen).toEqual([0, 1, 2, 3, 4]);
  });

  test("an item that needs no room does not let a later one overtake the first", async () => {
    // 0 is slow to learn its size; 1 is missing; 2 must not take the room that 0 needs.
    const order: number[] = [];
    const load = async (key: number, { admit }: LoadContext) => {
      if (key === 1) return key;
      if (key === 0) for (let i = 0; i < 20; i++) await turn();
      await admit(10);
      order.push(key);
      return key;
    };
    const seen: number[] = [];
    for await (const key of readAhead(numbers(3), load, { itemsMax: 3, bytesMax: 10 })) seen.push(key);
    expect(seen).toEqual([0, 1, 2]);
    expect(order).toEqual([0, 2]);
  });

  test("an error comes in its turn", async () => {
    const load = async (key: number) => {
      if (key === 2) throw new Error("two");
      return key;
    };
    const seen: number[] = [];
    const run = async () => {
      for await (const key of readAhead(numbers(10), load, { itemsMax: 5, bytesMax: 10 })) seen.push(key);
    };
    await expect(run()).rejects.toThrow("two");
    expect(seen).toEqual([0, 1]);
  });

  test("a consumer that stops leaves nothing running", async () => {
    let running = 0;
    const load = async (key: number, { admit, signal }: LoadContext) => {
      running++;
      try {
        await admit(6);
        if (key > 0) await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
        return key;
      } finally {
        running--;
      }
    };
    for await (const key of readAhead(numbers(100), load, { itemsMax: 8, bytesMax: 10 })) {
      expect(key).toBe(0);
      break;
    }
    expect(running).toBe(0);
  });

  test("readers of a lake have what nobody has, and an even part of it for certain", async () => {
    const FILE_BYTES = 10;
    const budget = new AheadBudget(8 * FILE_BYTES);
    const read = async () => {
      const limits = new AheadBySize(30, budget);
      const load = async (key: number, { admit }: LoadContext) => {
        await admit(FILE_BYTES);
        return key;
      };
      const reader = readAhead(numbers(100), load, limits);
      limits.bytesLast = FILE_BYTES;
      await reader.next();
      for (let count = 0; count < 50; count++) await turn();
      return reader;
    };
    const readers = [await read()];
    expect(budget.bytes).toBe(8 * FILE_BYTES);
    while (readers.length < 4) readers.push(await read());
    // The first had all; the second half, the third a third, and the fourth a quarter, in whole files.
    expect(budget.bytes).toBe((8 + 4 + 2 + 2) * FILE_BYTES);
    expect(budget.readers).toBe(4);
    for (let count = 0; count < 20; count++) for (const reader of readers) await reader.next();
    expect(budget.bytes).toBe(4 * 2 * FILE_BYTES);
    for (const reader of readers) await reader.return(undefined);
    expect([budget.bytes, budget.readers]).toEqual([0, 0]);
  });
});
