/** What a decoder's options make of its walks; constant for a decoder. */
import type { Dataset } from "../vocabulary/dataset.ts";
import type { SchemaVersion } from "../vocabulary/schema-version.ts";
import type { DecoderOptions } from "./decoder-options.ts";
import { CompiledFilter } from "./filter.ts";
import type { RowRules } from "./row-appender.ts";
import { TtlOwners } from "./ttl-owners.ts";
import { TtlRows } from "./ttl-rows.ts";

/** What decides about the walk. */
export interface WalkRules extends RowRules {
  /** Whether the assets of the rows' contracts are found out. */
  resolvesAssets: boolean;
  /** Whether changes of contract data become rows; without them, their keys still tell whose TTL entries are. */
  hasContractData: boolean;
}

/** What the dataset `ttl` is made with. */
export interface TtlParts {
  rows: TtlRows;
  owners: TtlOwners;
}

/** @throws CodedError INVALID_ARGUMENT for a filter that cannot be */
export function rulesOf(
  options: DecoderOptions,
  datasets: readonly Dataset[],
  schemaVersion: SchemaVersion,
): { rules: WalkRules; ttl: TtlParts | undefined } {
  const isGo = options.compat === "go";
  const hasContractData = datasets.includes("contract_data");
  const given = options.filter;
  const filter = given === undefined || given instanceof CompiledFilter ? given : new CompiledFilter(given);
  const namesAssets = filter?.namesAssets ?? false;
  const resolvesAssets = hasContractData && !isGo && (namesAssets || (options.assets ?? false));
  const rules = {
    ...{ isGo, filter, resolvesAssets, hasContractData },
    isComplete: schemaVersion === 2 && !isGo,
    filtersLate: resolvesAssets && namesAssets,
  };
  const ttl = datasets.includes("ttl") ? { rows: new TtlRows(filter), owners: new TtlOwners() } : undefined;
  return { rules, ttl };
}
