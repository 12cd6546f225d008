/** The generated codecs: current, and equal to protobufjs' reflection on random messages. */
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import protobuf from "protobufjs";
import { generateProto } from "../../scripts/generate-proto.ts";
import { parseProtos } from "../../scripts/proto/parse.ts";
import * as dataService from "../../src/grpc/generated/contract-data-service.ts";
import * as stellarService from "../../src/grpc/generated/contract-data-service-stellar.ts";
import * as control from "../../src/grpc/generated/control.ts";
import * as flight from "../../src/grpc/generated/flight.ts";
import * as flowctl from "../../src/grpc/generated/flowctl.ts";
import * as flowctlV1 from "../../src/grpc/generated/flowctl-v1.ts";
import { Timestamp } from "../../src/grpc/generated/google-protobuf-timestamp.ts";
import * as health from "../../src/grpc/generated/health.ts";
import * as reflection from "../../src/grpc/generated/reflection-v1.ts";
import * as reflectionAlpha from "../../src/grpc/generated/reflection-v1alpha.ts";
import type { Codec } from "../../src/grpc/service.ts";

const ROOT = join(import.meta.dir, "../..");
const SEED = Number(process.env.SEED ?? 20_240_607);

test("what is generated is current: bun scripts/generate-proto.ts", () => {
  for (const [path, content] of generateProto()) {
    expect(readFileSync(join(ROOT, path), "utf8"), path).toBe(content);
  }
});

function isCodec(value: unknown): value is Codec<unknown> {
  return typeof value === "object" && value !== null && "decode" in value && "encode" in value;
}

const codecs = [
  flight,
  control,
  dataService,
  stellarService,
  flowctl,
  flowctlV1,
  { Timestamp },
  health,
  reflection,
  reflectionAlpha,
]
  .flatMap((module) => Object.values(module) as unknown[])
  .filter(isCodec);

/** Small numbers from a seed (mulberry32). */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const camel = (name: string) => name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());

function scalar(field: protobuf.Field, next: () => number): unknown {
  const zero = next() < 0.2;
  if (field.resolvedType instanceof protobuf.Enum) {
    const values = Object.values(field.resolvedType.values);
    return values[Math.floor(next() * values.length)];
  }
  switch (field.type) {
    case "string":
      return zero ? "" : ["plain", "grüße ✓", "x".repeat(300), "\0"][Math.floor(next() * 4)];
    case "bytes":
      return Buffer.from(Array.from({ length: zero ? 0 : Math.floor(next() * 200) }, () => Math.floor(next() * 256)));
    case "bool":
      return !zero;
    case "double":
      return zero ? 0 : next() * 1e9;
    case "uint32":
      return zero ? 0 : Math.floor(next() * 2 ** 32);
    case "int32":
      return zero ? 0 : Math.floor(next() * 2 ** 32) - 2 ** 31;
    default: {
      const wide = zero ? 0 : Math.floor(next() * 2 ** 53) * (field.type === "uint64" || next() < 0.5 ? 1 : -1);
      return field.options?.jstype === "JS_STRING" ? String(BigInt(wide) * (zero ? 0n : 1000n)) : wide;
    }
  }
}

function value(field: protobuf.Field, next: () => number, depth: number): unknown {
  return field.resolvedType instanceof protobuf.Type
    ? message(field.resolvedType, next, depth + 1)
    : scalar(field, next);
}

/** A random message as our codecs take it. */
function message(type: protobuf.Type, next: () => number, depth = 0): Record<string, unknown> {
  const made: Record<string, unknown> = {};
  const taken = new Set<protobuf.OneOf>();
  for (const field of type.fieldsArray) {
    if (next() < 0.3 || depth > 4) continue;
    if (field.partOf) {
      if (taken.has(field.partOf)) continue;
      taken.add(field.partOf);
    }
    const name = camel(field.name);
    const count = Math.floor(next() * 4);
    if (field instanceof protobuf.MapField) {
      made[name] = new Map(Array.from({ length: count }, (_, index) => [`key ${index}`, value(field, next, depth)]));
    } else if (field.repeated) made[name] = Array.from({ length: count }, () => value(field, next, depth));
    else made[name] = value(field, next, depth);
  }
  return made;
}

/** The same for protobufjs, which knows no Map and takes text for wide integers. */
function plain(given: unknown): unknown {
  if (given instanceof Uint8Array) return given;
  if (given instanceof Map) return Object.fromEntries([...given].map(([key, item]) => [key, plain(item)]));
  if (Array.isArray(given)) return given.map(plain);
  if (typeof given === "object" && given !== null) {
    return Object.fromEntries(Object.entries(given).map(([key, item]) => [snake(key), plain(item)]));
  }
  return given;
}

