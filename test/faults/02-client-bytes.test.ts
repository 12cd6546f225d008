/**
 * Bytes of strangers are verified before a library walks them: a client's schema with one byte changed once took all of
 * the data plane's memory, while /health said that all is well.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { Field, Int8, MessageReader, Schema, Struct, Utf8 } from "apache-arrow";
import { BatchEncoder } from "../../src/columns/batch-encoder.ts";
import { FlatbufferError } from "../../src/columns/flatbuffer.ts";
import { encapsulatedSchema } from "../../src/columns/ipc.ts";
import { checkMessage, readSchemaMessage, SCHEMA_MESSAGE_BYTES_MAX } from "../../src/columns/ipc-reader.ts";
import { CodedError } from "../../src/error.ts";
import { pythonInterpreter } from "../clients/toolchain.ts";
import { actionJson } from "../support/flight-rows.ts";
import { GatedSource } from "../support/gated-source.ts";
import { type LocalServer, localServer } from "../support/local-server.ts";
import { randomFrom } from "../support/random.ts";

/** As pyarrow writes the schema a: int64, b: struct<c: list<utf8>>. */
const SCHEMA = Buffer.from(
  "//////gAAAAQAAAAAAAKAAwABgAFAAgACgAAAAABBAAMAAAACAAIAAAABAAIAAAABAAAAAIAAACUAAAABAAAAIT///8AAAENFAAAABgAAAAEAAAAAQAAABAAAAABAAAAYgAAALD///+s////AAABDBQAAAAYAAAABAAAAAEAAAAQAAAAAQAAAGMAAADY////1P///wAAAQUQAAAAHAAAAAQAAAAAAAAABAAAAGl0ZW0AAAAABAAEAAQAAAAQABQACAAGAAcADAAAABAAEAAAAAAAAQIQAAAAHAAAAAQAAAAAAAAAAQAAAGEAAAAIAAwACAAHAAgAAAAAAAABQAAAAA==",
  "base64",
);
const BOMB = { at: 160, value: 19 }; // apache-arrow's reader loops on this one
const READ_MS_MAX = 2000; // of any input; microseconds as a rule

let source: GatedSource;
let server: LocalServer;
beforeAll(async () => {
  source = await GatedSource.open();
  server = await localServer(source);
});
afterAll(async () => {
  await server.close();
  await source.close();
});

const address = () => `127.0.0.1:${server.processor.addresses.flight.port}`;

function withByte(at: number, value: number): Buffer {
  const changed = Buffer.from(SCHEMA);
  changed[at] = value;
  return changed;
}

/** The number of columns, or undefined where the bytes are refused; any other outcome throws. */
function read(bytes: Uint8Array): number | undefined {
  const begun = performance.now();
  try {
    return readSchemaMessage(bytes).length;
  } catch (thrown) {
    if (!(thrown instanceof FlatbufferError)) throw thrown;
    return undefined;
  } finally {
    expect(performance.now() - begun).toBeLessThan(READ_MS_MAX);
  }
}

test("the schema with one byte changed is refused, and the server answers as before", async () => {
  const ask = (bytes: Buffer) => actionJson<object>(address(), "schema", { schema: bytes.toString("base64") });
  const refused = await ask(withByte(BOMB.at, BOMB.value)).catch((thrown) => CodedError.from(thrown));
  // grpc-js's stream error, with the server's trailers
  expect(String(refused)).toContain("the schema is no Arrow IPC schema message");
  expect(await ask(SCHEMA)).toHaveProperty("schemas");
});

test("every change of one byte, and every cut, ends in columns or a refusal", () => {
  expect(readSchemaMessage(SCHEMA)).toEqual([
    { name: "a", type: "Int64", nullable: true },
    { name: "b", type: "Struct<{c:List<Utf8>}>", nullable: true },
  ]);
  let [accepted, refused] = [0, 0];
  for (let at = 0; at < SCHEMA.length; at++) {
    for (let value = 0; value < 256; value++) {
      if (read(withByte(at, value)) === undefined) refused += 1;
      else accepted += 1;
    }
    read(SCHEMA.subarray(0, at));
  }
  expect(refused).toBeGreaterThan(10_000); // lengths and offsets
  expect(accepted).toBeGreaterThan(10_000); // names and padding
}, 60_000);

test("changes of several bytes end so too", () => {
  const random = randomFrom(14_02);
  const whole = Buffer.from(encapsulatedSchema(new BatchEncoder({ schemaVersion: 2, networkPassphrase: "x" }).schema));
  for (let run = 0; run < 5000; run++) {
    const changed = Buffer.from(run % 2 === 0 ? SCHEMA : whole);
    for (let change = 0; change < 1 + (run % 8); change++) {
      changed[Math.floor(random() * changed.length)] = Math.floor(random() * 256);
    }
    read(changed);
  }
}, 60_000);

test("what apache-arrow reads of sound schemas is read alike", () => {
  for (const schemaVersion of [1, 2] as const) {
    const bytes = encapsulatedSchema(new BatchEncoder({ schemaVersion, networkPassphrase: "x" }).schema);
    const theirs = new MessageReader(bytes).readSchema()!.fields;
    expect(readSchemaMessage(bytes)).toEqual(
      theirs.map(({ name, type, nullable }) => ({ name, type: String(type), nullable })),
    );
  }
});

/** A message written by hand, whose tables may share parts: bytes and the places of offsets to fill. */
class Writer {
  readonly bytes = Buffer.alloc(1 << 16);
  end = 8;

