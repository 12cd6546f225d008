/**
 * Tickets and descriptors: how a client says what it wants to read. Both parse to the same request.
 *
 * - ticket `contract-data-stream`, descriptor PATH ["contract","data"]: the newest session
 * - descriptor PATH ["contract","data",<session id>]: that session
 * - PATH ["contract","ttl"] and ["contract","ttl",<session id>]: the same, of the dataset ttl
 * - ticket or CMD descriptor `{"session":"<id>","from":"start" | "now" | <cursor>}`: that session, from there on;
 *   with `"dataset":"ttl"` that dataset of it, with `"shard":{"index":…,"count":…}` one partition where it has several
 * - ticket or CMD descriptor `{"start_ledger":…,"end_ledger":…,…}`, or the legacy text form: a range (range-ticket.ts)
 *
 * What is not ours is refused at once with INVALID_ARGUMENT (drivers of other protocols probe with CMD descriptors
 * and trust any answer).
 */

import { quoted } from "../base/text.ts";
import { CodedError } from "../error.ts";
import { FlightDescriptor_DescriptorType as DescriptorType, type FlightDescriptor } from "../grpc/generated/flight.ts";
import type { Reason } from "../reasons/registry.ts";
import { type Cursor, checkCursorDataset, decodeCursor, encodeCursor } from "../threads/cursor.ts";
import { DATASET_DEFAULT, DATASETS, type Dataset } from "../vocabulary/dataset.ts";
import type { Partition } from "../vocabulary/partition.ts";
import type { Position } from "../vocabulary/position.ts";
import { JsonObject } from "./json-object.ts";
import { refuseSql } from "./no-sql.ts";
import {
  type Encoding,
  LEGACY_RANGE_PREFIX,
  parseLegacyRange,
  type RangeTicket,
  rangeTicketOf,
  takeDataset,
  takeEncoding,
  takeRange,
  takeShardKey,
} from "./range-ticket.ts";

/** The fixed ticket of the newest session. It only reads sessions of schema version 1 without partitions. */
export const NEWEST_SESSION_TICKET = "contract-data-stream";
const PATH_ROOT = "contract";
const PATH_OF: Readonly<Record<Dataset, string>> = { contract_data: "data", ttl: "ttl" };
/** Bytes of a ticket or descriptor. */
export const TICKET_BYTES_MAX = 256 << 10; // room for some thousand contract ids; nobody needs more to say what to read
const EXAMPLES =
  '{"session":"<id>","from":"start"}, {"start_ledger":1,"end_ledger":2}, contract_data:1:2:{} or contract-data-stream';

/** A request to read one session, named by its id. */
export interface SessionRead {
  kind: "session";
  id: string;
  dataset: Dataset;
  /** undefined = the oldest batch that is held. */
  from?: "start" | "now" | Position;
  /** Which partition of a session that has several. */
  shard?: Partition;
  /** What the client expects of the session's encoding; the session must have been started so. */
  wants?: Partial<Encoding>;
}

/** What to read. */
export type ReadRequest = { kind: "newest"; dataset: Dataset } | SessionRead | { kind: "range"; range: RangeTicket };

function invalid(reason: Reason, message: string): CodedError {
  return new CodedError("INVALID_ARGUMENT", reason, message);
}

/** What errors call that which says what to read: a client of HTTP has written a request, and knows of no ticket. */
type TicketName = "ticket" | "descriptor" | "request";

/** @throws CodedError INVALID_ARGUMENT */
export function parseTicket(bytes: Uint8Array, what: TicketName = "ticket"): ReadRequest {
  return parseText(bytes, what);
}

