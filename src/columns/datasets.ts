/** What each dataset's rows look like: its schema versions, and what identifies a row. */
import type { Dataset } from "../vocabulary/dataset.ts";
import type { SchemaVersion } from "../vocabulary/schema-version.ts";
import type { Column } from "./column.ts";
import { columnsTtl } from "./schema-ttl.ts";
import { columnsV1 } from "./schema-v1.ts";
import { columnsV2 } from "./schema-v2.ts";

/** One version of a dataset's schema. */
export interface SchemaDefinition {
  /** Schema metadata `schema_version`. */
  name: string;
  columns: () => Column[];
  /** Columns that together identify one row; empty: there are none. */
  naturalKey: readonly string[];
}

interface DatasetDefinition {
  /** Schema metadata `description`. */
  description: string;
  versions: Readonly<Partial<Record<SchemaVersion, SchemaDefinition>>>;
}

const PLACE_OF_CHANGE = ["ledger_sequence", "transaction_order", "change_index"] as const;

/** All datasets. */
export const DATASET_SCHEMAS: Readonly<Record<Dataset, DatasetDefinition>> = {
  contract_data: {
    description: "Changes to Soroban contract data, one row a change, in ledger order then apply order",
    versions: {
      1: { name: "1.0", columns: columnsV1, naturalKey: [] },
      2: { name: "2.0", columns: columnsV2, naturalKey: PLACE_OF_CHANGE },
    },
  },
  ttl: {
    description: "Changes to times to live of ledger entries, one row a change, in ledger order then apply order",
    versions: { 1: { name: "1.0", columns: columnsTtl, naturalKey: PLACE_OF_CHANGE } },
  },
};

/** A dataset's schema versions, oldest first. */
export function versionsOf(dataset: Dataset): SchemaVersion[] {
  return Object.keys(DATASET_SCHEMAS[dataset].versions).map((version) => Number(version) as SchemaVersion);
}

/** The version that a dataset has beside contract data of that version: the newest one up to it. */
export function versionBeside(dataset: Dataset, schemaVersion: SchemaVersion): SchemaVersion {
  return versionsOf(dataset).findLast((version) => version <= schemaVersion) ?? 1;
}
