import { expect, test } from "bun:test";
import { StrKey } from "@stellar/stellar-sdk";
import { formatStrkey, parseStrkey, STRKEY_ACCOUNT, STRKEY_CONTRACT } from "../../src/xdr/strkey.ts";

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