  /** A table of 32-bit fields; gives their places. */
  table(fields: number): { at: number; field: (index: number) => number } {
    const vtable = this.end;
    const at = vtable + 4 + 2 * fields;
    this.bytes.writeUInt16LE(4 + 2 * fields, vtable);
    this.bytes.writeUInt16LE(4 + 4 * fields, vtable + 2);
    for (let index = 0; index < fields; index++) this.bytes.writeUInt16LE(4 + 4 * index, vtable + 4 + 2 * index);
    this.bytes.writeInt32LE(at - vtable, at);
    this.end = at + 4 + 4 * fields;
    return { at, field: (index) => at + 4 + 4 * index };
  }

  vector(length: number): { at: number; field: (index: number) => number } {
    const at = this.end;
    this.bytes.writeUInt32LE(length, at);
    this.end = at + 4 + 4 * length;
    return { at, field: (index) => at + 4 + 4 * index };
  }

  link(from: number, to: number): void {
    this.bytes.writeUInt32LE(to - from, from);
  }

  encapsulated(): Buffer {
    const prefix = Buffer.alloc(8, 0xff);
    prefix.writeUInt32LE(this.end, 4);
    return Buffer.concat([prefix, this.bytes.subarray(0, this.end)]);
  }
}

/** A struct of structs in which both children of every level are the one table of the next. */
function shared(levels: number): Buffer {
  const writer = new Writer();
  const message = writer.table(3);
  writer.bytes.writeUInt32LE(message.at, 0);
  writer.bytes.writeUInt8(1, message.field(1)); // a schema
  const schema = writer.table(2);
  writer.link(message.field(2), schema.at);
  let parent = { place: schema.field(1), children: 1 };
  for (let level = 0; level <= levels; level++) {
    const children = writer.vector(parent.children);
    writer.link(parent.place, children.at);
    const field = writer.table(6);
    for (let child = 0; child < parent.children; child++) writer.link(children.field(child), field.at);
    const isLeaf = level === levels;
    writer.bytes.writeUInt8(isLeaf ? 5 : 13, field.field(2)); // Utf8 or Struct
    const [name, type, none] = [writer.vector(0), writer.table(1), writer.vector(0)];
    writer.link(field.field(0), name.at);
    writer.link(field.field(3), type.at);
    writer.bytes.writeUInt16LE(0, field.at - 2 * 2); // no dictionary
    writer.link(field.field(5), none.at);
    parent = { place: field.field(5), children: 2 };
  }
  return writer.encapsulated();
}

test("a tree whose branches share their parts is bounded, not walked to its end", () => {
  expect(read(shared(1))).toBe(1);
  expect(read(shared(30))).toBeUndefined(); // a billion leaves in about two kilobytes
  expect(() => readSchemaMessage(shared(30))).toThrow("named twice");
  expect(() => readSchemaMessage(shared(80))).toThrow(FlatbufferError);
});

test("nesting, size and length have limits that are said", () => {
  let type: Struct | Utf8 = new Utf8();
  for (let depth = 0; depth < 70; depth++) type = new Struct([new Field("x", type)]);
  expect(() => readSchemaMessage(encapsulatedSchema(new Schema([new Field("deep", type)])))).toThrow("deeper than 64");
  expect(() => readSchemaMessage(new Uint8Array(SCHEMA_MESSAGE_BYTES_MAX + 1))).toThrow(
    `it has ${SCHEMA_MESSAGE_BYTES_MAX + 1} B, over max ${SCHEMA_MESSAGE_BYTES_MAX} B`,
  );
  const many = Array.from({ length: 5000 }, (_, index) => new Field(`column_${index}`, new Int8()));
  expect(read(encapsulatedSchema(new Schema(many)))).toBe(5000);
});

test("our own client checks what a server sends before it reads it", () => {
  const encoder = new BatchEncoder({ schemaVersion: 2, networkPassphrase: "x" });
  for (const { header, body } of encoder.dictionaryMessages()) {
    checkMessage(header, body.length);
    expect(() => checkMessage(header, body.length - 1)).toThrow("the body is cut off");
    for (let at = 0; at < header.length; at++) {
      for (const value of [0, 1, 127, 128, 255]) {
        const changed = Uint8Array.from(header);
        changed[at] = value;
        try {
          checkMessage(changed, body.length);
        } catch (thrown) {
          expect(thrown).toBeInstanceOf(FlatbufferError);
        }
      }
    }
  }
});

test("pyarrow's bomb is refused", async () => {
  const python = await pythonInterpreter();
  if (python.command === undefined) return console.log(`skipped: ${python.missing}`);
  const script = `
import sys, json, base64, pyarrow as pa, pyarrow.flight as f
b = bytearray(pa.schema([("a", pa.int64()), ("b", pa.struct([("c", pa.list_(pa.utf8()))]))]).serialize().to_pybytes())
c = f.connect("grpc://" + sys.argv[1])
ask = lambda b: list(c.do_action(f.Action("schema", json.dumps({"schema": base64.b64encode(b).decode()}).encode())))
print(len(ask(b)))
b[160] = 19
try:
    print(ask(b))
except pa.ArrowInvalid as error:
    print("no Arrow IPC schema" in str(error))
print(len(list(c.do_action(f.Action("sessions", b"")))))
`;
  const child = Bun.spawn([...python.command, "-c", script, address()], { stdout: "pipe", stderr: "pipe" });
  const [out, err] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  expect(out.trim().split("\n"), err).toEqual(["1", "True", "1"]);
}, 120_000);