/** @throws CodedError INVALID_ARGUMENT */
export function parseDescriptor(descriptor: FlightDescriptor): ReadRequest {
  if (descriptor.type === DescriptorType.CMD) return parseText(descriptor.cmd, "descriptor");
  if (descriptor.type !== DescriptorType.PATH) {
    throw invalid("DESCRIPTOR_INVALID", 'the descriptor has no type: use PATH ["contract","data"] or CMD with JSON');
  }
  const [first, second, id, ...rest] = descriptor.path;
  const dataset = DATASETS.find((name) => PATH_OF[name] === second);
  if (first !== PATH_ROOT || dataset === undefined || rest.length > 0) {
    throw invalid(
      "DESCRIPTOR_INVALID",
      `no flight has the path [${descriptor.path
        .slice(0, 4)
        .map((part) => quoted(part))
        .join(",")}]: use ["contract","data"] or ["contract","data","<session id>"]`,
    );
  }
  return id === undefined ? { kind: "newest", dataset } : { kind: "session", id, dataset };
}

/** The path of a session, or of the newest one, by which descriptors name it. */
export function pathOf(dataset: Dataset, id?: string): string[] {
  return [PATH_ROOT, PATH_OF[dataset], ...(id === undefined ? [] : [id])];
}

/** The ticket by which DoGet gets what was asked for. */
export function ticketOf(request: ReadRequest): Uint8Array {
  switch (request.kind) {
    case "newest":
      return Buffer.from(NEWEST_SESSION_TICKET);
    case "range":
      return rangeTicketOf(request.range);
    case "session": {
      const { id, dataset, from, shard, wants = {} } = request;
      return Buffer.from(
        JSON.stringify({
          session: id,
          dataset: dataset === DATASET_DEFAULT ? undefined : dataset,
          from: typeof from === "object" ? encodeCursor(from, { dataset, partition: shard }) : from,
          shard,
          schema_version: wants.schemaVersion,
          dictionaries: wants.dictionaries,
          columns: wants.columns,
          batch_size: wants.batchRows,
          compression: wants.compression,
        }),
      );
    }
  }
}

function parseText(bytes: Uint8Array, what: TicketName): ReadRequest {
  if (bytes.length > TICKET_BYTES_MAX) {
    throw invalid("TICKET_TOO_LARGE", `the ${what} has ${bytes.length} B, over max ${TICKET_BYTES_MAX} B`);
  }
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8");
  if (text === NEWEST_SESSION_TICKET) return { kind: "newest", dataset: DATASET_DEFAULT };
  if (text.startsWith(LEGACY_RANGE_PREFIX)) return { kind: "range", range: parseLegacyRange(text, what) };
  if (!text.trimStart().startsWith("{")) {
    refuseSql(bytes);
    throw invalid("TICKET_INVALID", `the ${what} is none of ours: give something like ${EXAMPLES}`);
  }
  const json = JsonObject.parse(text, what, EXAMPLES);
  if (json.has("session")) return takeSession(json);
  if (json.has("start_ledger") || json.has("end_ledger")) return { kind: "range", range: takeRange(json) };
  throw invalid(
    "TICKET_INVALID",
    `the ${what} names neither "session" nor "start_ledger": give something like ${EXAMPLES}`,
  );
}

function takeSession(json: JsonObject): SessionRead {
  const id = json.text("session");
  if (id === undefined) throw json.missing("session", "a session id");
  const dataset = takeDataset(json);
  const from = json.text("from");
  const of = takeShardKey(json);
  const shard = of?.count === 1 ? undefined : of; // the whole
  const wants = takeEncoding(json);
  json.end();
  return {
    kind: "session",
    id,
    dataset,
    from:
      from === undefined || from === "start" || from === "now" ? from : positionOf(decodeCursor(from), dataset, shard),
    shard,
    wants,
  };
}

/** A cursor counts rows of its own dataset, and of its partition or of the whole, and means nothing elsewhere. */
function positionOf(cursor: Cursor, dataset: Dataset, shard: Partition | undefined): Position {
  checkCursorDataset(cursor, dataset);
  const { ledger, row, partition: of } = cursor;
  if (of?.index === shard?.index && of?.count === shard?.count) return { ledger, row };
  const name = (part: Partition | undefined) =>
    part === undefined ? "a session as a whole" : `partition ${part.index} of ${part.count}`;
  throw invalid(
    "CURSOR_OF_PARTITION",
    `the cursor is of ${name(of)}, and the request of ${name(shard)}: a cursor belongs to the partition that it came from`,
  );
}
