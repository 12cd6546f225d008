/** Where an export's rows come from: flags of `export parquet` and `backfill start`. */
import { parseSourceEndpoint, type SourceEndpoint, shownSource } from "../config/source-endpoint.ts";
import { sourceEndpoint, text } from "../config/types.ts";
import { CodedError } from "../error.ts";
import { FlightRows } from "../export/flight-rows.ts";
import { LedgerRows, networkOfSource } from "../export/ledger-rows.ts";
import type { RowReader } from "../export/write-chunk.ts";
import { FlightClient } from "../flight-client/client.ts";
import { clientCredentials } from "../grpc/tls-credentials.ts";
import { openSource } from "../sources/open.ts";
import type { TroubleListener } from "../sources/source.ts";
import type { SourceAccess } from "../sources/source-access.ts";
import { DATASET_DEFAULT, type Dataset } from "../vocabulary/dataset.ts";
import type { LedgerRange } from "../vocabulary/ledger-range.ts";
import type { CommandContext } from "./command.ts";
import { decoderFilterOf, KIND_FLAGS, ticketFilters, typedFilters } from "./filter-flags.ts";
import { type FlagValues, option } from "./flags.ts";
import { FLIGHT_FLAGS, flightAccess } from "./flight-call.ts";
import { checkDatasetFilters, DATASET_FLAG, RANGE_ASSET_FLAG } from "./reading-flags.ts";
import { tailError } from "./tail-errors.ts";
import { UsageError } from "./usage-error.ts";

/** Which rows. */
export const SELECTION_FLAGS = { dataset: DATASET_FLAG, "known-asset": RANGE_ASSET_FLAG, ...KIND_FLAGS };

/** A server or a source, and which of their rows. */
export const ROW_FLAGS = {
  ...FLIGHT_FLAGS,
  source: option({
    placeholder: "SOURCE",
    type: text,
    summary: "Decode the ledgers of a source here, with no server: what SOURCE_ENDPOINT may name (docs/sources.md).",
  }),
  "network-passphrase": option({
    placeholder: "PASSPHRASE",
    type: text,
    summary: "The network of --source. Default: what a lake's manifest says, else the known network that fits.",
  }),
  ...SELECTION_FLAGS,
};

/** Rows on their way to an export. */
export interface OpenRows {
  reader: RowReader;
  dataset: Dataset;
  networkPassphrase: string;
  /** As a ticket has them. */
  filters: Readonly<Record<string, unknown>>;
  knownAssets: readonly string[];
  /** For people. */
  from: string;
  /** An error of the reader in a shell user's terms. */
  explained(thrown: unknown): unknown;
}

type Context = Pick<CommandContext, "env"> & { flags: FlagValues<typeof ROW_FLAGS> };

/** @throws UsageError for flags that do not go together; CodedError as the server or the source */
export async function openRows(
  context: Context,
  access: SourceAccess,
  range: LedgerRange,
  signal: AbortSignal,
  onTrouble: TroubleListener,
): Promise<OpenRows> {
  const { flags } = context;
  if (flags.source === undefined) return openServer(context, range, signal);
  if (flags.address !== undefined) throw new UsageError("--address and --source name two places to read: give one");
  const endpoint = endpointOf(flags.source);
  const shared = selectionOf(flags);
  const open = () => openSource(endpoint, access);
  const given = flags["network-passphrase"];
  const networkPassphrase = await networkOfSource(await open(), range, given, signal, onTrouble);
  const filter = decoderFilterOf(flags, true);
  const reader = new LedgerRows({ ...shared, openSource: open, networkPassphrase, filter, onTrouble });
  return { ...shared, reader, networkPassphrase, from: flags.source, explained: (thrown) => thrown };
}

/** What --source names. @throws UsageError */
export function endpointOf(source: string): SourceEndpoint {
  const endpoint = parseSourceEndpoint(source);
  if (endpoint !== undefined) return endpoint;
  throw new UsageError(`--source is ${shownSource(source)}: ${sourceEndpoint.accepts} is accepted`);
}

async function openServer(context: Context, range: LedgerRange, signal: AbortSignal): Promise<OpenRows> {
  const { flags } = context;
  if (flags["network-passphrase"] !== undefined) throw new UsageError("--network-passphrase is for --source");
  const shared = selectionOf(flags);
  const { address, login, ...access } = flightAccess(context);
  const connect = async (): Promise<FlightClient> => {
    const client = new FlightClient(address, access);
    try {
      if (login !== undefined) await client.login(login.name, login.password, signal);
      return client;
    } catch (thrown) {
      client.close();
      throw thrown;
    }
  };
  let hasBegun = false;
  const explained = (thrown: unknown) => {
    if (thrown instanceof CodedError && thrown.reason === "LEDGER_AFTER_SOURCE") return thrown; // an export has an end
    const credentials = clientCredentials(address, access.tls);
    return tailError(thrown, { address, credentials, session: "", from: undefined, hasBegun });
  };
  try {
    const reader = new FlightRows(connect, shared);
    const networkPassphrase = await reader.networkPassphrase(range, signal);
    hasBegun = true;
    return { ...shared, reader, networkPassphrase, from: address, explained };
  } catch (thrown) {
    throw explained(thrown);
  }
}

/** Which rows, as a ticket says it. */
export function selectionOf(
  flags: FlagValues<typeof SELECTION_FLAGS>,
): Pick<OpenRows, "dataset" | "filters" | "knownAssets"> {
  const { dataset } = flags;
  const given = { ...flags, "include-deleted": false as const };
  const knownAssets = flags["known-asset"].flat();
  checkDatasetFilters(dataset, [...typedFilters(given), ...(knownAssets.length > 0 ? ["--known-asset"] : [])]);
  const filters = dataset === DATASET_DEFAULT ? { ...ticketFilters(given), include_deleted: true } : {};
  return { dataset, filters, knownAssets };
}
