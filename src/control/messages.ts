/** Between the messages of proto/control.proto and the values of the session service. */
import { CodedError } from "../error.ts";
import {
  Compression,
  type ConfigureFiltersRequest,
  type FilterPatch,
  type Filters,
  type GetMetricsResponse,
  GetStatusResponse_Status,
  type Session,
  type StartProcessingRequest,
} from "../grpc/generated/control.ts";
import type { Init } from "../grpc/service.ts";
import type { FilterChange, SessionDetails, SessionRequest, SessionSnapshot } from "../sessions/session-service.ts";
import { DATASET_DEFAULT, type Dataset } from "../vocabulary/dataset.ts";
import { FILTER_KINDS, LIST_KINDS } from "../vocabulary/filter-kinds.ts";
import type { FilterRecord } from "../vocabulary/row-filter.ts";

const COMPRESSIONS = {
  [Compression.COMPRESSION_UNSPECIFIED]: "none",
  [Compression.COMPRESSION_NONE]: "none",
  [Compression.COMPRESSION_LZ4]: "lz4",
  [Compression.COMPRESSION_ZSTD]: "zstd",
} as const;

const COMPRESSION_NUMBERS = {
  none: Compression.COMPRESSION_NONE,
  lz4: Compression.COMPRESSION_LZ4,
  zstd: Compression.COMPRESSION_ZSTD,
} as const;

/**
 * A StartProcessing request in the session service's terms; the service itself checks the values.
 * @throws CodedError INVALID_ARGUMENT / COMPRESSION for a number that the enum does not have
 */
export function requestOf(request: StartProcessingRequest): SessionRequest {
  const { startLedger, endLedger, batchSize, source, filters, schemaVersion, partitions, labels } = request;
  const compression: SessionRequest["compression"] = COMPRESSIONS[request.compression];
  if (compression === undefined) {
    throw new CodedError(
      "INVALID_ARGUMENT",
      "COMPRESSION",
      `compression is ${request.compression}, which stands for nothing: use COMPRESSION_NONE, _LZ4 or _ZSTD`,
    );
  }
  return {
    ledgerStart: startLedger,
    ledgerEnd: endLedger,
    batchRows: batchSize,
    source,
    filter: filters === undefined ? undefined : filterOf(filters),
    datasets: request.datasets as Dataset[], // the service checks them
    schemaVersion,
    dictionaries: request.dictionaries,
    knownAssets: request.knownAssets,
    compression,
    partitions,
    labels: Object.fromEntries(labels),
    idempotencyKey: request.idempotencyKey,
    replicated: request.replicated,
  };
}

/** What one answer may take up; most clients accept 4 MiB. */
export const ANSWER_BYTES_MAX = 2 * 2 ** 20;

const VALUE_BYTES = 3; // around a text in a message
const CHARACTER_BYTES_MAX = 3; // of a UTF-16 unit in UTF-8

/** About as many bytes as the filter takes in a message; its values are ASCII. */
export function filterBytes(filter: FilterRecord): number {
  let bytes = 64;
  for (const list of Object.values(filter)) {
    if (Array.isArray(list)) for (const value of list) bytes += (value as string).length + VALUE_BYTES;
  }
  return bytes;
}

/** About as many bytes as the session takes in a list, or more. */
export function sessionBytes({ request, message, error, source }: SessionSnapshot): number {
  let characters = message.length + (error?.message.length ?? 0) + source.length;
  for (const [key, value] of Object.entries(request.labels ?? {}))
    characters += key.length + value.length + VALUE_BYTES;
  return 512 + characters * CHARACTER_BYTES_MAX + (request.filter === undefined ? 0 : filterBytes(request.filter));
}

/** The field of the control API's Filters that a kind has: its ticket key in camel case. */
const FIELDS = FILTER_KINDS.map(({ name, key, type }) => ({ name, type, field: camelCase(key) as keyof Filters }));

function camelCase(key: string): string {
  return key.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());
}

/** A filter of the control API as the rest of the server knows it. */
function filterOf(filters: Filters): FilterRecord {
  return Object.fromEntries(FIELDS.map(({ name, field }) => [name, filters[field]])) as FilterRecord;
}

/** What a kind that a filter does not have is in a message. */
const ABSENT = { texts: [], amount: "", word: "", ledger: 0, switch: true, only: false } as const;

/** The inverse of `filterOf`; every field is set. */
export function filtersMessage(filter: FilterRecord): Init<Filters> {
  return Object.fromEntries(FIELDS.map(({ name, type, field }) => [field, filter[name] ?? ABSENT[type]]));
}

/** What ConfigureFilters asks for. @throws CodedError INVALID_ARGUMENT where it asks for two things at once */
export function filterChangeOf(request: ConfigureFiltersRequest): FilterChange {
  const { contractIds, assetCodes, assetIssuers, includeDeleted, filters, patch } = request;
  const plain = contractIds.length + assetCodes.length + assetIssuers.length > 0 || includeDeleted;
  if (Number(plain) + Number(filters !== undefined) + Number(patch !== undefined) > 1) {
    throw new CodedError(
      "INVALID_ARGUMENT",
      "FILTERS_AMBIGUOUS",
      "the request has more than one of filters, patch, and the plain lists with include_deleted: give one of them",
    );
  }
  if (patch !== undefined) return patchOf(patch);
  return {
    replace: filters === undefined ? { contractIds, assetCodes, assetIssuers, includeDeleted } : filterOf(filters),
  };
}

