/** Rows for chunks from a running server, over Arrow Flight. */
import type { RecordBatch } from "apache-arrow";
import type { FlightClient } from "../flight-client/client.ts";
import type { LedgerRange } from "../vocabulary/ledger-range.ts";
import { EXPORT_COLUMNS } from "./columns.ts";
import type { RowReader } from "./write-chunk.ts";

/** A range as a ticket has it, without its ledgers. */
interface FlightRowsOptions {
  filters: Readonly<Record<string, unknown>>;
  knownAssets: readonly string[];
}

/** Each chunk is a range of its own. The server tells nothing of the chain of ledgers, which it has checked. */
export class FlightRows implements RowReader {
  constructor(
    private readonly client: FlightClient,
    private readonly options: FlightRowsOptions,
  ) {}

  /** @throws CodedError as FlightClient.doGet */
  async *read(chunk: LedgerRange, signal: AbortSignal): AsyncGenerator<RecordBatch, undefined> {
    const ticket = Buffer.from(JSON.stringify(this.ticket(chunk)));
    for await (const { table } of this.client.doGet(ticket, signal)) yield* table.batches;
    return undefined;
  }

  /** The network of the server's ledgers. @throws CodedError as FlightClient.range, where the range cannot be read */
  networkPassphrase(range: LedgerRange, signal: AbortSignal): Promise<string> {
    return this.client.networkOfRange(this.ticket(range), signal);
  }

  private ticket({ ledgerFirst, ledgerLast }: LedgerRange): Record<string, unknown> {
    const { filters, knownAssets } = this.options;
    return {
      ...{ start_ledger: ledgerFirst, end_ledger: ledgerLast, schema_version: 2, dictionaries: true, filters },
      columns: EXPORT_COLUMNS.map(({ name }) => name),
      assets: knownAssets.length === 0 ? undefined : knownAssets,
    };
  }
}
