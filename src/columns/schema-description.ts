/**
 * Schema versions as plain data: what proto/schemas/ holds, what the Flight action `schema` answers with, and the check that a
 * change to a schema breaks no reader.
 */
import { DATASET_DEFAULT, type Dataset } from "../vocabulary/dataset.ts";
import type { SchemaVersion } from "../vocabulary/schema-version.ts";
import { BatchEncoder } from "./batch-encoder.ts";
import { DATASET_SCHEMAS } from "./datasets.ts";
import { DictionaryColumn } from "./dictionary-column.ts";

/** The dictionary of a column of words. */
interface DictionaryDescription {
  /** Number of the dictionary in its stream. */
  id: number;
  index_type: "int8";
  /** Every word, by index. */
  values: string[];
}

/** One column. */
export interface FieldDescription {
  name: string;
  /** Arrow type, of the values where there is a dictionary: `utf8`, `decimal128(38, 0)`, `timestamp[us, UTC]`, … */
  type: string;
  nullable: boolean;
  description: string;
  dictionary?: DictionaryDescription;
}

/** One schema version, as a file of proto/schemas/ holds it. */
export interface SchemaDescription {
  /** Schema metadata `schema_version`. */
  schema_version: string;
  /** Schema metadata `schema_type`. */
  schema_type: string;
  description: string;
  /** Keys of the schema's metadata; their values are above, or differ from stream to stream. */
  metadata_keys: string[];
  /** Columns whose values together identify one row, none of them nullable: a primary key. Empty: there are none. */
  natural_key: string[];
  fields: FieldDescription[];
}

/** What a schema version is. */
export function describeSchema(schemaVersion: SchemaVersion, dataset: Dataset = DATASET_DEFAULT): SchemaDescription {
  const { metadata, columns } = new BatchEncoder({ dataset, schemaVersion, networkPassphrase: "" });
  return {
    schema_version: metadata.get("schema_version")!,
    schema_type: metadata.get("schema_type")!,
    description: metadata.get("description")!,
    metadata_keys: [...metadata.keys()],
    natural_key: [...DATASET_SCHEMAS[dataset].versions[schemaVersion]!.naturalKey],
    fields: describeFields(columns),
  };
}

/** What columns are, in their order. */
export function describeFields(columns: BatchEncoder["columns"]): FieldDescription[] {
  return columns.map((column) => {
    const { name, nullable, description } = column.spec;
    const field = { name, type: column.type, nullable, description };
    if (!(column instanceof DictionaryColumn)) return field;
    return { ...field, dictionary: { id: column.id, index_type: "int8", values: [...column.words] } };
  });
}

/**
 * What breaks a reader of schema `before` that is given `after`, one sentence each; empty where nothing does. Allowed
 * are new fields at the end, null where there was none before, new words at a dictionary's end, and other descriptions.
 */
export function schemaCompatibility(before: SchemaDescription, after: SchemaDescription): string[] {
  const broken: string[] = [];
  const same = (what: string, old: unknown, now: unknown): void => {
    if (old !== now) broken.push(`${what} was ${old} and is ${now}`);
  };
  same("schema_version", before.schema_version, after.schema_version);
  same("schema_type", before.schema_type, after.schema_type);
  same("natural_key", before.natural_key.join(), after.natural_key.join());
  for (const key of before.metadata_keys) {
    if (!after.metadata_keys.includes(key)) broken.push(`metadata ${key} is gone`);
  }
  before.fields.forEach((old, at) => {
    const now = after.fields.find((field) => field.name === old.name);
    if (now === undefined) {
      broken.push(`field ${old.name} is gone`);
      return;
    }
    same(`place of field ${old.name}`, at, after.fields.indexOf(now));
    same(`type of field ${old.name}`, old.type, now.type);
    if (old.nullable && !now.nullable) broken.push(`field ${old.name} was nullable and is not`);
    compareDictionaries(old, now, broken);
  });
  return broken;
}

function compareDictionaries(old: FieldDescription, now: FieldDescription, broken: string[]): void {
  const { name } = old;
  if (old.dictionary === undefined || now.dictionary === undefined) {
    if (old.dictionary !== now.dictionary) broken.push(`field ${name} is a dictionary in one of the two only`);
    return;
  }
  if (old.dictionary.id !== now.dictionary.id) broken.push(`dictionary of field ${name} has another id`);
  if (old.dictionary.index_type !== now.dictionary.index_type) {
    broken.push(`dictionary of field ${name} has another index type`);
  }
  old.dictionary.values.forEach((word, index) => {
    if (now.dictionary!.values[index] !== word) broken.push(`word ${index} of field ${name} was ${word}`);
  });
}
