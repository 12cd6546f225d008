/** The chain of the sample's ledgers repeated, from the first number on, whichever are read. */
import { ledgerHeader } from "../../src/ledger/header.ts";
import type { RepeatingSource } from "../../src/sources/repeating.ts";
import { chainOf, link } from "./chain.ts";
import { SAMPLE } from "./processor.ts";

/** A function that makes a ledger of that source follow the one before, whichever read it came from. */
export async function sampleChain(source: RepeatingSource): Promise<(ledger: Uint8Array) => void> {
  const heads: Uint8Array[] = [];
  for await (const { bytes } of source.read(SAMPLE.first, SAMPLE.last, new AbortController().signal)) {
    const { header } = ledgerHeader(bytes);
    heads.push(bytes.slice(0, header.byteOffset - bytes.byteOffset + header.length));
  }
  const before = chainOf((sequence) => {
    const steps = (sequence - SAMPLE.first) % heads.length;
    const head = heads[(steps + heads.length) % heads.length]!;
    new DataView(head.buffer).setUint32(ledgerHeader(head).offsets.sequence, sequence);
    return head;
  });
  return (ledger) => void link(ledger, before(ledgerHeader(ledger).sequence));
}
