/**
 * Thrift's compact protocol, as far as Parquet's metadata needs it: structs of 32- and 64-bit integers, flags, binary,
 * lists and structs (thrift-compact-protocol.md).
 */
import { ByteWriter } from "./byte-writer.ts";

const TYPE = { true: 1, false: 2, byte: 3, i32: 5, i64: 6, binary: 8, list: 9, struct: 12 } as const;
const SHORT_LIST_MAX = 14;
const SHORT_DELTA_MAX = 15;

/** A value with its type. */
export interface Thrift {
  type: number;
  write(out: ByteWriter): void;
}

/** Fields by number; undefined ones are left out. JavaScript keeps such keys in rising order, as the protocol wants them. */
export type ThriftFields = Readonly<Record<number, Thrift | undefined>>;

/** A field of type bool: its value is in its type. */
export function flag(value: boolean): Thrift {
  return { type: value ? TYPE.true : TYPE.false, write() {} };
}

/** A field of type i8. */
export function int8(value: number): Thrift {
  return { type: TYPE.byte, write: (out) => out.byte(value) };
}

/** A field of type i32, or of an enum. */
export function int32(value: number): Thrift {
  return { type: TYPE.i32, write: (out) => zigzag(value, out) };
}

/** A field of type i64, up to 2^53. */
export function int64(value: number): Thrift {
  return { type: TYPE.i64, write: (out) => zigzag(value, out) };
}

/** A field of type binary or string. */
export function binary(value: Uint8Array | string): Thrift {
  const bytes = typeof value === "string" ? new TextEncoder().encode(value) : value;
  return {
    type: TYPE.binary,
    write(out) {
      out.varint(bytes.length);
      out.bytes(bytes);
    },
  };
}

/** A list of values of one type; a list of flags holds bytes. */
export function list(items: readonly Thrift[]): Thrift {
  const type = items[0]?.type ?? TYPE.struct;
  const isFlags = type === TYPE.true || type === TYPE.false;
  return {
    type: TYPE.list,
    write(out) {
      const element = isFlags ? TYPE.false : type;
      if (items.length <= SHORT_LIST_MAX) out.byte((items.length << 4) | element);
      else {
        out.byte(0xf0 | element);
        out.varint(items.length);
      }
      for (const item of items) {
        if (isFlags) out.byte(item.type);
        else item.write(out);
      }
    },
  };
}

/** A field of a struct or of a union. */
export function struct(fields: ThriftFields): Thrift {
  return { type: TYPE.struct, write: (out) => writeFields(fields, out) };
}

const encoded = new ByteWriter();

/** A struct as its bytes. */
export function encodeThrift(fields: ThriftFields): Uint8Array {
  encoded.clear();
  writeFields(fields, encoded);
  return new Uint8Array(encoded.written());
}

function writeFields(fields: ThriftFields, out: ByteWriter): void {
  let last = 0;
  for (const [key, value] of Object.entries(fields)) {
    if (value === undefined) continue;
    const id = Number(key);
    if (id - last <= SHORT_DELTA_MAX) out.byte(((id - last) << 4) | value.type);
    else {
      out.byte(value.type);
      zigzag(id, out);
    }
    last = id;
    value.write(out);
  }
  out.byte(0);
}

function zigzag(value: number, out: ByteWriter): void {
  out.varint(value >= 0 ? value * 2 : -value * 2 - 1);
}
