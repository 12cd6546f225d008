/** What StartProcessing may ask for, in one place, with its limits. */

import { quoted } from "../base/text.ts";
import { CodedError } from "../error.ts";
import { LEDGER_SEQUENCE_MAX } from "../ledger/terms.ts";
import type { Reason } from "../reasons/registry.ts";
import { DATASET_DEFAULT, DATASETS, type Dataset } from "../vocabulary/dataset.ts";
import { checkedAssets } from "../xdr/sep11.ts";
import { checkedFilter } from "./filters.ts";
import type { SessionRequest } from "./session-service.ts";
import type { StoredCheckpoint } from "./store.ts";

const BATCH_ROWS_MAX = 1_000_000; // a row is some 500 bytes: what is above would never fill a message
const LABELS_MAX = 32; // they come back with every list
const LABEL_KEY_LENGTH_MAX = 63; // as in Kubernetes, whose users know it
const LABEL_VALUE_LENGTH_MAX = 256; // a path or a URL
const IDEMPOTENCY_KEY_LENGTH_MAX = 128; // a UUID with a prefix

/** What this server makes beyond the plain session, and how much of it. */
export interface ServerLimits {
  schemaVersions: readonly number[];
  compressions: readonly string[];
  partitionsMax: number;
}

/**
 * The request with its defaults filled in where they are not the server's to decide later.
 * @throws CodedError INVALID_ARGUMENT with the field, UNIMPLEMENTED for what this build cannot do
 */
export function checkedRequest(request: SessionRequest, limits: ServerLimits): SessionRequest {
  const { ledgerStart, ledgerEnd, batchRows } = request;
  integer("start_ledger", ledgerStart, LEDGER_SEQUENCE_MAX);
  integer("end_ledger", ledgerEnd, LEDGER_SEQUENCE_MAX);
  integer("batch_size", batchRows, BATCH_ROWS_MAX);
  if (ledgerStart === 0) {
    throw new CodedError(
      "INVALID_ARGUMENT",
      "START_LEDGER_MISSING",
      "start_ledger is 0: give the first ledger to read, 1 or more",
    );
  }
  if (ledgerEnd !== 0 && ledgerEnd < ledgerStart) {
    throw new CodedError(
      "INVALID_ARGUMENT",
      "LEDGER_RANGE_INVALID",
      `end_ledger ${ledgerEnd} is before start_ledger ${ledgerStart}: give the last ledger, inclusive, or 0 for no end`,
    );
  }
  const checked: SessionRequest = { ledgerStart, ledgerEnd, batchRows };
  if (request.source) checked.source = request.source;
  if (request.filter !== undefined) checked.filter = checkedFilter(request.filter);
  const datasets = checkedDatasets(request);
  if (datasets !== undefined) checked.datasets = datasets;
  const schemaVersion = request.schemaVersion || 1;
  if (!limits.schemaVersions.includes(schemaVersion)) {
    refuse(
      "UNKNOWN_SCHEMA_VERSION",
      `schema_version is ${schemaVersion}: this server makes ${limits.schemaVersions.join(" and ")}`,
    );
  }
  if (schemaVersion !== 1) checked.schemaVersion = schemaVersion;
  if (schemaVersion !== 1 && request.dictionaries === false) checked.dictionaries = false;
  const knownAssets = checkedAssets(request.knownAssets ?? [], "known_assets");
  if (knownAssets.length > 0) checked.knownAssets = knownAssets;
  const compression = request.compression ?? "none";
  if (!limits.compressions.includes(compression)) {
    refuse("COMPRESSION", `compression is ${compression}: this server makes ${limits.compressions.join(", ")}`);
  }
  if (compression !== "none") checked.compression = compression;
  const partitions = request.partitions ?? 0;
  if (partitions > Math.max(1, limits.partitionsMax)) {
    refuse(
      "PARTITIONS",
      `partitions is ${partitions}, over PARTITIONS_MAX ${limits.partitionsMax}: share the session out to fewer, or raise the limit`,
    );
  }
  if (partitions > 1) checked.partitions = partitions;
  const labels = Object.entries(request.labels ?? {});
  if (labels.length > LABELS_MAX) refuse("LABELS", `${labels.length} labels are given, over max ${LABELS_MAX}`);
  for (const [key, value] of labels) {
    // Records and JSON in the hands of scripts would make something else of it.
    if (key === "__proto__") refuse("LABELS", "the label __proto__ is refused: every other name is accepted");
    if (key.length < 1 || key.length > LABEL_KEY_LENGTH_MAX || value.length > LABEL_VALUE_LENGTH_MAX) {
      refuse(
        "LABELS",
        `the label ${quoted(key)} has a key of ${key.length} and a value of ${value.length} characters: 1 to ${LABEL_KEY_LENGTH_MAX}, and up to ${LABEL_VALUE_LENGTH_MAX}, are accepted`,
      );
    }
  }
  if (labels.length > 0) checked.labels = Object.fromEntries(labels);
  const key = request.idempotencyKey ?? "";
  if (key.length > IDEMPOTENCY_KEY_LENGTH_MAX) {
    refuse(
      "IDEMPOTENCY_KEY",
      `the idempotency key has ${key.length} characters, over max ${IDEMPOTENCY_KEY_LENGTH_MAX}`,
    );
  }
  if (key !== "") checked.idempotencyKey = key;
  if (request.replicated) checked.replicated = true;
  if (request.owner !== undefined) checked.owner = request.owner;
  return checked;
}

