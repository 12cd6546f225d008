/** The dictionaries of columns of words, as a reader of a stream needs them. */
import { BufferRegion, DictionaryBatch, FieldNode, Message, RecordBatch } from "apache-arrow/ipc/metadata/message";
import type { Column } from "./column.ts";
import { DictionaryColumn } from "./dictionary-column.ts";

/** A message of an IPC stream in its two parts, as FlightData carries them: flatbuffer, body. */
interface IpcMessage {
  header: Uint8Array;
  body: Uint8Array;
}

/**
 * The DictionaryBatch messages that a reader needs after the schema and before the first batch: one for each column
 * that is a dictionary, always the same. None in schema version 1, and where the encoder's options say so.
 */
export function dictionaryMessages(columns: readonly Column[]): IpcMessage[] {
  return columns.filter((column) => column instanceof DictionaryColumn).map(messageOf);
}

function messageOf({ words, id }: DictionaryColumn): IpcMessage {
  const texts = words.map((word) => new TextEncoder().encode(word));
  const align = (bytes: number): number => (bytes + 7) & ~7;
  const offsetsBytes = 4 * (texts.length + 1);
  const dataAt = align(offsetsBytes);
  const dataBytes = texts.reduce((sum, text) => sum + text.length, 0);
  const body = new Uint8Array(align(dataAt + dataBytes));
  const view = new DataView(body.buffer);
  let q = dataAt;
  texts.forEach((text, i) => {
    body.set(text, q);
    q += text.length;
    view.setInt32(4 * (i + 1), q - dataAt, true);
  });
  const regions = [new BufferRegion(0, 0), new BufferRegion(0, offsetsBytes), new BufferRegion(dataAt, dataBytes)];
  const batch = new RecordBatch(texts.length, [new FieldNode(texts.length, 0)], regions, null);
  return { header: Message.encode(Message.from(new DictionaryBatch(batch, id, false), body.length)), body };
}
