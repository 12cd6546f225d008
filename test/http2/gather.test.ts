import { expect, test } from "bun:test";
import { Gather } from "../../src/http2/gather.ts";

function gathered(): { gather: Gather; sent: string[] } {
  const sent: string[] = [];
  const send = (bytes: Uint8Array) => {
    sent.push(Buffer.from(bytes).toString("latin1"));
    return true;
  };
  return { gather: new Gather(send), sent };
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

test("the trailers of an answer go with it, also behind a PING of the same turn", async () => {
  const { gather, sent } = gathered();
  gather.write(Buffer.from("ping "));
  setImmediate(() => gather.write(Buffer.from("trailers")));
  gather.write(Buffer.from("headers "));
  gather.write(Buffer.from("message "));
  await turn();
  await turn();
  expect(sent).toEqual(["ping headers message trailers"]);
});

test("writes that never cease are put off once", async () => {
  const { gather, sent } = gathered();
  for (let turns = 0; turns < 10; turns++) {
    gather.write(Buffer.from("a"));
    gather.write(Buffer.from("b"));
    await turn();
  }
  expect(sent.join("")).toBe("ab".repeat(10));
});

for (const isCopied of [true, false]) {
  test(`memory that ${isCopied ? "was copied is used again" : "is still read is not written to"}`, () => {
    const sent: Uint8Array[] = [];
    const gather = new Gather((bytes) => {
      sent.push(bytes);
      return isCopied;
    });
    for (const text of ["first", "other"]) {
      gather.write(Buffer.from(text));
      gather.flush();
    }
    expect(sent.map((bytes) => Buffer.from(bytes).toString())).toEqual(
      isCopied ? ["other", "other"] : ["first", "other"],
    );
  });
}

test("what is written while it sends comes behind", () => {
  const sent: string[] = [];
  const gather = new Gather((bytes) => {
    if (sent.length === 0) gather.write(Buffer.from("behind"));
    sent.push(Buffer.from(bytes).toString());
    return true;
  });
  gather.write(Buffer.from("before"));
  gather.flush();
  gather.flush();
  expect(sent).toEqual(["before", "behind"]);
});
