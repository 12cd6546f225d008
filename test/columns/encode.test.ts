import { expect, test } from "bun:test";
import { base64Length, writeBase64, writeHex, writeStrkey, writeUint, writeUint128 } from "../../src/columns/encode.ts";
import { formatStrkey, STRKEY_ACCOUNT, STRKEY_CONTRACT } from "../../src/xdr/strkey.ts";

const source = crypto.getRandomValues(new Uint8Array(1000));
const d = new DataView(source.buffer);
const out = new Uint8Array(4000);
const view = new DataView(out.buffer);
const textTo = (end: number, start = 0): string => Buffer.from(out.subarray(start, end)).toString("latin1");

test("base64 of every length and alignment, not one byte outside", () => {
  for (let length = 0; length < 200; length++) {
    for (const at of [0, 1, 2, 3, 1000 - length]) {
      for (const q of [0, 1, 3]) {
        out.fill(0x2e);
        const end = writeBase64(d, at, length, view, q);
        expect(end - q).toBe(base64Length(length));
        expect(textTo(end, q)).toBe(Buffer.from(source.subarray(at, at + length)).toString("base64"));
        expect(out[end]).toBe(0x2e);
      }
    }
  }
});

test("hex", () => {
  expect(textTo(writeHex(d, 5, 32, view, 0))).toBe(Buffer.from(source.subarray(5, 37)).toString("hex"));
});

test("strkeys equal those made the simple way", () => {
  for (let at = 0; at < 900; at += 3) {
    for (const version of [STRKEY_ACCOUNT, STRKEY_CONTRACT]) {
      expect(textTo(writeStrkey(version, d, at, view, 0))).toBe(formatStrkey(source.subarray(at, at + 32), version));
    }
  }
});

test("128-bit numbers equal BigInt's digits", () => {
  const number = new DataView(new ArrayBuffer(16));
  const values = [0n, 1n, 9n, 10n, 2n ** 53n - 1n, 2n ** 53n, 2n ** 53n + 1n, 2n ** 63n, 2n ** 64n, 2n ** 127n - 1n];
  for (let i = 0; i < 2000; i++) {
    values.push(BigInt.asUintN(i % 129, (d.getBigUint64(i % 900) << 64n) | d.getBigUint64((i * 7) % 900)));
  }
  for (let digits = 1; digits < 39; digits++) values.push(10n ** BigInt(digits), 10n ** BigInt(digits) - 1n);
  for (const value of values) {
    number.setBigUint64(0, value >> 64n);
    number.setBigUint64(8, value & 0xffff_ffff_ffff_ffffn);
    expect(textTo(writeUint128(number, 0, view, 0))).toBe(String(value));
  }
});

test("whole numbers up to 2^53", () => {
  for (const value of [0, 7, 10, 99, 4_294_967_295, Number.MAX_SAFE_INTEGER]) {
    expect(textTo(writeUint(value, view, 0))).toBe(String(value));
  }
});
