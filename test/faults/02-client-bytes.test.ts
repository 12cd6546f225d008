/**
 * Bytes of strangers are verified before a library walks them: a client's schema with one byte changed once took all of
 * the data plane's memory, while /health said that all is well.
 */

import { afterAll, beforeAll, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import net from "node:net";
import { gzipSync } from "node:zlib";
import * as grpc from "@grpc/grpc-js";
import { Field, Int8, MessageReader, Schema, Struct, Utf8 } from "apache-arrow";
import { arrowSchema } from "../../src/columns/arrow-schema.ts";
import { BatchEncoder } from "../../src/columns/batch-encoder.ts";
import { dictionaryMessages } from "../../src/columns/dictionary-messages.ts";
import { FlatbufferError } from "../../src/columns/flatbuffer.ts";
import { encapsulatedSchema } from "../../src/columns/ipc.ts";
import { checkMessage, readSchemaMessage, SCHEMA_MESSAGE_BYTES_MAX } from "../../src/columns/ipc-reader.ts";
import { CodedError } from "../../src/error.ts";
import { ContractDataService } from "../../src/grpc/generated/contract-data-service.ts";
import { ControlService } from "../../src/grpc/generated/control.ts";
import { FlightDescriptor_DescriptorType as DescriptorType, FlightService } from "../../src/grpc/generated/flight.ts";
import { Health } from "../../src/grpc/generated/health.ts";
import { ServerReflection } from "../../src/grpc/generated/reflection-v1.ts";
import { type MethodInfo, serviceClient } from "../../src/grpc/service.ts";
import { pythonInterpreter } from "../clients/toolchain.ts";
import { CLIENT_PREFACE, settings, wholeFrames } from "../http2/frames.ts";
import { start } from "../http2/raw-call.ts";
import { actionJson, collect, flightCalls } from "../support/flight-rows.ts";
import { GatedSource } from "../support/gated-source.ts";
import { type LocalServer, localServer } from "../support/local-server.ts";
import { SAMPLE, startProcessor } from "../support/processor.ts";
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
  const whole = Buffer.from(
    encapsulatedSchema(arrowSchema(new BatchEncoder({ schemaVersion: 2, networkPassphrase: "x" }))),
  );
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
    const bytes = encapsulatedSchema(arrowSchema(new BatchEncoder({ schemaVersion, networkPassphrase: "x" })));
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
  for (const { header, body } of dictionaryMessages(encoder.columns)) {
    checkMessage(header, body.length);
    expect(() => checkMessage(header, body.length - 1)).toThrow("the body is cut off");
    for (let at = 0; at < header.length; at++) {
      for (const value of [0, 1, 127, 128, 255]) {
        const changed = new Uint8Array(header);
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

/** The call of `path` with one compressed message; a raw frame has up to 16 KiB. */
function compressedCall(path: string, content: Buffer): Buffer {
  const call = start(1, path, content, { "grpc-encoding": "gzip" });
  const prefix = call.length - content.length - 5;
  call[prefix] = 1; // compressed
  call.writeUInt32BE(content.length, prefix + 1);
  return Buffer.concat([CLIENT_PREFACE, settings(), call]);
}

test.skipIf(process.platform !== "linux")(
  "compressed requests that inflate a thousandfold are held in sum",
  async () => {
    const bomb = gzipSync(Buffer.alloc(15 << 20), { level: 9 });
    const clients = 60; // 900 MiB
    const processor = await startProcessor([`--source-endpoint=${SAMPLE.folder}`, "--worker-count=1"]);
    const residentMib = () =>
      Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${processor.pid}/status`, "utf8"))![1]) / 1024;
    const before = residentMib();
    const [host, port] = processor.control.split(":") as [string, string];
    const sockets = Array.from({ length: clients }, () => net.connect(Number(port), host));
    const answers = sockets.map(
      (socket) =>
        new Promise<void>((resolve) => {
          let frames = Buffer.alloc(0);
          socket.on("error", () => resolve());
          socket.on("close", () => resolve());
          socket.on("data", (bytes: Buffer) => {
            frames = Buffer.concat([frames, bytes]);
            // the end of the stream, or its reset
            if (
              wholeFrames(frames).some(({ stream, type, flags }) => stream === 1 && (type === 3 || (flags & 1) !== 0))
            )
              resolve();
          });
        }),
    );
    const call = compressedCall("/contractdata.v1.ControlService/GetStatus", bomb);
    for (const socket of sockets) socket.write(call);
    await Promise.all(answers);
    for (const socket of sockets) socket.destroy();
    expect(residentMib() - before).toBeLessThan(500);
    expect((await fetch(`http://${processor.http}/health`)).status).toBe(200);
    await processor.stop();
  },
  120_000,
);

test("a compressed request of a client that holds nothing else is taken, however well it was compressed", async () => {
  const client = new grpc.Client(server.address, grpc.credentials.createInsecure(), {
    "grpc.default_compression_algorithm": 2, // gzip
  });
  const control = serviceClient(client, ControlService);
  const label = "a".repeat(200);
  const { total } = await control.listSessions({ labels: new Map([[label, label]]) });
  expect(total).toBe(0);
  const filters = { contractIds: Array.from({ length: 20_000 }, () => "C".repeat(56)) }; // 1.2 MB, 4 kB compressed
  const refused = await control.configureFilters({ filters }).catch(CodedError.from);
  expect(refused).toMatchObject({ code: "INVALID_ARGUMENT" });
  client.close();
});

test("JSON that nests without end is refused before it is parsed", async () => {
  const calls = flightCalls(address());
  const deep = ["[".repeat(4_000_000), '{"a":'.repeat(700_000), `{"columns":${"[".repeat(17)}${"]".repeat(17)}}`];
  for (const text of deep) {
    const body = Buffer.from(text);
    const failures = [
      collect(calls.doAction({ type: "schema", body }) as AsyncIterable<unknown>),
      collect(calls.listFlights({ expression: body }) as AsyncIterable<unknown>),
    ].map((call) =>
      call.then(
        () => "answered",
        (thrown: grpc.ServiceError) => `${grpc.status[thrown.code]} ${thrown.details}`,
      ),
    );
    for (const failure of await Promise.all(failures)) {
      expect(failure).toMatch(/^INVALID_ARGUMENT the (body|criteria) is nested deeper than 16/);
    }
  }
  const text = `[{"\\"[[[[[[[[[[[[[[[[[[[[[`;
  const cmd = Buffer.from(JSON.stringify({ session: text }));
  const failure = await calls.getFlightInfo({ type: DescriptorType.CMD, cmd }).catch(CodedError.from);
  expect(failure).toMatchObject({ code: "NOT_FOUND" }); // brackets in strings do not count
  calls.close();
});

test("each message that a client may send decodes or fails, with any byte changed", () => {
  const services = [ControlService, FlightService, Health, ContractDataService, ServerReflection];
  const random = randomFrom(14_20);
  for (const service of services) {
    for (const { request } of Object.values(service.methods) as MethodInfo[]) {
      for (let run = 0; run < 400; run++) {
        const bytes = Buffer.from(Array.from({ length: Math.floor(random() * 60) }, () => Math.floor(random() * 256)));
        // A known tag first: field 1 to 4, any wire type, groups too.
        if (bytes.length > 0) bytes[0] = ((1 + (run % 4)) << 3) | (run % 6);
        const begun = performance.now();
        try {
          request.decode(bytes);
        } catch (thrown) {
          expect(thrown).toBeInstanceOf(Error);
        }
        expect(performance.now() - begun).toBeLessThan(READ_MS_MAX);
      }
      const groups = Buffer.alloc(4_000_000, 0x0b); // a group in a group in a group
      try {
        request.decode(groups);
      } catch (thrown) {
        expect(thrown).toBeInstanceOf(Error);
      }
    }
  }
}, 60_000);
