/** Ledgers in a saved answer of an RPC server's getLedgers (JSON-RPC 2.0): `result.ledgers[].metadataXdr`, base64. */
import { CodedError } from "../../error.ts";

/** A ledger of the answer. */
interface RpcLedger {
  /** The number that the answer gives it; undefined where it gives none. */
  sequence: number | undefined;
  /** Offset of its base64 in the text. */
  byteOffset: number;
  /** One LedgerCloseMeta. */
  bytes: Uint8Array;
}

/** Whether content begins as a JSON object does. */
export function isJsonText(content: Uint8Array): boolean {
  return /^\s*\{\s*"/.test(Buffer.from(content.subarray(0, 64)).toString("latin1"));
}

/**
 * The ledgers of the answer, in its order.
 *
 * @param name of the file, for messages
 * @throws CodedError DATA_LOSS / LEDGER_FILE_UNKNOWN for JSON that is no such answer, LEDGER_FILE_EMPTY for one without
 * ledgers, BASE64 for a ledger that is no base64
 */
export function rpcLedgers(name: string, content: Uint8Array): RpcLedger[] {
  const text = Buffer.from(content).toString("utf8");
  const wrong = (reason: "LEDGER_FILE_UNKNOWN" | "LEDGER_FILE_EMPTY" | "BASE64", what: string) =>
    new CodedError("DATA_LOSS", reason, `${name}: ${what}`);
  let answer: { result?: { ledgers?: unknown }; error?: { message?: unknown } };
  try {
    answer = JSON.parse(text);
  } catch (thrown) {
    throw wrong("LEDGER_FILE_UNKNOWN", `it begins as JSON and is none (${(thrown as Error).message}): is it cut off?`);
  }
  if (answer.error !== undefined) {
    throw wrong("LEDGER_FILE_UNKNOWN", `the RPC server answered with an error: ${JSON.stringify(answer.error)}`);
  }
  const ledgers = answer.result?.ledgers;
  if (!Array.isArray(ledgers)) {
    throw wrong("LEDGER_FILE_UNKNOWN", "it is JSON, but no answer of getLedgers: result.ledgers is not there");
  }
  if (ledgers.length === 0) throw wrong("LEDGER_FILE_EMPTY", "the answer of getLedgers has no ledger");
  let from = 0;
  return ledgers.map((ledger: { metadataXdr?: unknown; sequence?: unknown }, index) => {
    const xdr = ledger?.metadataXdr;
    if (typeof xdr !== "string" || xdr === "") {
      throw wrong("LEDGER_FILE_UNKNOWN", `ledger ${index} of the answer has no metadataXdr: ask for xdrFormat base64`);
    }
    const bytes = new Uint8Array(Buffer.from(xdr, "base64"));
    if (!/^[A-Za-z0-9+/]*={0,2}$/.test(xdr) || xdr.length % 4 !== 0) {
      throw wrong("BASE64", `the metadataXdr of ledger ${index} is no base64`);
    }
    from = text.indexOf(xdr, from);
    const sequence = typeof ledger.sequence === "number" ? ledger.sequence : undefined;
    const byteOffset = from;
    from += xdr.length; // the same ledger may come again
    return { sequence, byteOffset, bytes };
  });
}
