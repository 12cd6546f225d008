import { describe, expect, test } from "bun:test";
import protobuf from "protobufjs";
import { CodedError } from "../../src/error.ts";
import {
  assertFlightDataFits,
  decodeFlightData,
  encodeFlightData,
  FLIGHT_DATA_BYTES_MAX,
  type FlightDataMessage,
  flightDataByteLength,
  LazyFlightData,
} from "../../src/flight/flight-data.ts";
import { randomFrom, seedOf } from "../support/random.ts";

// The reference: the fields as arrow/flight/protocol.proto declares them, through an independent implementation.
const reference = protobuf
  .parse(
    `syntax = "proto3";
     message FlightData { bytes descriptor = 1; bytes dataHeader = 2; bytes appMetadata = 3; bytes dataBody = 1000; }`,
    { keepCase: true },
  )
  .root.lookupType("FlightData");

const FIELDS = ["descriptor", "dataHeader", "appMetadata", "dataBody"] as const;

function same(a: FlightDataMessage, b: FlightDataMessage): void {
  for (const field of FIELDS) {
    expect(Buffer.from(a[field] ?? []).equals(Buffer.from(b[field] ?? []))).toBe(true);
  }
}

const sizes = [0, 1, 127, 128, 16383, 16384, 2097151, 2097152]; // where a length takes one more byte

describe("encoding", () => {
  test("equals the reference at every length where the prefix grows", () => {
    for (const field of FIELDS) {
      for (const size of sizes) {
        const message = { [field]: Buffer.alloc(size, 7) };
        const expected = Buffer.from(reference.encode(reference.create(message)).finish());
        const encoded = encodeFlightData(message);
        // A bytes field that is set but empty may be written or left out; this encoder leaves it out.
        if (size > 0) expect(encoded.equals(expected)).toBe(true);
        else expect(encoded).toHaveLength(0);
        expect(flightDataByteLength(message)).toBe(encoded.length);
      }
    }
  });

  test("random messages survive both ways, and the reference reads the same", () => {
    const seed = seedOf();
    console.log(`flight-data: SEED=${seed}`);
    const random = randomFrom(seed);
    for (let round = 0; round < 500; round++) {
      const message: FlightDataMessage = {};
      for (const field of FIELDS) {
        if (random() < 0.6) {
          message[field] = Buffer.from(Array.from({ length: random() * 300 }, () => random() * 256));
        }
      }
      const encoded = encodeFlightData(message);
      same(decodeFlightData(encoded), message);
      same(reference.decode(encoded) as FlightDataMessage, message);
    }
  });

  test("copies into the middle of a frame and touches nothing around it", () => {
    const message = { dataHeader: Buffer.from("header"), dataBody: Buffer.from("body") };
    const expected = encodeFlightData(message);
    const target = Buffer.alloc(expected.length + 20, 0xee);
    expect(new LazyFlightData(message).copy(target, 5)).toBe(expected.length);
    expect(target.subarray(0, 5).every((byte) => byte === 0xee)).toBe(true);
    expect(target.subarray(5, 5 + expected.length).equals(expected)).toBe(true);
    expect(target.subarray(5 + expected.length).every((byte) => byte === 0xee)).toBe(true);
  });

  test("reads a body in shared memory", () => {
    const dataBody = new Uint8Array(new SharedArrayBuffer(5000), 100, 4000).fill(9);
    expect(decodeFlightData(encodeFlightData({ dataBody })).dataBody).toEqual(Buffer.alloc(4000, 9));
  });

  test("says when it has copied, once, and not when it failed", () => {
    let copies = 0;
    const lazy = new LazyFlightData({ dataBody: Buffer.alloc(100), onCopied: () => copies++ });
    expect(() => lazy.copy(Buffer.alloc(100), 0)).toThrow(RangeError);
    expect(copies).toBe(0);
    lazy.copy(Buffer.alloc(200), 5);
    expect(copies).toBe(1);
  });

  test("refuses what protobuf cannot hold", () => {
    const dataBody = { byteLength: FLIGHT_DATA_BYTES_MAX } as Uint8Array;
    expect(() => assertFlightDataFits({ dataBody })).toThrow(/2147483654 B is over 2147483647 B/);
  });
});

