/** Rows for chunks straight from a source of ledgers, decoded in this thread: no server is needed. */
import type { RecordBatch } from "apache-arrow";
import { BatchEncoder } from "../columns/batch-encoder.ts";
import { recordBatchOf } from "../columns/record-batch.ts";
import { CodedError } from "../error.ts";
import { hashText, LedgerChain } from "../ledger/chain.ts";
import { LedgerDecoder } from "../ledger/decoder.ts";
import { KnownAssets } from "../ledger/known-assets.ts";
import { checkNetwork, matchNetwork } from "../ledger/network.ts";
import { RowSet } from "../ledger/row-set.ts";
import type { LedgerSource, TroubleListener } from "../sources/source.ts";
import { ledgersOfSource } from "../sources/source-ledgers.ts";
import type { ChainEnds } from "../vocabulary/chain-ends.ts";
import type { Dataset } from "../vocabulary/dataset.ts";
import type { LedgerRange } from "../vocabulary/ledger-range.ts";
import type { RowFilter } from "../vocabulary/row-filter.ts";
import { EXPORT_VERSIONS } from "./columns.ts";
import type { RowReader } from "./write-chunk.ts";

const NETWORK_LEDGERS_MAX = 512; // a network's first ledgers have no transactions; so many without one tell nothing

/** What `LedgerRows` is told. */
interface LedgerRowsOptions {
  dataset: Dataset;
  /** A new reader of the same ledgers: each chunk is read with one, and closes it. */
  openSource(): Promise<LedgerSource>;
  networkPassphrase: string;
  filter: RowFilter;
  knownAssets: readonly string[];
  onTrouble?: TroubleListener;
}

/**
 * The rows of a chunk depend on its ledgers alone: as with a range over Flight, which asset a contract stands for is known
 * from the assets that are given and from the ledger itself.
 */
export class LedgerRows implements RowReader {
  private readonly encoder: BatchEncoder;

  constructor(private readonly options: LedgerRowsOptions) {
    const { dataset, networkPassphrase } = options;
    this.encoder = new BatchEncoder({ dataset, schemaVersion: EXPORT_VERSIONS[dataset], networkPassphrase });
  }

  /** @throws CodedError as the source, the decoder, `checkNetwork` and LedgerChain; OUT_OF_RANGE as `networkOfSource` */
  async *read(chunk: LedgerRange, signal: AbortSignal): AsyncGenerator<RecordBatch, ChainEnds | undefined> {
    const { dataset, openSource, networkPassphrase, filter, knownAssets, onTrouble } = this.options;
    const known = new KnownAssets(networkPassphrase, knownAssets);
    const options = {
      ...this.encoder.decoderOptions,
      datasets: [dataset],
      compat: "default",
      filter,
      networkPassphrase,
    } as const;
    const decoder = new LedgerDecoder({ ...options, knownAssets: known });
    const chain = new LedgerChain();
    const rows = new RowSet();
    let first: string | undefined;
    let isProven = false;
    const source = await openSource();
    await checkHeld(source, chunk.ledgerLast);
    for await (const { path, bytes } of ledgersOfSource(source, chunk, signal, onTrouble)) {
      const { previousLedgerHash } = chain.take(bytes, path);
      first ??= hashText(previousLedgerHash);
      if (!isProven) isProven = checkNetwork(bytes, networkPassphrase);
      decoder.decode(bytes, rows);
      decoder.takeLearned();
      if (rows.length > 0) yield recordBatchOf(this.encoder, rows);
      rows.clear();
    }
    if (signal.aborted) return undefined;
    const { last } = chain;
    if (last?.ledger !== chunk.ledgerLast) throw cutShort(chunk, last?.ledger);
    return { previous_ledger_hash: first!, ledger_hash: hashText(last.hash) };
  }
}

/**
 * The passphrase of the range's network: the given one, what the source says, or that of the known network which its first
 * transaction is of. Reads the first ledger, and closes the source.
 * @param given is not checked here
 * @throws CodedError OUT_OF_RANGE where the source does not hold the range; FAILED_PRECONDITION / NETWORK_UNKNOWN where its
 * first ledgers have no transaction, or one of an unknown network
 */
export async function networkOfSource(
  source: LedgerSource,
  { ledgerFirst, ledgerLast }: LedgerRange,
  given: string | undefined,
  signal: AbortSignal,
  onTrouble?: TroubleListener,
): Promise<string> {
  const last = Math.min(ledgerLast, ledgerFirst + NETWORK_LEDGERS_MAX - 1);
  await checkHeld(source, ledgerLast);
  let said: string | undefined;
  try {
    said = given ?? (await source.networkPassphrase());
  } catch (thrown) {
    await source.close();
    throw thrown;
  }
  for await (const { bytes } of ledgersOfSource(source, { ledgerFirst, ledgerLast: last }, signal, onTrouble)) {
    if (said !== undefined) return said;
    const { passphrase, hasTransactions } = matchNetwork(bytes);
    if (passphrase !== undefined) return passphrase;
    if (hasTransactions) break;
  }
  signal.throwIfAborted();
  const message = `${source.description}: no transaction of ledgers ${ledgerFirst} to ${last} is of a known network: name it with --network-passphrase`;
  throw new CodedError("FAILED_PRECONDITION", "NETWORK_UNKNOWN", message);
}

/** Closes a source that does not hold the ledger yet, where it can tell, or cannot be asked. */
async function checkHeld(source: LedgerSource, ledger: number): Promise<void> {
  try {
    const latest = await source.ledgerLatest();
    if (latest !== undefined && latest < ledger) throw afterSource(source, latest, ledger);
  } catch (thrown) {
    await source.close();
    throw thrown;
  }
}

function afterSource(source: LedgerSource, latest: number, ledgerLast: number): CodedError {
  const message = `ledgers up to ${ledgerLast} are asked for, and the newest of the ${source.description} is ${latest}: end there, and export those behind it once they are there`;
  return new CodedError("OUT_OF_RANGE", "LEDGER_AFTER_SOURCE", message);
}

function cutShort({ ledgerFirst, ledgerLast }: LedgerRange, last: number | undefined): CodedError {
  const message = `ledgers ${ledgerFirst} to ${ledgerLast} were asked for, and the source has ended ${last === undefined ? "before them" : `after ledger ${last}`}`;
  return new CodedError("NOT_FOUND", "LEDGER_MISSING", message);
}
