import { expect, test } from "bun:test";
import { Gather } from "../../src/http2/gather.ts";

function gathered(): { gather: Gather; sent: string[] } {
  const sent: string[] = [];
  return { gather: new Gather((bytes) => sent.push(Buffer.from(bytes).toString("latin1"))), sent };
}

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

test("small writes of one turn are one, which copies them", async () => {
  const { gather, sent } = gathered();
  const reused = Buffer.from("ab");
  gather.write(reused);
  reused.write("cd");
  gather.write(reused);
  expect(sent).toEqual([]);
  await turn();
  expect(sent).toEqual(["abcd"]);
  gather.write(reused);
  await turn();
  expect(sent).toEqual(["abcd", "cd"]);
});

test("a large write goes at once, behind the small ones before it", async () => {
  const { gather, sent } = gathered();
  const large = "x".repeat(2000);
  gather.write(Buffer.from("a"));
  gather.write(Buffer.from(large));
  gather.write(Buffer.from("b"));
  gather.flush();
  gather.flush();
  await turn();
  expect(sent).toEqual(["a", large, "b"]);
});

test("any number of small writes come whole and in order", async () => {
  const { gather, sent } = gathered();
  const parts = Array.from({ length: 500 }, (_, n) => `${n},`.repeat(1 + (n % 60)));
  for (const part of parts) gather.write(Buffer.from(part));
  await turn();
  expect(sent.join("")).toBe(parts.join(""));
  expect(sent.length).toBeLessThan(parts.length / 5);
});