const snake = (name: string) =>
  name.replace(/[A-Z]|(?<=int)64/g, (letter) => `_${letter.toLowerCase()}`).replace("int_64", "int64");

describe("codecs", () => {
  const parsed = parseProtos(join(ROOT, "proto"));
  const root = parsed.files[0]?.members[0]?.root;

  test("cover every message of the files", () => {
    const ours = new Set(codecs.map((codec) => codec.typeName));
    for (const name of ["arrow.flight.protocol.PollInfo", "arrow.flight.protocol.SetSessionOptionsResult.Error"]) {
      expect(ours).toContain(name);
    }
    expect(codecs.length).toBeGreaterThan(50);
  });

  for (const codec of codecs) {
    test(`${codec.typeName} is what protobufjs makes of it, both ways (seed ${SEED})`, () => {
      const type = root?.lookupType(codec.typeName);
      if (!type) throw new Error("no such type");
      const next = random(SEED);
      for (let round = 0; round < 50; round++) {
        const made = message(type, next);
        const theirs = type.encode(type.fromObject(plain(made) as object)).finish();
        const ours = codec.encode(made as never);
        // Compared decoded: field order on the wire is free.
        expect(type.toObject(type.decode(ours))).toEqual(type.toObject(type.decode(theirs)));
        expect(codec.decode(theirs)).toEqual(codec.decode(ours));
        expect(codec.decode(Buffer.from(theirs))).toEqual(
          codec.decode(codec.encode(codec.decode(ours) as never)) as never,
        );
      }
    });

    test(`${codec.typeName}: no prefix or mutation of a message does worse than throw an Error`, () => {
      const type = root?.lookupType(codec.typeName);
      if (!type) throw new Error("no such type");
      const next = random(SEED);
      const bytes = new Uint8Array(codec.encode(message(type, next) as never));
      for (let round = 0; round < 200; round++) {
        const broken = bytes.slice(0, Math.floor(next() * (bytes.length + 1)));
        if (broken.length > 0) broken[Math.floor(next() * broken.length)] = Math.floor(next() * 256);
        try {
          codec.decode(broken);
        } catch (error) {
          expect(error).toBeInstanceOf(Error);
        }
      }
    });
  }
});

describe("rules of the encoding", () => {
  test("unknown fields of every wire type are passed over", () => {
    const known = control.GetStatusRequest.encode({ sessionId: "a" });
    const unknown = [0x78, 0x96, 0x01, 0x79, 0, 0, 0, 0, 0, 0, 0, 0, 0x7a, 2, 1, 2, 0x7d, 0, 0, 0, 0];
    expect(control.GetStatusRequest.decode(Uint8Array.from([...unknown, ...known, ...unknown]))).toEqual({
      sessionId: "a",
    });
  });

  test("defaults are not sent, an optional zero is", () => {
    expect(control.StartProcessingRequest.encode({ startLedger: 0, endLedger: 0 })).toHaveLength(0);
    expect(flight.PollInfo.decode(flight.PollInfo.encode({ progress: 0 }))).toEqual({ progress: 0 });
    expect(flight.PollInfo.decode(flight.PollInfo.encode({}))).toEqual({});
  });

  test("-1, for unknown totals, survives", () => {
    const info = flight.FlightInfo.decode(flight.FlightInfo.encode({ totalRecords: -1, totalBytes: -1 }));
    expect(info).toMatchObject({ totalRecords: -1, totalBytes: -1 });
  });

  test("an integer that a number cannot hold exactly is refused, not rounded", () => {
    const bytes = Uint8Array.from([0x20, 0x81, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10]); // 2^53 + 1
    expect(() => control.GetStatusResponse.decode(bytes)).toThrow(RangeError);
  });

  test("the last member of a oneof wins", () => {
    const first = flight.SessionOptionValue.encode({ stringValue: "x" });
    const last = flight.SessionOptionValue.encode({ boolValue: false });
    expect(flight.SessionOptionValue.decode(Buffer.concat([first, last]))).toEqual({ boolValue: false });
  });

  test("bytes fields are views on the input", () => {
    const bytes = Buffer.from(flight.Ticket.encode({ ticket: Buffer.from("abc") }));
    expect(flight.Ticket.decode(bytes).ticket.buffer).toBe(bytes.buffer);
  });

  test("both published packages of ContractDataService stay alike", () => {
    const text = (name: string) => {
      const content = readFileSync(join(ROOT, "proto", name), "utf8");
      return content.slice(content.indexOf("import "));
    };
    expect(text("contract_data_service_stellar.proto")).toBe(text("contract_data_service.proto"));
  });
});