/** The datasets in their order; undefined for contract data alone. @throws CodedError INVALID_ARGUMENT / DATASET_UNKNOWN, … */
function checkedDatasets({ datasets = [], filter }: SessionRequest): Dataset[] | undefined {
  const unknown = datasets.find((name) => !DATASETS.includes(name));
  if (unknown !== undefined) {
    refuse("DATASET_UNKNOWN", `there is no dataset ${quoted(unknown)}: name some of ${DATASETS.join(", ")}`);
  }
  const named = DATASETS.filter((name) => datasets.includes(name));
  if (named.length === 0 || (named.length === 1 && named[0] === DATASET_DEFAULT)) return undefined;
  if (!named.includes(DATASET_DEFAULT) && filter !== undefined) {
    refuse("DATASET_FILTERS", `filters are of ${DATASET_DEFAULT}, which is not among the datasets ${named.join(", ")}`);
  }
  return named;
}

/** The checkpoint of a session that has done nothing yet. */
export function beginning({ ledgerStart }: SessionRequest): StoredCheckpoint {
  return { position: { ledger: ledgerStart, row: 0 }, savedUnixMs: 0, counters: {}, activeMs: 0 };
}

/**
 * Refuses a checked request that asks for something else, whoever does, than the one with its idempotency key that has started a
 * session.
 * @throws CodedError FAILED_PRECONDITION / IDEMPOTENCY_KEY_REUSED
 */
export function checkSameRequest(request: SessionRequest, started: { id: string; request: SessionRequest }): void {
  const asked = (of: SessionRequest) => canonical({ ...of, owner: undefined });
  if (asked(request) === asked(started.request)) return;
  throw new CodedError(
    "FAILED_PRECONDITION",
    "IDEMPOTENCY_KEY_REUSED",
    `the idempotency key belongs to another request, which started session ${started.id}: use a new key for a new session`,
  );
}

function canonical(value: unknown): string {
  return JSON.stringify(value, (_, inner) =>
    typeof inner === "object" && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}

function integer(name: string, value: number, max: number): void {
  if (Number.isInteger(value) && value >= 0 && value <= max) return;
  throw new CodedError("INVALID_ARGUMENT", "REQUEST_INVALID", `${name} is ${value}: take 0 to ${max}`);
}

function refuse(reason: Reason, message: string): never {
  throw new CodedError("INVALID_ARGUMENT", reason, message);
}
