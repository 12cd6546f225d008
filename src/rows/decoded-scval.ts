/** ScVals of rows of schema version 1 as JSON, for people. */
import { XdrJsonWriter } from "../columns/xdr-json.ts";

const writer = new XdrJsonWriter();
const decoder = new TextDecoder();

/** XDR-JSON (SEP-51) of an ScVal that this server has walked. @param base64 null: `null` */
export function decodedScVal(base64: unknown): string {
  if (typeof base64 !== "string") return "null";
  const bytes = Buffer.from(base64, "base64");
  writer.end = 0;
  writer.write(new DataView(bytes.buffer, bytes.byteOffset, bytes.length), 0);
  return decoder.decode(writer.bytes.subarray(0, writer.end));
}
