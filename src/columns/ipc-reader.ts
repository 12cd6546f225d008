/**
 * Reads Arrow IPC messages that strangers sent (Arrow's format/Message.fbs and Schema.fbs): schemas into plain values,
 * other messages to see whether apache-arrow's reader, which trusts its input, may have them.
 */
import { Flatbuffer, FlatbufferError, type FlatTable } from "./flatbuffer.ts";

/** One column as a schema message describes it. */
export interface FieldOutline {
  name: string;
  /** As apache-arrow writes the type: `Utf8`, `Timestamp<MICROSECOND, UTC>`, `Dictionary<Int8, Utf8>`. */
  type: string;
  nullable: boolean;
}

export const SCHEMA_MESSAGE_BYTES_MAX = 1 << 20; // thousands of columns; ours takes 4 KiB
const DEPTH_MAX = 64; // types within types, as Arrow C++ has it
const CONTINUATION = 0xffff_ffff; // before the length of an encapsulated message, since Arrow 0.15

const HEADER = { schema: 1, dictionaryBatch: 2, recordBatch: 3 } as const;

/**
 * The columns of an encapsulated IPC schema message; what follows the message is let be.
 * @throws FlatbufferError where it is none, or is over SCHEMA_MESSAGE_BYTES_MAX
 */
export function readSchemaMessage(bytes: Uint8Array): FieldOutline[] {
  const message = new Flatbuffer(flatbufferOf(bytes)).root();
  if (message.uint8(MESSAGE.headerType) !== HEADER.schema) throw new FlatbufferError("the message is no schema");
  const schema = message.table(MESSAGE.header);
  if (schema === undefined) throw new FlatbufferError("the message has no header");
  checkMetadata(schema, SCHEMA.metadata);
  return schema.tables(SCHEMA.fields).map((field) => outline(field, 1));
}

/**
 * Whether a message's flatbuffer (FlightData's data_header) is sound, and stays within a body of `bodyBytes`.
 * @throws FlatbufferError where it is not
 */
export function checkMessage(header: Uint8Array, bodyBytes: number): void {
  const message = new Flatbuffer(header).root();
  checkMetadata(message, MESSAGE.metadata);
  const table = message.table(MESSAGE.header);
  if (table === undefined) throw new FlatbufferError("the message has no header");
  if (message.int64(MESSAGE.bodyLength) > BigInt(bodyBytes)) throw new FlatbufferError("the body is cut off");
  const kind = message.uint8(MESSAGE.headerType);
  if (kind === HEADER.schema) {
    checkMetadata(table, SCHEMA.metadata);
    for (const field of table.tables(SCHEMA.fields)) outline(field, 1);
  } else if (kind === HEADER.recordBatch) checkBatch(table);
  else if (kind === HEADER.dictionaryBatch) {
    const batch = table.table(DICTIONARY_BATCH.data);
    if (batch === undefined) throw new FlatbufferError("a dictionary batch has no data");
    checkBatch(batch);
  } else throw new FlatbufferError(`${kind} is no kind of message`);
}

// Fields by their number, as the .fbs files have them in order.
const MESSAGE = { headerType: 1, header: 2, bodyLength: 3, metadata: 4 } as const;
const SCHEMA = { fields: 1, metadata: 2 } as const;
const FIELD = { name: 0, nullable: 1, typeType: 2, type: 3, dictionary: 4, children: 5, metadata: 6 } as const;
const DICTIONARY = { indexType: 1 } as const;
const RECORD_BATCH = { nodes: 1, buffers: 2, compression: 3, variadicBufferCounts: 4 } as const;
const DICTIONARY_BATCH = { data: 1 } as const;

