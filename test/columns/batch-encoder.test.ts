/** Batches are read back with apache-arrow and compared with the same rows as text, which the goldens vouch for. */

import { describe, expect, test } from "bun:test";
import { type RecordBatch, type Schema, tableFromIPC } from "apache-arrow";
import { Message } from "apache-arrow/ipc/metadata/message";
import { arrowSchema } from "../../src/columns/arrow-schema.ts";
import { BatchEncoder, columnNames } from "../../src/columns/batch-encoder.ts";
import { encapsulate, encapsulatedSchema, STREAM_END, schemaMessage } from "../../src/columns/ipc.ts";
import { TSV_COLUMNS, TsvWriter, toNdjson } from "../../src/columns/text.ts";
import { LedgerDecoder } from "../../src/ledger/decoder.ts";
import { RowSet } from "../../src/ledger/row-set.ts";
import { balance, buildLedger, created, id, NETWORK, removed, scSymbol, scU32, state } from "../ledger/build.ts";
import { filesUnder, hasShared, readLedgers, records } from "../ledger/shared-ledgers.ts";
import { PUBNET } from "../support/networks.ts";

const encoder = new BatchEncoder({ schemaVersion: 1, networkPassphrase: NETWORK });

function decode(ledgers: Uint8Array[]): RowSet {
  const rows = new RowSet();
  const decoder = new LedgerDecoder({ networkPassphrase: PUBNET, compat: "default" });
  for (const bytes of ledgers) decoder.decode(bytes, rows);
  return rows;
}

/** An IPC stream of the rows [first, end) as one batch; the body is laid out in shared memory full of old bytes. */
function stream(rows: RowSet, first = 0, end = rows.length, by = encoder): Uint8Array {
  const plan = by.plan(rows, first, end);
  const body = new Uint8Array(new SharedArrayBuffer(plan.bodyBytes + 24)).fill(0xee);
  by.write(rows, plan, body, 8);
  expect([...body.subarray(0, 8), ...body.subarray(8 + plan.bodyBytes)]).toEqual(Array(24).fill(0xee));
  return new Uint8Array(
    Buffer.concat([
      encapsulatedSchema(arrowSchema(by)),
      encapsulate(by.header(plan)),
      body.slice(8, 8 + plan.bodyBytes),
      STREAM_END,
    ]),
  );
}

/** A batch's rows as JSON lines, by way of apache-arrow. */
function readBack(bytes: Uint8Array): string {
  const table = tableFromIPC(bytes);
  let text = "";
  for (const batch of table.batches as RecordBatch[]) {
    for (let row = 0; row < batch.numRows; row++) {
      const cells = batch.schema.fields.map((field, i) => {
        const value = batch.getChildAt(i)!.get(row);
        if (field.name === "closed_at") return [field.name, new Date(value).toISOString().replace(".000Z", "Z")];
        return [field.name, typeof value === "bigint" ? String(value) : value];
      });
      text += `${JSON.stringify(Object.fromEntries(cells))}\n`;
    }
  }
  return text;
}

const mixed = (): RowSet =>
  decode([
    buildLedger({
      transactions: [
        {
          operations: [
            [
              created({ key: scSymbol("a"), contract: id(1) }),
              created({ ...balance(id(2), 5n), contract: id(2) }),
              created({ ...balance(id(2), 2n ** 70n), contract: id(3) }),
              state({ key: scU32(4), contract: id(4) }),
              removed({ key: scU32(4), contract: id(4) }),
            ],
          ],
        },
      ],
    }),
  ]);

