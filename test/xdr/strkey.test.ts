import { expect, test } from "bun:test";
import { StrKey } from "@stellar/stellar-sdk";
import {
  BASE32_ALPHABET,
  formatStrkey,
  parseStrkey,
  STRKEY_ACCOUNT,
  STRKEY_CLAIMABLE_BALANCE,
  STRKEY_CONTRACT,
  STRKEY_LIQUIDITY_POOL,
  STRKEY_MUXED,
  strkeyVersion,
} from "../../src/xdr/strkey.ts";

test("strkeys equal the SDK's, both ways", () => {
  for (let i = 0; i < 200; i++) {
    const bytes = crypto.getRandomValues(new Uint8Array(32));
    const account = formatStrkey(bytes, STRKEY_ACCOUNT);
    const contract = formatStrkey(bytes, STRKEY_CONTRACT);
    expect(account).toBe(StrKey.encodeEd25519PublicKey(Buffer.from(bytes)));
    expect(contract).toBe(StrKey.encodeContract(Buffer.from(bytes)));
    expect(parseStrkey(account, STRKEY_ACCOUNT)).toEqual(bytes);
    expect(parseStrkey(contract, STRKEY_CONTRACT)).toEqual(bytes);
  }
});

test("one wrong character anywhere is noticed", () => {
  const text = formatStrkey(new Uint8Array(32).fill(7), STRKEY_CONTRACT);
  for (let i = 0; i < text.length; i++) {
    const wrong = text.slice(0, i) + (text[i] === "A" ? "B" : "A") + text.slice(i + 1);
    expect(() => parseStrkey(wrong, STRKEY_CONTRACT)).toThrow(`"${wrong}" is not a C… strkey`);
  }
});

test("the longer kinds equal the SDK's, both ways", () => {
  for (let i = 0; i < 200; i++) {
    const muxed = crypto.getRandomValues(new Uint8Array(40));
    const text = formatStrkey(muxed, STRKEY_MUXED);
    expect(text).toBe(StrKey.encodeMed25519PublicKey(Buffer.from(muxed)));
    expect(parseStrkey(text, STRKEY_MUXED)).toEqual(muxed);
    const balance = crypto.getRandomValues(new Uint8Array(33));
    balance[0] = 0;
    expect(formatStrkey(balance, STRKEY_CLAIMABLE_BALANCE)).toBe(StrKey.encodeClaimableBalance(Buffer.from(balance)));
    expect(parseStrkey(formatStrkey(balance, STRKEY_CLAIMABLE_BALANCE), STRKEY_CLAIMABLE_BALANCE)).toEqual(balance);
    const pool = crypto.getRandomValues(new Uint8Array(32));
    expect(formatStrkey(pool, STRKEY_LIQUIDITY_POOL)).toBe(StrKey.encodeLiquidityPool(Buffer.from(pool)));
  }
  expect(["G", "C", "M", "B", "L", "X", ""].map(strkeyVersion)).toEqual([
    ...[STRKEY_ACCOUNT, STRKEY_CONTRACT, STRKEY_MUXED, STRKEY_CLAIMABLE_BALANCE, STRKEY_LIQUIDITY_POOL],
    ...[undefined, undefined],
  ]);
});

test("bits of the last character that stand for nothing must be zero", () => {
  const text = formatStrkey(new Uint8Array(40), STRKEY_MUXED);
  const last = BASE32_ALPHABET.indexOf(text.at(-1)!);
  expect(() => parseStrkey(text.slice(0, -1) + BASE32_ALPHABET[last + 1], STRKEY_MUXED)).toThrow("stand for nothing");
});