describe("decoding", () => {
  const bytes = (...values: number[]) => Buffer.from(values);

  test("gives views, not copies", () => {
    const encoded = encodeFlightData({ dataBody: Buffer.from("body") });
    expect(decodeFlightData(encoded).dataBody?.buffer).toBe(encoded.buffer);
  });

  test("skips unknown fields of every wire type; of repeated fields the last counts; descriptors are joined", () => {
    const unknown = bytes(0x20, 0xff, 0x01, 0x29, 1, 2, 3, 4, 5, 6, 7, 8, 0x32, 2, 1, 2, 0x3d, 1, 2, 3, 4);
    const encoded = Buffer.concat([unknown, bytes(0x12, 1, 65, 0x12, 1, 66, 0x0a, 1, 67, 0x0a, 1, 68), unknown]);
    const decoded = decodeFlightData(encoded);
    expect(Buffer.from(decoded.dataHeader!).toString()).toBe("B");
    expect(Buffer.from(decoded.descriptor!).toString()).toBe("CD");
  });

  test("refuses damaged bytes with the offset", () => {
    const cases: [string, Buffer, RegExp][] = [
      ["a length beyond the end", bytes(0x12, 5, 1, 2), /byte 0 of 4: a field of 5 B, but 2 B are left/],
      ["a length of 2^63", bytes(0x12, 255, 255, 255, 255, 255, 255, 255, 255, 127), /a field of/],
      ["a varint without an end", Buffer.alloc(11, 0xff), /longer than 10 bytes/],
      ["a varint cut off", bytes(0x20, 0x80), /byte 1 of 2: a varint is cut off/],
      ["a tag cut off", bytes(0xc2), /a varint is cut off/],
      ["field 0", bytes(0x02, 0), /field number 0/],
      ["a group", bytes(0x23), /wire type 3/],
      ["wire type 7", bytes(0x27), /wire type 7/],
      ["a known field of another type", bytes(0x10, 1), /field 2 has wire type 0, not 2/],
      ["a fixed64 cut off", bytes(0x29, 1, 2), /a field of 8 B, but 2 B are left/],
    ];
    for (const [, encoded, message] of cases) {
      expect(() => decodeFlightData(encoded)).toThrow(message);
      try {
        decodeFlightData(encoded);
      } catch (error) {
        expect(error).toBeInstanceOf(CodedError);
        expect((error as CodedError).reason).toBe("FLIGHT_DATA_MALFORMED");
      }
    }
  });

  test("every truncation and random damage end in a message or a CodedError, quickly", () => {
    const random = randomFrom(seedOf());
    const encoded = encodeFlightData({
      descriptor: Buffer.from("descriptor"),
      dataHeader: Buffer.alloc(200, 1),
      appMetadata: Buffer.from("cursor"),
      dataBody: Buffer.alloc(300, 2),
    });
    const survive = (damaged: Buffer) => {
      try {
        const { dataBody } = decodeFlightData(damaged);
        expect(dataBody?.length ?? 0).toBeLessThanOrEqual(damaged.length);
      } catch (error) {
        expect(error).toBeInstanceOf(CodedError);
      }
    };
    for (let length = 0; length < encoded.length; length++) survive(encoded.subarray(0, length));
    for (let round = 0; round < 5000; round++) {
      const damaged = Buffer.from(encoded);
      for (let i = 0; i < 3; i++) damaged[Math.floor(random() * damaged.length)] = random() * 256;
      survive(damaged);
    }
    survive(Buffer.alloc(3 << 20, Buffer.from([0x0a, 1, 65]))); // a million descriptors: joined once, not each time
  });
});
