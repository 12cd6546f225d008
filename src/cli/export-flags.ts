/** Where an export's rows come from: flags of `export parquet`. */
import { parseSourceEndpoint, shownSource } from "../config/source-endpoint.ts";
import { dialAddress, sourceEndpoint, text } from "../config/types.ts";
import { FlightRows } from "../export/flight-rows.ts";
import { LedgerRows, networkOfSource } from "../export/ledger-rows.ts";
import type { RowReader } from "../export/write-chunk.ts";
import { FlightClient } from "../flight-client/client.ts";
import { openSource } from "../sources/open.ts";
import type { TroubleListener } from "../sources/source.ts";
import type { SourceAccess } from "../sources/source-access.ts";
import type { LedgerRange } from "../vocabulary/ledger-range.ts";
import { clientTls, TLS_FLAGS } from "./client-tls.ts";
import type { CommandContext } from "./command.ts";
import { TOKEN_FLAG, tokenOf } from "./control-call.ts";
import { decoderFilterOf, KIND_FLAGS, ticketFilters } from "./filter-flags.ts";
import { type FlagValues, option } from "./flags.ts";
import { FLIGHT_ADDRESS_DEFAULT, flightAddress, loginOf } from "./flight-call.ts";
import { RANGE_ASSET_FLAG } from "./reading-flags.ts";
import { UsageError } from "./usage-error.ts";

/** A server or a source, and which of their rows. */
export const ROW_FLAGS = {
  address: option({
    placeholder: "HOST:PORT",
    type: dialAddress,
    summary: `The Flight server that the rows come from. Default: ${FLIGHT_ADDRESS_DEFAULT}, or FLIGHT_ENDPOINT, or FLIGHT_ADDRESS.`,
  }),
  "token-file": TOKEN_FLAG,
  ...TLS_FLAGS,
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
  "known-asset": RANGE_ASSET_FLAG,
  ...KIND_FLAGS,
};

/** Rows on their way to an export. */
export interface OpenRows {
  reader: RowReader;
  networkPassphrase: string;
  /** As a ticket has them. */
  filters: Readonly<Record<string, unknown>>;
  knownAssets: readonly string[];
  /** For people. */
  from: string;
  close(): void;
}

type Context = Pick<CommandContext, "env"> & { flags: FlagValues<typeof ROW_FLAGS> };

/** @throws UsageError for flags that do not go together; CodedError as the server or the source */
export async function openRows(
  { flags, env }: Context,
  access: SourceAccess,
  range: LedgerRange,
  signal: AbortSignal,
  onTrouble: TroubleListener,
): Promise<OpenRows> {
  const filters = { ...ticketFilters({ ...flags, "include-deleted": false }), include_deleted: true };
  const knownAssets = flags["known-asset"].flat();
  const shared = { filters, knownAssets };
  if (flags.source === undefined) {
    if (flags["network-passphrase"] !== undefined) throw new UsageError("--network-passphrase is for --source");
    const address = flags.address ?? flightAddress(env);
    const client = new FlightClient(address, { token: tokenOf(flags["token-file"], env), tls: clientTls(flags, env) });
    try {
      const login = loginOf(env.FLIGHT_LOGIN);
      if (login !== undefined) await client.login(login.name, login.password);
      const reader = new FlightRows(client, shared);
      const networkPassphrase = await reader.networkPassphrase(range, signal);
      return { ...shared, reader, networkPassphrase, from: address, close: () => client.close() };
    } catch (thrown) {
      client.close();
      throw thrown;
    }
  }
  if (flags.address !== undefined) throw new UsageError("--address and --source name two places to read: give one");
  const endpoint = parseSourceEndpoint(flags.source);
  if (endpoint === undefined) {
    throw new UsageError(`--source is ${shownSource(flags.source)}: ${sourceEndpoint.accepts} is accepted`);
  }
  const open = () => openSource(endpoint, access);
  const networkPassphrase =
    flags["network-passphrase"] ?? (await networkOfSource(await open(), range, signal, onTrouble));
  const filter = decoderFilterOf(flags, true);
  const reader = new LedgerRows({ openSource: open, networkPassphrase, filter, knownAssets, onTrouble });
  return { ...shared, reader, networkPassphrase, from: flags.source, close() {} };
}
