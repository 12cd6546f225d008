/** A record batch as a table of apache-arrow. */
import { type Table, tableFromIPC } from "apache-arrow";
import { encapsulate, STREAM_END } from "../columns/ipc.ts";
import type { IpcMessage } from "../threads/row-read.ts";
import { registerBodyCodecs } from "./body-codecs.ts";

/**
 * The rows of one batch. Its messages have to be sound (`checkMessage` in src/columns/ipc-reader.ts): apache-arrow trusts them.
 * @param opening schema, then dictionaries
 */
export function batchTable(opening: readonly IpcMessage[], batch: IpcMessage): Table {
  registerBodyCodecs();
  const parts = [...opening, batch].flatMap(({ header, body }) => [encapsulate(header), body]);
  return tableFromIPC(Buffer.concat([...parts, STREAM_END]));
}
