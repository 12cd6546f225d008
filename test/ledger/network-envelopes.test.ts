/** A wrong passphrase is found out by any kind of envelope, in any version of LedgerCloseMeta. */
import { describe, expect, test } from "bun:test";
import { TransactionBuilder } from "@stellar/stellar-sdk";
import { checkNetwork, detectNetwork } from "../../src/ledger/network.ts";
import { classicLedgers, ledger58752000, loadTestLedgers } from "../fuzz/ledger-fixtures.ts";
import { field, LEDGER_CLOSE_META, rawOf, readTree, walk, writeTree, type XdrNode } from "../fuzz/tree.ts";
import { PUBNET, TESTNET } from "../support/networks.ts";

const ledgers = new Map<string, Uint8Array>([
  ["V0", classicLedgers()[2]!],
  ["V1", ledger58752000()],
  ["V2", loadTestLedgers()[0]!],
]);

function isEnvelopes({ shape }: XdrNode): boolean {
  return shape.kind === "list" && shape.of.kind === "union" && shape.of.name === "TransactionEnvelope";
}

/** Of each type that the fixtures have, one real envelope of pubnet. */
const envelopes = new Map<number, XdrNode>();
for (const ledger of [...classicLedgers(), ledger58752000()]) {
  for (const list of [...walk(readTree(LEDGER_CLOSE_META, ledger).root)].filter(isEnvelopes)) {
    for (const envelope of list.children) if (!envelopes.has(envelope.number)) envelopes.set(envelope.number, envelope);
  }
}

/** The ledger with this envelope alone, and its first result being that of this envelope. */
function ledgerWith(ledger: Uint8Array, envelope: XdrNode): Uint8Array {
  const { root } = readTree(LEDGER_CLOSE_META, ledger);
  const lists = [...walk(field(root.children[0]!, "txSet"))].filter(isEnvelopes);
  expect(lists.length).toBeGreaterThan(0);
  lists.forEach((list, i) => {
    list.children = i === 0 ? [envelope] : [];
  });
  const first = field(root.children[0]!, "txProcessing").children[0]!;
  const hash = field(field(first, "result"), "transactionHash");
  // The SDK's own hash, under pubnet's passphrase.
  hash.source = new Uint8Array(
    TransactionBuilder.fromXDR(Buffer.from(rawOf(envelope)).toString("base64"), PUBNET).hash(),
  );
  hash.start = 0;
  hash.end = hash.source.length;
  return writeTree(root);
}

describe.each([
  ["a transaction of version 0", 0],
  ["a transaction", 2],
  ["a fee bump", 5],
])("%s", (_, type) => {
  test.each([...ledgers.keys()])("in a LedgerCloseMeta of %s", (version) => {
    const bytes = ledgerWith(ledgers.get(version)!, envelopes.get(type)!);
    expect(bytes[3]).toBe(Number(version.slice(1)));
    expect(detectNetwork(bytes)).toBe(PUBNET);
    expect(checkNetwork(bytes, PUBNET)).toBe(true);
    expect(() => checkNetwork(bytes, TESTNET)).toThrow(
      expect.objectContaining({
        code: "FAILED_PRECONDITION",
        reason: "NETWORK_MISMATCH",
        message: expect.stringContaining(`"${TESTNET}": they are of pubnet: set "${PUBNET}"`),
      }),
    );
  });
});
