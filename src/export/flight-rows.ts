/** Rows for chunks from a running server, over Arrow Flight. */
import type { RecordBatch } from "apache-arrow";
import type { FlightClient } from "../flight-client/client.ts";
import type { ChainEnds, LedgerChainEnds } from "../vocabulary/chain-ends.ts";
import { DATASET_DEFAULT, type Dataset } from "../vocabulary/dataset.ts";
import type { LedgerRange } from "../vocabulary/ledger-range.ts";
import { EXPORT_COLUMNS, EXPORT_VERSIONS } from "./columns.ts";
import type { RowReader } from "./write-chunk.ts";

/** A range as a ticket has it, without its ledgers. */
interface FlightRowsOptions {
  dataset: Dataset;
  filters: Readonly<Record<string, unknown>>;
  knownAssets: readonly string[];
}

/** Each chunk is a range of its own; the server tells of the chain of its ledgers, which it has checked. */
export class FlightRows implements RowReader {
  /** @param connect a client that may call; each range has one of its own, so that a server may go and come back */
  constructor(
    private readonly connect: () => Promise<FlightClient>,
    private readonly options: FlightRowsOptions,
  ) {}

  /** @throws CodedError as `connect` and FlightClient.doGet */
  async *read(chunk: LedgerRange, signal: AbortSignal): AsyncGenerator<RecordBatch, ChainEnds | undefined> {
    const ticket = Buffer.from(JSON.stringify(this.ticket(chunk)));
    const client = await this.connect();
    let ends: ChainEnds | undefined;
    const onChain = (chain: LedgerChainEnds) => {
      ends = endsOf(chain, chunk);
    };
    try {
      for await (const { table } of client.doGet(ticket, signal, onChain)) yield* table.batches;
      return ends;
    } finally {
      client.close();
    }
  }

  /** The network of the server's ledgers. @throws CodedError as FlightClient.range, where the range cannot be read */
  async networkPassphrase(range: LedgerRange, signal: AbortSignal): Promise<string> {
    const client = await this.connect();
    try {
      return await client.networkOfRange(this.ticket(range), signal);
    } finally {
      client.close();
    }
  }

  private ticket({ ledgerFirst, ledgerLast }: LedgerRange): Record<string, unknown> {
    const { dataset, filters, knownAssets } = this.options;
    const range = { start_ledger: ledgerFirst, end_ledger: ledgerLast, dictionaries: true };
    const columns = EXPORT_COLUMNS[dataset].map(({ name }) => name);
    if (dataset !== DATASET_DEFAULT) return { ...range, columns, dataset };
    const assets = knownAssets.length === 0 ? undefined : knownAssets;
    return { ...range, columns, schema_version: EXPORT_VERSIONS[dataset], filters, assets };
  }
}

/** Undefined where they are not those of the chunk's ledgers. */
function endsOf(chain: LedgerChainEnds, { ledgerFirst, ledgerLast }: LedgerRange): ChainEnds | undefined {
  if (chain.ledger_first !== ledgerFirst || chain.ledger_last !== ledgerLast) return undefined;
  const { previous_ledger_hash, ledger_hash } = chain;
  return { previous_ledger_hash, ledger_hash };
}