test("the schema is version 1, to the letter", () => {
  const { schema } = tableFromIPC(stream(mixed()));
  expect(schema.fields.map((field) => `${field.name} ${field.type}${field.nullable ? "?" : ""}`)).toEqual([
    "contract_id Utf8",
    "contract_key_type Utf8",
    "contract_durability Utf8",
    "asset_code Utf8?",
    "asset_issuer Utf8?",
    "asset_type Utf8?",
    "balance_holder Utf8?",
    "balance Int64?",
    "last_modified_ledger Uint32",
    "deleted Bool",
    "ledger_sequence Uint32",
    "closed_at Timestamp<MICROSECOND, UTC>",
    "ledger_key_hash Utf8?",
    "key_xdr Utf8?",
    "val_xdr Utf8?",
    "contract_instance_type Utf8?",
    "contract_instance_wasm_hash Utf8?",
    "expiration_ledger_seq Uint32?",
  ]);
  expect(schema.metadata.get("schema_version")).toBe("1.0");
  expect(schema.metadata.get("schema_type")).toBe("contract_data");
  expect(schema.metadata.get("network_passphrase")).toBe(NETWORK);
  expect(schema.metadata.get("description")).not.toBeEmpty();
  for (const field of schema.fields) expect(field.metadata.get("description")).not.toBeEmpty();
});

test("the bare schema message is a flatbuffer that Arrow reads", () => {
  const message = Message.decode(schemaMessage(arrowSchema(encoder)));
  expect(message.isSchema()).toBe(true);
  expect((message.header() as Schema).fields.length).toBe(18);
});

test("nulls, bits and wide balances come back", () => {
  const rows = mixed();
  const text = readBack(stream(rows));
  expect(text).toBe(toNdjson(encoder.columns, rows));
  expect(
    text
      .split("\n")
      .filter(Boolean)
      .map((line) => JSON.parse(line).balance),
  ).toEqual([null, "5", null, null]);
});

test("no rows, and runs from the middle", () => {
  const rows = mixed();
  expect(readBack(stream(rows, 2, 2))).toBe("");
  for (let first = 0; first < rows.length; first++) {
    for (let end = first; end <= rows.length; end++) {
      expect(readBack(stream(rows, first, end))).toBe(toNdjson(encoder.columns, rows, first, end));
    }
  }
});

describe("projection", () => {
  test("takes the columns asked for, in that order", () => {
    const rows = mixed();
    const columns = ["balance", "contract_id", "deleted"];
    const some = new BatchEncoder({ schemaVersion: 1, networkPassphrase: NETWORK, columns });
    expect(some.needsKeyHash).toBe(false);
    expect(readBack(stream(rows, 0, rows.length, some))).toBe(toNdjson(some.columns, rows));
    expect(JSON.parse(readBack(stream(rows, 1, 2, some)))).toMatchObject({ balance: "5", deleted: false });
  });
  test.each<[string[], string]>([
    [[], "NO_COLUMNS"],
    [["contract"], "UNKNOWN_COLUMN"],
    [["deleted", "deleted"], "DUPLICATE_COLUMN"],
  ])("refuses %p", (columns, reason) => {
    expect(() => new BatchEncoder({ schemaVersion: 1, networkPassphrase: NETWORK, columns })).toThrow(
      expect.objectContaining({ code: "INVALID_ARGUMENT", reason }),
    );
  });
  test("a schema version that is not there", () => {
    expect(() => new BatchEncoder({ schemaVersion: 9 as 1, networkPassphrase: NETWORK })).toThrow(
      expect.objectContaining({ reason: "UNKNOWN_SCHEMA_VERSION" }),
    );
  });
});

test("a plan that the rows no longer match is noticed, and so is a body too small", () => {
  const rows = mixed();
  const plan = encoder.plan(rows, 0, rows.length);
  expect(() => encoder.write(rows, plan, new Uint8Array(plan.bodyBytes - 1))).toThrow(
    expect.objectContaining({ reason: "BATCH_BUFFER" }),
  );
  rows.keyBytes[0] = 0;
  expect(() => encoder.write(rows, plan, new Uint8Array(plan.bodyBytes))).toThrow(
    expect.objectContaining({ reason: "BATCH_PLAN", message: expect.stringContaining("key_xdr") }),
  );
});

