/** Headers of batches are, byte by byte, what apache-arrow makes of the same numbers. */
import { expect, test } from "bun:test";
import { BodyCompression, BufferRegion, FieldNode, Message, RecordBatch } from "apache-arrow/ipc/metadata/message";
import { BatchHeader } from "../../src/columns/batch-header.ts";
import { randomFrom } from "../support/random.ts";

const CODECS = { none: null, lz4: new BodyCompression(0), zstd: new BodyCompression(1) } as const;

test.each(["none", "lz4", "zstd"] as const)("with compression %s, of many sizes", (compression) => {
  const random = randomFrom(20);
  for (let columns = 1; columns < 40; columns++) {
    const buffers = columns * 2 + Math.floor(random() * (columns + 1));
    const header = new BatchHeader(columns, buffers, compression);
    for (const scale of [10, 1000, 2 ** 31]) {
      const number = () => Math.floor(random() * scale);
      const rows = 1 + number();
      const nulls = Array.from({ length: columns }, number);
      const regions = Array.from({ length: 2 * buffers }, number);
      const bodyBytes = 1 + number();
      const nodes = nulls.map((count) => new FieldNode(rows, count));
      const places = Array.from({ length: buffers }, (_, i) => new BufferRegion(regions[2 * i]!, regions[2 * i + 1]!));
      const expected = Message.encode(
        Message.from(new RecordBatch(rows, nodes, places, CODECS[compression]), bodyBytes),
      );
      expect(header.message({ rows, nulls, regions, bodyBytes })).toEqual(new Uint8Array(expected));
    }
  }
});

test("a batch of no rows is one too", () => {
  const header = new BatchHeader(2, 5, "none");
  header.message({ rows: 7, nulls: [1, 2], regions: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], bodyBytes: 64 });
  const empty = { rows: 0, nulls: [0, 0], regions: new Array(10).fill(0), bodyBytes: 0 };
  const message = Message.decode(header.message(empty));
  expect(message.bodyLength).toBe(0);
  const batch = message.header() as RecordBatch;
  expect([batch.length, batch.nodes.length, batch.buffers.length]).toEqual([0, 2, 5]);
});