function patchOf(patch: FilterPatch): FilterChange {
  const { add, remove, includeDeleted, minBalance, balances, durability, modifiedAfterLedger } = patch;
  for (const [name, part] of Object.entries({ add, remove })) {
    if (part === undefined) continue;
    if (FIELDS.every(({ type, field }) => type === "texts" || !part[field])) continue;
    throw new CodedError(
      "INVALID_ARGUMENT",
      "PATCH_FIELDS",
      `patch.${name} has more than lists: include_deleted, min_balance, balances, durability and modified_after_ledger are fields of the patch itself`,
    );
  }
  return {
    patch: {
      add: add === undefined ? {} : listsOf(add),
      remove: remove === undefined ? {} : listsOf(remove),
      includeDeleted,
      balanceMin: minBalance,
      balances,
      durability,
      modifiedAfterLedger,
    },
  };
}

function listsOf(filters: Filters): FilterRecord {
  const filter = filterOf(filters);
  return Object.fromEntries(LIST_KINDS.map(({ name }) => [name, filter[name]]));
}

/**
 * The counters of a session. `lastUpdateTime` is in Unix seconds and rates are per second; `lagLedgers` is 0 while the
 * tip is unknown.
 */
export function metricsMessage(session: SessionSnapshot): Init<GetMetricsResponse> {
  const { ledgerCurrent, ledgerTip } = session;
  return {
    contractsProcessed: session.entriesProcessed,
    entriesSkipped: session.entriesSkipped,
    batchesCreated: session.batchesCreated,
    bytesProcessed: session.bytesProcessed,
    processingRate: session.ratePerSecond,
    lastUpdateTime: Math.floor(session.updatedUnixMs / 1000),
    overallRate: session.rateOverall,
    currentLedger: ledgerCurrent,
    tipLedger: ledgerTip,
    lagLedgers: ledgerTip === 0 ? 0 : Math.max(0, ledgerTip - ledgerCurrent),
    lagSeconds: session.lagSeconds,
    errors: session.errors,
    ledgersProcessed: session.ledgersProcessed,
    batchBytes: session.batchBytes,
    rowsDelivered: session.rowsDelivered,
    bytesDelivered: session.bytesDelivered,
    clients: session.clients,
    retainedBytes: session.retainedBytes,
    ledgersSkipped: session.ledgersSkipped,
  };
}

/**
 * A session as lists, watches and ResumeSession give it, without checkpoint, filter history and deliveries. Fields
 * named `…AtMs` are in Unix milliseconds.
 */
export function sessionMessage(session: SessionSnapshot): Init<Session> {
  const { error } = session;
  return {
    sessionId: session.id,
    status: GetStatusResponse_Status[session.state],
    message: session.message,
    error: error === undefined ? undefined : { code: error.code, reason: error.reason, message: error.message },
    request: requestMessage(session.request),
    metrics: metricsMessage(session),
    createdAtMs: session.createdUnixMs,
    startedAtMs: session.startedUnixMs,
    updatedAtMs: session.updatedUnixMs,
    endedAtMs: session.endedUnixMs,
    activeMs: Math.round(session.activeMs),
    resumes: session.resumes,
    sourceDescription: session.source,
    partitions: session.partitions?.map(({ ledgerCurrent, ...counts }) => ({
      ...counts,
      currentLedger: ledgerCurrent,
    })),
  };
}

/** A session as GetSession and StopProcessing give it: with checkpoint, filter history and deliveries. */
export function detailsMessage(session: SessionDetails): Init<Session> {
  const { position, savedUnixMs } = session.checkpoint;
  return {
    ...sessionMessage(session),
    checkpoint: { ledger: position.ledger, row: position.row, savedAtMs: savedUnixMs },
    filterHistory: session.filterHistory.map(({ ledgerFrom, filter, changedUnixMs }) => ({
      fromLedger: ledgerFrom,
      filters: filtersMessage(filter),
      changedAtMs: changedUnixMs,
    })),
    deliveries: session.deliveries.map(({ joinedUnixMs, leftUnixMs, ...had }) => ({
      ...had,
      joinedAtMs: joinedUnixMs,
      leftAtMs: leftUnixMs,
    })),
  };
}

function requestMessage(request: SessionRequest): Init<StartProcessingRequest> {
  return {
    startLedger: request.ledgerStart,
    endLedger: request.ledgerEnd,
    batchSize: request.batchRows,
    source: request.source,
    filters: request.filter === undefined ? undefined : filtersMessage(request.filter),
    datasets: [...(request.datasets ?? [DATASET_DEFAULT])],
    schemaVersion: request.schemaVersion ?? 1,
    dictionaries: (request.schemaVersion ?? 1) === 1 ? undefined : (request.dictionaries ?? true),
    knownAssets: [...(request.knownAssets ?? [])],
    compression: COMPRESSION_NUMBERS[request.compression ?? "none"],
    partitions: request.partitions,
    labels: new Map(Object.entries(request.labels ?? {})),
    idempotencyKey: request.idempotencyKey,
    replicated: request.replicated,
  };
}