describe("fit", () => {
  const rows = decode([
    buildLedger({
      transactions: [
        {
          operations: [
            Array.from({ length: 3000 }, (_, i) => created({ key: scU32(i), val: scSymbol("x".repeat(i % 30)) })),
          ],
        },
      ],
    }),
  ]);
  test("is exact to the byte", () => {
    for (const first of [0, 1, 2000]) {
      for (const count of [1, 7, 8, 9, 64, 500]) {
        const { bodyBytes } = encoder.plan(rows, first, first + count);
        expect(encoder.fit(rows, first, 10_000, bodyBytes)).toBe(first + count);
        expect(encoder.fit(rows, first, 10_000, bodyBytes - 1)).toBe(first + count - 1);
      }
    }
  });
  test("stops at the row limit, the last row, and before the first where nothing fits", () => {
    expect(encoder.fit(rows, 10, 25, 1 << 30)).toBe(35);
    expect(encoder.fit(rows, 10, 100_000, 1 << 30)).toBe(3000);
    expect(encoder.fit(rows, 10, 10, 100)).toBe(10);
    expect(encoder.fit(rows, 3000, 10, 1 << 20)).toBe(3000);
  });
  test("goes on from rows measured before, and begins anew where they may be others", () => {
    const fresh = (set: RowSet) =>
      new BatchEncoder({ schemaVersion: 1, networkPassphrase: NETWORK }).plan(set, 0, set.length);
    const ledger = (values: number) =>
      buildLedger({
        transactions: [
          {
            operations: [
              Array.from({ length: 40 }, (_, i) => created({ key: scU32(i), val: scSymbol("x".repeat(values)) })),
            ],
          },
        ],
      });
    const set = decode([ledger(3)]);
    const decoder = new LedgerDecoder({ networkPassphrase: PUBNET, compat: "default" });
    encoder.fit(set, 0, 100, 1 << 30);
    decoder.decode(ledger(20), set);
    expect(encoder.fit(set, 0, 100, 1 << 30)).toBe(80);
    expect(encoder.plan(set, 0, 80)).toEqual(fresh(set));
    set.truncate(40, 1);
    decoder.decode(ledger(9), set);
    expect(encoder.fit(set, 0, 100, 1 << 30)).toBe(80);
    expect(encoder.plan(set, 0, 80)).toEqual(fresh(set));
    expect(encoder.fit(set, 0, 70, 1 << 30)).toBe(70);
    expect(encoder.fit(set, 0, 100, encoder.plan(set, 0, 50).bodyBytes)).toBe(50);
  });
});

test("the canonical text has its 22 columns on every line", () => {
  const lines = Buffer.from(new TsvWriter().write(mixed())).toString().split("\n").slice(0, -1);
  expect(TSV_COLUMNS.length).toBe(22);
  expect(lines.map((line) => line.split("\t").length)).toEqual([22, 22, 22, 22]);
});

describe.skipIf(!hasShared)("real ledgers, column by column", () => {
  const paths = [...filesUnder("pubnet", ".xdr.zst"), ...filesUnder("edge", ".xdr")];
  const core = filesUnder("core", ".xdr.zst");
  const check = (ledgers: Uint8Array[]): void => {
    const rows = decode(ledgers);
    const text = readBack(stream(rows));
    expect(text).toBe(toNdjson(encoder.columns, rows));
    // The golden text, where it has the same column.
    const lines = Buffer.from(new TsvWriter().write(rows)).toString().split("\n").slice(0, -1);
    const shared = columnNames(1).filter(
      (name) => TSV_COLUMNS.includes(name) && name !== "closed_at" && name !== "balance",
    );
    const objects = text
      .split("\n")
      .slice(0, -1)
      .map((line) => JSON.parse(line));
    expect(objects.length).toBe(lines.length);
    lines.forEach((line, row) => {
      const cells = line.split("\t");
      for (const name of shared) expect(cells[TSV_COLUMNS.indexOf(name)]).toBe(String(objects[row][name] ?? ""));
    });
  };
  test.each(paths)("%s", (path) => check([readLedgers(path)]));
  test("stellar-core's unit tests", () => check(core.flatMap((path) => records(readLedgers(path)))));
});
