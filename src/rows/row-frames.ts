/** What stands around the rows in each form: before the first batch, behind each batch, at the end, after an error. */
import { encapsulate, STREAM_END } from "../columns/ipc.ts";
import { readSchemaMessage } from "../columns/ipc-reader.ts";
import type { ErrorRecord } from "../error.ts";
import type { IpcMessage } from "../threads/row-read.ts";
import { csvLine } from "./csv.ts";
import type { RowFormat } from "./row-format.ts";

/** What of a batch's `app_metadata` the forms use. */
export interface BatchNews {
  rows: number;
  cursor: string;
}

/** The parts of a form; absent ones are nothing. */
interface Frame {
  head?(opening: readonly IpcMessage[]): Uint8Array;
  /** Behind the rows of a batch. @param metadata its `app_metadata`, JSON */
  after?(news: BatchNews, metadata: string): Uint8Array;
  end?(cursor: string | undefined): Uint8Array;
  /** Absent: the connection is cut, so that nobody takes what there is for all of it. */
  error?(error: ErrorRecord, cursor: string | undefined): Uint8Array;
  /** Says that the connection is alive. */
  alive?: Uint8Array;
}

const RETRY_MS = 1000; // until a browser that was cut off is back; it is told so in a field of the event stream

const encoder = new TextEncoder();
const bytes = (text: string) => encoder.encode(text);

function event(name: string, data: object | string, id?: string): Uint8Array {
  const text = typeof data === "string" ? data : JSON.stringify(data);
  return bytes(`event: ${name}\n${id === undefined ? "" : `id: ${id}\n`}data: ${text}\n\n`);
}

/** Each form's frame. */
export const FRAMES: Readonly<Record<RowFormat, Frame>> = {
  ndjson: {
    error: (error, cursor) => bytes(`${JSON.stringify({ error: { ...error, cursor } })}\n`),
  },
  csv: {
    head: ([schema]) => {
      const fields = readSchemaMessage(encapsulate(schema!.header));
      return bytes(`${csvLine(fields.map(({ name }) => name))}\n`);
    },
  },
  arrow: {
    head: (opening) => Buffer.concat(opening.flatMap(({ header, body }) => [encapsulate(header), body])),
    end: () => STREAM_END,
  },
  sse: {
    head: () => bytes(`retry: ${RETRY_MS}\n\n`),
    // a batch is one event, so that its rows and its cursor come together or not at all
    after: ({ rows, cursor }, metadata) =>
      rows === 0 ? event("progress", metadata.trim(), cursor) : bytes(`id: ${cursor}\n\n`),
    end: (cursor) => event("end", { cursor }),
    error: (error, cursor) => event("error", { ...error, cursor }),
    alive: bytes(":\n\n"),
  },
};
