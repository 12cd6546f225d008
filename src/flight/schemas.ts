/** The schemas that this server sends, in the forms that Flight sends them in, and whether a client's schema fits. */
import type { Schema } from "apache-arrow";
import { shortened } from "../base/text.ts";
import { arrowSchema } from "../columns/arrow-schema.ts";
import { BatchEncoder, type BatchEncoderOptions } from "../columns/batch-encoder.ts";
import { dictionaryMessages } from "../columns/dictionary-messages.ts";
import { FlatbufferError } from "../columns/flatbuffer.ts";
import { encapsulate, schemaMessage } from "../columns/ipc.ts";
import { type FieldOutline, readSchemaMessage } from "../columns/ipc-reader.ts";
import { describeFields, type FieldDescription } from "../columns/schema-description.ts";
import { alignedHeader } from "../delivery/body-alignment.ts";
import { CodedError } from "../error.ts";
import type { StreamOpening } from "../threads/data-plane-messages.ts";
import type { FlightDataMessage } from "./flight-data.ts";

const SHOWN_MAX = 200; // characters of a client's column name or type that an answer repeats
const SCHEMAS_CACHED_MAX = 256; // projections that clients have asked for lately; one is some kilobytes

/** One schema, in every form that Flight sends it in. */
export interface SchemaForms {
  schema: Schema;
  /** Its columns, as docs/columns.md and proto/schemas describe them. */
  fields: FieldDescription[];
  /** Bare flatbuffer: the data_header of a stream's first message. */
  header: Uint8Array;
  /** Encapsulated IPC message: FlightInfo.schema, SchemaResult. */
  encapsulated: Uint8Array;
  /** Messages that follow the schema at once: the values of dictionary-encoded columns. */
  dictionaries: FlightDataMessage[];
}

/** Schemas by dataset, version, columns and network; those asked for lately are kept. */
export class Schemas {
  private readonly cached = new Map<string, SchemaForms>();

  /** @throws CodedError INVALID_ARGUMENT for a version or a column that does not exist */
  get(options: BatchEncoderOptions): SchemaForms {
    const { dataset, schemaVersion, networkPassphrase, columns, dictionaries = true } = options;
    const key = JSON.stringify([dataset, schemaVersion, networkPassphrase, columns, dictionaries]);
    let forms = this.cached.get(key);
    if (forms === undefined) {
      const encoder = new BatchEncoder({ dataset, schemaVersion, networkPassphrase, columns, dictionaries });
      const schema = arrowSchema(encoder);
      const header = schemaMessage(schema);
      forms = {
        schema,
        fields: describeFields(encoder.columns),
        header,
        encapsulated: encapsulate(header),
        dictionaries: dictionariesOf(encoder),
      };
    } else this.cached.delete(key);
    this.cached.set(key, forms);
    if (this.cached.size > SCHEMAS_CACHED_MAX) this.cached.delete(this.cached.keys().next().value!);
    return forms;
  }
}

/** Whether a stream sends dictionaries. */
export function hasDictionaries({ schemaVersion, dictionaries }: StreamOpening): boolean {
  return schemaVersion !== 1 && dictionaries !== false;
}

function dictionariesOf(encoder: BatchEncoder): FlightDataMessage[] {
  return dictionaryMessages(encoder.columns).map(({ header, body }) => ({
    dataHeader: alignedHeader(header, body.length),
    dataBody: body,
  }));
}

/**
 * What stands in the way of a client that was written for `expected` reading `offered`: a column that is gone, another
 * type, or nulls where the client expects none. Empty when it can. Columns that only the server has do no harm.
 */
export function incompatibilities(expected: readonly FieldOutline[], offered: Schema): string[] {
  const byName = new Map(offered.fields.map((field) => [field.name, field]));
  return expected.flatMap((field) => {
    const ours = byName.get(field.name);
    if (ours === undefined) return [`column ${shortened(field.name, SHOWN_MAX)} is not there`];
    const found: string[] = [];
    if (String(ours.type) !== field.type) {
      found.push(`column ${field.name} is ${ours.type}, not ${shortened(field.type, SHOWN_MAX)}`);
    }
    if (ours.nullable && !field.nullable) found.push(`column ${field.name} may be null`);
    return found;
  });
}

/**
 * The columns of a client's schema.
 * @param bytes an encapsulated IPC schema message
 * @throws CodedError INVALID_ARGUMENT / SCHEMA_UNREADABLE
 */
export function readSchema(bytes: Uint8Array): FieldOutline[] {
  try {
    return readSchemaMessage(bytes);
  } catch (thrown) {
    if (!(thrown instanceof FlatbufferError)) throw thrown;
    throw new CodedError(
      "INVALID_ARGUMENT",
      "SCHEMA_UNREADABLE",
      `the schema is no Arrow IPC schema message (${thrown.message}): send it in its encapsulated form, base64`,
    );
  }
}
