/** A query of HTTP as the ticket that DoGet takes: its keys are the ticket's, with filters beside the others. */
import { quoted } from "../base/text.ts";
import { CodedError } from "../error.ts";
import { FILTER_KINDS, type FilterValueType } from "../vocabulary/filter-kinds.ts";
import type { RowFormat } from "./row-format.ts";

/** How a parameter is written. A list may be given as `a,b` or more than once. */
export type ParameterType = "integer" | "boolean" | "text" | "list" | "shard";

/** One parameter of a query. */
export interface Parameter {
  key: string;
  type: ParameterType;
  /** For people, in /openapi.json. */
  summary: string;
  /** Only of one that must be there: what to give, for who has left it out. */
  missing?: string;
}

const ENCODING: readonly Parameter[] = [
  { key: "schema_version", type: "integer", summary: "1 or 2. Of a session: what it has to have." },
  { key: "columns", type: "list", summary: "Names of columns, in the order wanted. Absent: all." },
  { key: "dictionaries", type: "boolean", summary: "false: columns of few words are text in Arrow." },
  { key: "batch_size", type: "integer", summary: "Rows a batch at most. Absent: about 1 MiB." },
  { key: "compression", type: "text", summary: "none, lz4 or zstd: of the Arrow buffers." },
];
const PLACE: readonly Parameter[] = [
  { key: "dataset", type: "text", summary: "contract_data or ttl. Absent: contract_data." },
  { key: "from", type: "text", summary: "A cursor: where to go on. Of a session also start or now." },
  { key: "shard", type: "shard", summary: "INDEX/COUNT: one partition of a session, or a range's part by contract." },
];
const LEDGERS: readonly Parameter[] = [
  { key: "start_ledger", type: "integer", summary: "The first ledger.", missing: "the first ledger" },
  {
    ...{ key: "end_ledger", type: "integer", summary: "The last ledger, inclusive; 0 follows the source for ever." },
    missing: "the last ledger, inclusive, or 0 to follow the source for ever",
  },
  { key: "assets", type: "list", summary: "Assets whose contracts are known, as SEP-11 writes them." },
];
const FILTER_TYPES: Readonly<Record<FilterValueType, ParameterType>> = {
  texts: "list",
  amount: "text",
  word: "text",
  ledger: "integer",
  switch: "boolean",
  only: "boolean",
};
const FILTERS: readonly Parameter[] = FILTER_KINDS.map(({ key, type, summary }) => ({
  key,
  type: FILTER_TYPES[type],
  summary,
}));

/** Parameters of a read of a session. */
export const SESSION_PARAMETERS: readonly Parameter[] = [...PLACE, ...ENCODING];
/** Parameters of a read of a range. */
export const RANGE_PARAMETERS: readonly Parameter[] = [...LEDGERS, ...PLACE, ...ENCODING, ...FILTERS];
/** Parameters of every read, which are not the ticket's. */
export const READ_PARAMETERS: readonly Parameter[] = [
  { key: "format", type: "text", summary: "ndjson, csv, arrow or sse; it goes before Accept." },
  { key: "decoded", type: "boolean", summary: "true: rows without key_json and val_json have them too (ndjson, sse)." },
  { key: "ticket", type: "text", summary: "What POST of the same address gave: it stands for credentials." },
];

/** What `format` says; undefined where it is left out. @throws CodedError INVALID_ARGUMENT / QUERY */
export function formatOf(query: URLSearchParams): string | undefined {
  const given = query.getAll("format");
  return given.length === 0 ? undefined : String(parameterValue({ key: "format", type: "text" }, given));
}

/** Whether `decoded` asks for keys and values as JSON. @throws CodedError INVALID_ARGUMENT / QUERY */
export function decodedOf(query: URLSearchParams, format: RowFormat): boolean {
  const given = query.getAll("decoded");
  const isDecoded = given.length > 0 && parameterValue({ key: "decoded", type: "boolean" }, given) === true;
  if (isDecoded && (format === "csv" || format === "arrow"))
    throw wrong(
      `decoded=true is for ndjson and sse, and the format is ${format}: schema_version=2 has both in every form`,
    );
  return isDecoded;
}

/** The ticket of a session's rows. @throws CodedError INVALID_ARGUMENT / QUERY */
export function sessionTicket(id: string, query: URLSearchParams): Uint8Array {
  return ticketBytes({ session: id, ...takeParameters(query, SESSION_PARAMETERS) });
}

/** The ticket of a range's rows. @throws CodedError INVALID_ARGUMENT / QUERY */
export function rangeTicket(query: URLSearchParams): Uint8Array {
  const values = takeParameters(query, RANGE_PARAMETERS);
  const filters: Record<string, unknown> = {};
  for (const { key } of FILTERS) {
    if (!(key in values)) continue;
    filters[key] = values[key];
    delete values[key];
  }
  return ticketBytes({ ...values, filters: Object.keys(filters).length === 0 ? undefined : filters });
}

function takeParameters(query: URLSearchParams, known: readonly Parameter[]): Record<string, unknown> {
  const values: Record<string, unknown> = {};
  for (const key of new Set(query.keys())) {
    if (READ_PARAMETERS.some((parameter) => parameter.key === key)) continue;
    const parameter = known.find((each) => each.key === key);
    if (parameter === undefined) {
      const keys = [...known, ...READ_PARAMETERS].map((each) => each.key).join(", ");
      throw wrong(`there is no parameter ${quoted(key)} here: there are ${keys}`);
    }
    values[key] = parameterValue(parameter, query.getAll(key));
  }
  const absent = known.find(({ key, missing }) => missing !== undefined && !(key in values));
  if (absent !== undefined)
    throw new CodedError("INVALID_ARGUMENT", "KEY_MISSING", `${absent.key} is missing: give ${absent.missing}`);
  return values;
}

function parameterValue({ key, type }: Pick<Parameter, "key" | "type">, given: readonly string[]): unknown {
  if (type === "list") {
    const values = given.flatMap((each) => each.split(",")).filter((each) => each !== "");
    if (values.length === 0) throw wrong(`${key} is empty: give a value, or leave it out`); // lest it select everything
    return values;
  }
  const [text = "", ...more] = given;
  if (more.length > 0) throw wrong(`${key} is given ${given.length} times: give it once`);
  switch (type) {
    case "integer":
      if (/^\d{1,15}$/.test(text)) return Number(text);
      throw wrong(`${key} is ${quoted(text)}: give an integer`);
    case "boolean":
      if (text === "true" || text === "false") return text === "true";
      throw wrong(`${key} is ${quoted(text)}: give true or false`);
    case "shard": {
      const [, index, count] = /^(\d{1,6})\/(\d{1,6})$/.exec(text) ?? [];
      if (count === undefined) throw wrong(`${key} is ${quoted(text)}: give INDEX/COUNT, as 0/4`);
      return { index: Number(index), count: Number(count) };
    }
    case "text":
      return text;
  }
}

function wrong(message: string): CodedError {
  return new CodedError("INVALID_ARGUMENT", "QUERY", message);
}

function ticketBytes(ticket: object): Uint8Array {
  return Buffer.from(JSON.stringify(ticket));
}
