/** The bodies of changes over HTTP (src/control/http-routes.ts), as JSON Schema for /openapi.json. */
import { LOG_LEVELS } from "../ops/log.ts";
import { COMPRESSIONS } from "../vocabulary/compression.ts";
import { DATASETS } from "../vocabulary/dataset.ts";
import { FILTER_KINDS, type FilterValueType } from "../vocabulary/filter-kinds.ts";

const LEDGER = { type: "integer", minimum: 0, maximum: 4_294_967_295 };
const TEXT = { type: "string", minLength: 1 };
const SWITCH = { type: "boolean" };
const VALUES: Readonly<Record<FilterValueType, object>> = {
  texts: { type: "array", items: { type: "string" } },
  amount: { type: "string", pattern: "^[0-9]+$" },
  word: { enum: ["temporary", "persistent"] },
  ledger: LEDGER,
  switch: SWITCH,
  only: SWITCH,
};

/** An object that has these keys and no other. */
function closed(required: readonly string[], properties: Readonly<Record<string, object>>): object {
  return { type: "object", required, properties, additionalProperties: false };
}

const FILTERS = closed(
  [],
  Object.fromEntries(FILTER_KINDS.map(({ key, type, summary }) => [key, { ...VALUES[type], description: summary }])),
);

/** By operation. */
export const BODIES = {
  start: closed(["start_ledger"], {
    start_ledger: { ...LEDGER, minimum: 1 },
    end_ledger: { ...LEDGER, description: "0, or absent: goes on with the source." },
    source: { ...TEXT, description: "A name from SOURCES. Absent: SOURCE_ENDPOINT." },
    filters: { ...FILTERS, description: "Absent: the server's." },
    datasets: { type: "array", items: { enum: DATASETS } },
    schema_version: { type: "integer", enum: [1, 2] },
    partitions: { type: "integer", minimum: 1, maximum: 256 },
    batch_size: {
      type: "integer",
      minimum: 0,
      maximum: 1_000_000,
      description: "Rows a batch at most; 0: about 1 MiB.",
    },
    compression: { enum: COMPRESSIONS },
    labels: { type: "object", additionalProperties: TEXT },
    replicated: SWITCH,
  }),
  filters: closed(["filters"], { filters: FILTERS }),
  logLevel: closed(["level"], { level: { enum: LOG_LEVELS } }),
  none: closed([], {}),
} as const;
