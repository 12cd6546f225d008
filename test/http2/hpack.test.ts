/** HPACK by the examples of RFC 7541, by what grpc-go's encoder makes, and by blocks that are wrong. */
import { describe, expect, test } from "bun:test";
import { HpackDecoder } from "../../src/http2/hpack/decoder.ts";
import { huffmanDecode } from "../../src/http2/hpack/huffman.ts";
import { encodeLiterals } from "../../src/http2/hpack/literals.ts";
import { randomFrom, seedOf } from "../support/random.ts";

const hex = (text: string) => Buffer.from(text.replaceAll(" ", ""), "hex");
const LIMIT = 32 << 10;
const decoder = () => new HpackDecoder(LIMIT);

/** All octets in their order, as golang.org/x/net/http2/hpack writes them. */
const ALL_OCTETS = hex(
  "ffc7fffd8fffffe2fffffe3fffffe4fffffe5fffffe6fffffe7fffffe8ffffeafffffff3fffffa7fffffabffffffdfffffebfffffecfffffedfffffeefffffefffffff0ffffff1ffffff2fffffffbfffffcffffffd3fffffd7fffffdbfffffdffffffe3fffffe7fffffebfffffed4fe3f9ffaffcabf1febfafefe7fdfd2cbb00089969b71d79fb9f7fff20ffbff3ff50ddbd7f061c58f265cd9f469d5af66dddbf871e5f9cff7ff7fffc3ff9ffe45fff4719242cb34e6e9d68a6a3d7dac426defe3cfaf7fffbfe7ffbffdffffffcfffe6ffff4bfff9ffffa3fffd3ffff53fffd5ffffb3fffeb7fffdaffffb7ffff73fffeeffffdeffffebffffbfffffd9ffffdbfffebffffe0ffffeeffffc3ffff8bffff1ffffe4fffee7fffb1ffff97fffd9ffffcdffff9fffffbffffdafffeeffff4ffffb7fffee7fffe8ffffd3fffdeffffd5fffeeffffbdffffe1fffdfffff7fffff5ffffecffff07fff87fffe0ffff17fffedffff87ffff77fffeffffeaffff8bfffe3ffff93ffff87fffcbffff37ffff1fffff83ffffe1fffebfffe3ffff3fffff2ffffa3ffffd9fffff17ffffc7fffff27ffffdefffffbffffff2fffff8fffffb7fff97fff8fffffe6fffffc1fffff87ffffe7fffffc5ffffe5fffe4ffff2fffffd1fffff4ffffffefffffe3fffffc9fffff97fffb3ffffcffffb7fffcdffff4ffff9ffffd1ffffcffffeaffffafffffddffffeffffff4fffff5fffffabffffa7ffffd7fffff9bffffecfffffb7fffff3fffffe8fffffd3fffffabfffff5fffffff7ffffecfffffdbfffffbbfffff7ffffff0fffffbbf",
);

