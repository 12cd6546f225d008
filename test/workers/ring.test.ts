import { describe, expect, test } from "bun:test";
import { Worker } from "node:worker_threads";
import { Bell } from "../../src/workers/bell.ts";
import { MessageReader, sendAsync } from "../../src/workers/fragments.ts";
import { createRing, messageBytesMax, RingConsumer, RingProducer } from "../../src/workers/ring.ts";
import { failureMessage } from "../support/failure.ts";
import { randomFrom, seedOf } from "../support/random.ts";

function pair(capacity: number) {
  const memory = createRing(capacity);
  return { producer: new RingProducer(memory, Bell.create()), consumer: new RingConsumer(memory) };
}

function push(producer: RingProducer, payload: Uint8Array, tag: number): boolean {
  const at = producer.reserve(payload.length);
  if (at < 0) return false;
  producer.bytes.set(payload, at);
  producer.commit(payload.length, tag);
  return true;
}

describe("ring", () => {
  test("refuses capacities that are no power of two, too small or too large", () => {
    for (const capacity of [0, 100, 2048, 4097, 2 ** 31]) expect(() => createRing(capacity)).toThrow(RangeError);
  });

  test("a message takes at most half of the ring, and the error says both numbers", () => {
    const { producer } = pair(4096);
    expect(messageBytesMax(producer.memory)).toBe(2040);
    expect(producer.reserve(2040)).toBeGreaterThan(0);
    expect(() => producer.reserve(2041)).toThrow("message of 2041 B, over max 2040 B");
  });

  test("the largest message fits into an empty ring wherever its positions stand", () => {
    for (let position = 0; position < 512; position += 7) {
      const { producer, consumer } = pair(4096);
      producer.seek(position);
      expect(push(producer, new Uint8Array(2040).fill(position), position)).toBe(true);
      expect(consumer.next()).toBe(true);
      expect(consumer.length).toBe(2040);
      expect(consumer.view()[2039]).toBe(position & 255);
    }
  });

  for (const [name, position] of [
    ["from zero", 0],
    ["over the wrap of the 32-bit positions", 0xffffffff - 300],
    ["over the sign of the 32-bit positions", 0x7fffffff - 300],
  ] as const) {
    test(`random pushes and pops keep order and content ${name}`, () => {
      const seed = seedOf();
      const random = randomFrom(seed);
      const { producer, consumer } = pair(4096);
      producer.seek(position);
      const model: Uint8Array[] = [];
      let sent = 0;
      for (let step = 0; step < 20_000; step++) {
        if (random() < 0.55) {
          const payload = new Uint8Array(Math.floor(random() ** 3 * 2040)).map((_, i) => sent + i);
          if (push(producer, payload, sent & 0xffff)) {
            model.push(payload);
            sent += 1;
          } else expect(producer.usedBytes).toBeGreaterThan(0);
        } else if (consumer.next()) {
          const expected = model.shift()!;
          expect(consumer.length, `seed ${seed} step ${step}`).toBe(expected.length);
          expect(Buffer.compare(consumer.view(), expected), `seed ${seed} step ${step}`).toBe(0);
          consumer.release();
        } else expect(model.length).toBe(0);
      }
    });
  }

  test("a message larger than the ring travels in fragments and arrives whole", async () => {
    const { producer, consumer } = pair(4096);
    const reader = new MessageReader(consumer, 1 << 20);
    const parts = [new Uint8Array(10).fill(1), new Uint8Array(50_000).map((_, i) => i), new Uint8Array(0)];
    const sending = sendAsync(producer, 7, parts);
    const got: number[] = [];
    for (;;) {
      if (reader.next()) {
        expect(reader.tag).toBe(7);
        got.push(...reader.payload);
        reader.release();
        break;
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
    await sending;
    expect(Buffer.compare(Buffer.from(got), Buffer.concat(parts))).toBe(0);
  });

  test("a joined message over the limit is an error with both numbers", async () => {
    const { producer, consumer } = pair(4096);
    const reader = new MessageReader(consumer, 3000);
    const sending = sendAsync(producer, 7, [new Uint8Array(10_000)]);
    await new Promise((resolve) => setImmediate(resolve));
    expect(() => reader.next()).toThrow("10000 B, over max 3000 B");
    // the rest of it is dropped, and what follows arrives
    const following = sending.then(() => sendAsync(producer, 8, [new Uint8Array([1, 2, 3])]));
    while (!reader.next()) await new Promise((resolve) => setImmediate(resolve));
    await following;
    expect([reader.tag, ...reader.payload]).toEqual([8, 1, 2, 3]);
    reader.release();
    expect(producer.usedBytes).toBe(0);
  });

  test("sizes around half of the ring and its multiples arrive whole, one after the other", async () => {
    const { producer, consumer } = pair(4096);
    const reader = new MessageReader(consumer, 1 << 20);
    const sizes = [2039, 2040, 2041, 2032, 2033, 4080, 4072, 4073, 4081, 6112, 6113, 0, 1];
    const sending = (async () => {
      for (const size of sizes) await sendAsync(producer, 1, [new Uint8Array(size).map((_, i) => i * 7 + size)]);
    })();
    for (const size of sizes) {
      while (!reader.next()) await new Promise((resolve) => setImmediate(resolve));
      expect(reader.payload.length).toBe(size);
      expect(
        reader.payload.every((byte, i) => byte === ((i * 7 + size) & 255)),
        `${size}`,
      ).toBe(true);
      reader.release();
      reader.trim();
    }
    await sending;
    expect(producer.usedBytes).toBe(0);
  });

  test("an abandoned ring ends a producer that waits for room", async () => {
    const { producer, consumer } = pair(4096);
    const sending = sendAsync(producer, 1, [new Uint8Array(10_000)]);
    await new Promise((resolve) => setImmediate(resolve));
    consumer.abandon();
    expect(await failureMessage(sending)).toContain("has ended");
    expect(await failureMessage(sendAsync(producer, 1, [new Uint8Array(1)]))).toContain("has ended");
  });

  /**
   * Two threads over a ring that holds only a few messages, so that each side sleeps and wakes thousands of times. A
   * lost wake-up would leave both asleep until the one-second guard runs out, which shows as a sleep that timed out.
   */
  test("wake-ups are never lost between two threads", async () => {
    const seed = seedOf();
    const memory = createRing(4096);
    const bell = Bell.create();
    const worker = new Worker(new URL("./ring-consumer.ts", import.meta.url), {
      workerData: { memory, bell: bell.cells },
    });
    const result = new Promise<{ messages: number; checksum: number; timeouts: number }>((resolve, reject) => {
      worker.on("message", resolve);
      worker.on("error", reject);
    });
    const random = randomFrom(seed);
    const producer = new RingProducer(memory, bell);
    let checksum = 0;
    let timeouts = 0;
    const messages = 60_000;
    for (let index = 0; index < messages; index++) {
      const length = 1 + Math.floor(random() * 1500);
      let at = producer.reserve(length);
      while (at < 0) {
        const before = performance.now();
        await producer.waitForRoomAsync(5000);
        if (performance.now() - before > 4900) timeouts += 1;
        at = producer.reserve(length);
      }
      producer.bytes[at] = index & 255;
      producer.bytes[at + length - 1] = index & 255;
      checksum = (checksum * 31 + length * 256 + (index & 255)) >>> 0;
      producer.commit(length, index);
    }
    producer.close();
    const got = await result;
    await worker.terminate();
    expect(got, `seed ${seed}`).toEqual({ messages, checksum, timeouts: 0 });
    expect(timeouts, `seed ${seed}`).toBe(0);
  }, 30_000);
});