function flatbufferOf(bytes: Uint8Array): Uint8Array {
  if (bytes.length > SCHEMA_MESSAGE_BYTES_MAX) {
    throw new FlatbufferError(`it has ${bytes.length} B, over max ${SCHEMA_MESSAGE_BYTES_MAX} B`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const word = (at: number) => {
    if (at + 4 > bytes.length) throw new FlatbufferError(`its ${bytes.length} B end in the message's length`);
    return view.getUint32(at, true);
  };
  const start = word(0) === CONTINUATION ? 8 : 4; // the older form has the length alone
  const length = word(start - 4);
  if (start + length > bytes.length) {
    throw new FlatbufferError(`the message is of ${length} B, and ${bytes.length - start} are there`);
  }
  return bytes.subarray(start, start + length);
}

function checkMetadata(table: FlatTable, field: number): void {
  for (const pair of table.tables(field)) {
    pair.text(0);
    pair.text(1);
  }
}

function checkBatch(batch: FlatTable): void {
  batch.vector(RECORD_BATCH.nodes, 16);
  batch.vector(RECORD_BATCH.buffers, 16);
  batch.vector(RECORD_BATCH.variadicBufferCounts, 8);
  batch.table(RECORD_BATCH.compression);
}

function outline(field: FlatTable, depth: number): FieldOutline {
  if (depth > DEPTH_MAX) throw new FlatbufferError(`its types are nested deeper than ${DEPTH_MAX}`);
  checkMetadata(field, FIELD.metadata);
  const children = field.tables(FIELD.children).map((child) => outline(child, depth + 1));
  const plain = typeText(field.uint8(FIELD.typeType), field.table(FIELD.type), children);
  const dictionary = field.table(FIELD.dictionary);
  const index = dictionary?.table(DICTIONARY.indexType);
  return {
    name: field.text(FIELD.name) ?? "",
    type: dictionary === undefined ? plain : `Dictionary<${index === undefined ? "Int32" : intText(index)}, ${plain}>`,
    nullable: field.boolean(FIELD.nullable),
  };
}

const DATE_UNITS = ["DAY", "MILLISECOND"];
const TIME_UNITS = ["SECOND", "MILLISECOND", "MICROSECOND", "NANOSECOND"];
const INTERVAL_UNITS = ["YEAR_MONTH", "DAY_TIME", "MONTH_DAY_NANO"];

/** Types that are their name alone, by their number in the union Type. */
const PLAIN_TYPES: Readonly<Record<number, string>> = {
  1: "Null",
  4: "Binary",
  5: "Utf8",
  6: "Bool",
  19: "LargeBinary",
  20: "LargeUtf8",
  23: "BinaryView",
  24: "Utf8View",
};

type TypeText = (type: FlatTable, children: readonly FieldOutline[]) => string;

/** The others, from their own tables. */
const TYPES: Readonly<Record<number, TypeText>> = {
  2: (type) => intText(type),
  3: (type) => `Float${16 << word(type, 0, [0, 1, 2])}`,
  7: (type) => {
    const scale = type.int32(1);
    return `Decimal[${type.int32(0)}e${scale > 0 ? "+" : ""}${scale}]`;
  },
  8: (type) => {
    const unit = type.has(0) ? type.int16(0) : 1; // a date counts milliseconds unless it says otherwise
    return `Date${(unit + 1) * 32}<${nameOf(DATE_UNITS, unit)}>`;
  },
  9: (type) => `Time${type.int32(1, 32)}<${nameOf(TIME_UNITS, type.has(0) ? type.int16(0) : 1)}>`,
  10: (type) => {
    const zone = type.text(1);
    return `Timestamp<${nameOf(TIME_UNITS, type.int16(0))}${zone ? `, ${zone}` : ""}>`;
  },
  11: (type) => `Interval<${nameOf(INTERVAL_UNITS, type.int16(0))}>`,
  12: (_, children) => `List<${onlyChild(children)}>`,
  13: (_, children) => `Struct<{${membersText(children)}}>`,
  14: (type, children) => {
    type.vector(1, 4);
    return `${type.int16(0) === 1 ? "Dense" : "Sparse"}Union<${children.map((child) => child.type).join(" | ")}>`;
  },
  15: (type) => `FixedSizeBinary[${type.int32(0)}]`,
  16: (type, children) => `FixedSizeList[${type.int32(0)}]<${onlyChild(children)}>`,
  17: (_, children) => `Map<{${onlyChild(children).replace(/^Struct<\{|\}>$/g, "")}}>`,
  18: (type) => `Duration<${nameOf(TIME_UNITS, type.has(0) ? type.int16(0) : 1)}>`,
  21: (_, children) => `LargeList<${onlyChild(children)}>`,
  22: (_, children) => `RunEndEncoded<{${membersText(children)}}>`,
  25: (_, children) => `ListView<${onlyChild(children)}>`,
  26: (_, children) => `LargeListView<${onlyChild(children)}>`,
};

function typeText(kind: number, type: FlatTable | undefined, children: readonly FieldOutline[]): string {
  const plain = PLAIN_TYPES[kind];
  if (plain !== undefined) return plain;
  const text = TYPES[kind];
  if (text === undefined || type === undefined) throw new FlatbufferError(`${kind} is no type`);
  return text(type, children);
}

function intText(type: FlatTable): string {
  return `${type.boolean(1) ? "I" : "Ui"}nt${word(type, 0, [8, 16, 32, 64], "int32")}`;
}

/** A number that has to be one of a few. */
function word(type: FlatTable, field: number, known: readonly number[], width: "int16" | "int32" = "int16"): number {
  const value = type[width](field);
  if (!known.includes(value)) throw new FlatbufferError(`${value} is none of ${known.join(", ")}`);
  return value;
}

function nameOf(names: readonly string[], index: number): string {
  const name = names[index];
  if (name === undefined) throw new FlatbufferError(`there is no unit ${index}`);
  return name;
}

function membersText(children: readonly FieldOutline[]): string {
  return children.map(({ name, type }) => `${name}:${type}`).join(", ");
}

function onlyChild(children: readonly FieldOutline[]): string {
  if (children.length !== 1) throw new FlatbufferError(`a list has ${children.length} children`);
  return children[0]!.type;
}