describe("blocks", () => {
  test("RFC 7541 C.4: requests, with Huffman codes", () => {
    const subject = decoder();
    const first = [
      [":method", "GET"],
      [":scheme", "http"],
      [":path", "/"],
      [":authority", "www.example.com"],
    ] as [string, string][];
    expect(subject.decode(hex("828684418cf1e3c2e5f23a6ba0ab90f4ff"))).toEqual(first);
    expect(subject.decode(hex("828684be5886a8eb10649cbf"))).toEqual([...first, ["cache-control", "no-cache"]]);
    expect(subject.decode(hex("828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf"))).toEqual([
      [":method", "GET"],
      [":scheme", "https"],
      [":path", "/index.html"],
      [":authority", "www.example.com"],
      ["custom-key", "custom-value"],
    ]);
  });

  test("RFC 7541 C.6: responses, in a table of 256 bytes out of which entries fall", () => {
    const subject = decoder();
    const answer = (status: string, date: string) => [
      [":status", status],
      ["cache-control", "private"],
      ["date", date],
      ["location", "https://www.example.com"],
    ];
    const sizeOf256 = "3fe101";
    const first =
      "488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae82ae43d3";
    expect(subject.decode(hex(sizeOf256 + first)) as unknown).toEqual(answer("302", "Mon, 21 Oct 2013 20:13:21 GMT"));
    expect(subject.decode(hex("4883640effc1c0bf")) as unknown).toEqual([
      [":status", "307"],
      ["cache-control", "private"],
      ["date", "Mon, 21 Oct 2013 20:13:21 GMT"],
      ["location", "https://www.example.com"],
    ]);
    expect(
      subject.decode(
        hex(
          "88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007",
        ),
      ) as unknown,
    ).toEqual([
      ...answer("200", "Mon, 21 Oct 2013 20:13:22 GMT"),
      ["content-encoding", "gzip"],
      ["set-cookie", "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1"],
    ]);
  });

  test("three blocks of Go's encoder, which name entries of those before", () => {
    const subject = decoder();
    const value = (i: number) => `value ${i} of ü`;
    const decoded = [
      "4003782d300d76616c75652030206f6620c3bc4003782d310d76616c75652030206f6620c3bc4003782d320d76616c75652030206f6620c3bc4003782d330d76616c75652030206f6620c3bc",
      "c07f000d76616c75652031206f6620c3bc7f000d76616c75652032206f6620c3bc4003782d340d76616c75652030206f6620c3bc",
      "c2bf7e0d76616c75652031206f6620c3bcc5",
    ].map((block) => subject.decode(hex(block)).map(([name, text]) => [name, Buffer.from(text, "latin1").toString()]));
    for (let i = 0; i < 3; i++) {
      expect(decoded[i]).toEqual([0, 1, 2, 3].map((j) => [`x-${(i + j) % 5}`, value((i * j) % 3)]));
    }
  });

  test("what the encoder writes is what is read, whatever its length", () => {
    for (const length of [0, 1, 126, 127, 128, 254, 255, 256, 4096, 20_000]) {
      const headers = [
        [":path", "/a"],
        ["x-long", "v".repeat(length)],
        ["authorization", "Bearer s3cret"],
      ] as [string, string][];
      const block = encodeLiterals(headers);
      expect(decoder().decode(block)).toEqual(headers);
      expect(block[block.length - "authorization".length - "Bearer s3cret".length - 3]).toBe(0x10); // never indexed
    }
  });

  test.each([
    ["an index of 0", "80"],
    ["an index that is in no table", "be"],
    ["an integer without end", "ffffffffffffffff"],
    ["an integer that is cut", "ff"],
    ["a string that is cut", "400a637573746f6d"],
    ["a name alone", "4001"],
    ["a table larger than was allowed", "3fe21f"],
    ["a table's size after a header", "823f00"],
  ])("%s is refused", (_what, block) => {
    expect(() => decoder().decode(hex(block))).toThrow(RangeError);
  });

  test("a bomb: an entry of 4 kB in the table, named again and again", () => {
    const subject = decoder();
    const entry = encodeLiterals([["x", "v".repeat(4000)]]);
    entry[0] = 0x40;
    expect(subject.decode(entry).length).toBe(1);
    expect(() => subject.decode(Buffer.alloc(16_000, 0xbe))).toThrow(/headers of \d+ B so far, over max 32768 B/);
  });

  test("random bytes are decoded or refused", () => {
    const seed = seedOf();
    const random = randomFrom(seed);
    for (let round = 0; round < 20_000; round++) {
      const block = Buffer.from(Array.from({ length: Math.floor(random() * 40) }, () => Math.floor(random() * 256)));
      try {
        decoder().decode(block);
      } catch (thrown) {
        if (!(thrown instanceof RangeError))
          throw new Error(`seed ${seed}: ${block.toString("hex")}`, { cause: thrown });
      }
    }
  });
});

describe("Huffman codes", () => {
  test("all octets", () => {
    expect(huffmanDecode(ALL_OCTETS)).toBe(String.fromCharCode(...Array.from({ length: 256 }, (_, octet) => octet)));
  });

  test.each([
    ["the end mark", "ffffffff"],
    ["a whole byte of padding", "1fff"],
    ["padding with a 0", "18"],
  ])("%s is refused", (_what, text) => {
    expect(() => huffmanDecode(hex(text))).toThrow(RangeError);
  });
});
