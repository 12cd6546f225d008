/** What `decode` is told to read: a file, standard input, or a source as SOURCE_ENDPOINT names it. */
import { promises as fs } from "node:fs";
import { parseSourceEndpoint, type SourceEndpoint, shownSource } from "../config/source-endpoint.ts";
import { sourceEndpoint } from "../config/types.ts";
import { CodedError } from "../error.ts";
import { ledgersOfFile } from "../sources/file/ledger-file.ts";
import { fileFault } from "../sources/lake/file-fault.ts";
import { Lake } from "../sources/lake/lake.ts";
import { LEDGER_SEQUENCE_MAX } from "../sources/limits.ts";
import { isStoreAddress } from "../sources/object-store/open-store.ts";
import { openSource } from "../sources/open.ts";
import type { LedgerSource, TroubleListener } from "../sources/source.ts";
import type { SourceAccess } from "../sources/source-access.ts";
import { type FileLedger, heldBy, ledgersOfSource } from "../sources/source-ledgers.ts";
import type { LedgerRange } from "../vocabulary/ledger-range.ts";
import { UsageError } from "./usage-error.ts";

/** What is to be read of an input, as far as the command line says; an end of 0 is for ever. */
interface WantedLedgers {
  ledgerFirst: number | undefined;
  ledgerLast: number | undefined;
}

/** Ledgers to be decoded. */
interface DecodeInput {
  /** What the source says; undefined where it says nothing. */
  networkPassphrase: string | undefined;
  /** To be iterated once. A source's end early, without an error, when the signal aborts. */
  ledgers: AsyncIterable<FileLedger>;
  /** True where nothing but the signal ends it. */
  isEndless: boolean;
}

/**
 * Opens one argument. Its spelling decides what it is: what parseSourceEndpoint takes for a source is one, and the rest,
 * like a path, is a file or a lake folder.
 * @throws UsageError where it is neither, or both; CodedError as openSource and fileFault
 */
export async function openDecodeInput(
  argument: string,
  wanted: WantedLedgers,
  access: SourceAccess,
  signal: AbortSignal,
  onTrouble: TroubleListener,
): Promise<DecodeInput> {
  const endpoint = argument === "-" ? undefined : endpointOf(argument);
  if (endpoint !== undefined && endpoint.kind !== "lake") {
    if (await exists(argument)) {
      const service = endpoint.kind === "grpc" ? `, or grpc://${argument} for the service` : "";
      throw new UsageError(
        `${argument} is the name of a source and of a file here: write ./${argument} for the file${service}`,
      );
    }
    return await ofSource(await openSource(endpoint, access), wanted, signal, onTrouble);
  }
  const path = argument === "-" ? "/dev/stdin" : (endpoint?.path ?? argument);
  if (endpoint === undefined && isMeantAsSource(path) && !(await exists(path))) {
    throw new UsageError(`${shownSource(path)} is no source: a file, or ${sourceEndpoint.accepts} is accepted`);
  }
  const stat = await fs.stat(path).catch((thrown) => {
    throw fileFault(path, thrown);
  });
  if (stat.isDirectory()) return await ofSource(await Lake.open(path), wanted, signal, onTrouble);
  const { ledgerFirst = 0, ledgerLast = 0 } = wanted;
  const range = { ledgerFirst, ledgerLast: ledgerLast === 0 ? LEDGER_SEQUENCE_MAX : ledgerLast };
  return { networkPassphrase: undefined, ledgers: ledgersOfFile(path, range), isEndless: false };
}

async function ofSource(
  source: LedgerSource,
  wanted: WantedLedgers,
  signal: AbortSignal,
  onTrouble: TroubleListener,
): Promise<DecodeInput> {
  try {
    const range = await rangeOf(source, wanted);
    return {
      networkPassphrase: await source.networkPassphrase(),
      ledgers: ledgersOfSource(source, range, signal, onTrouble),
      isEndless: range.ledgerLast === 0,
    };
  } catch (thrown) {
    await source.close();
    throw thrown;
  }
}

/** A lake from its first ledger to its newest, any other source from its newest on, where nothing else is said. */
async function rangeOf(source: LedgerSource, { ledgerFirst, ledgerLast }: WantedLedgers): Promise<LedgerRange> {
  if (ledgerFirst !== undefined && ledgerLast !== undefined) return { ledgerFirst, ledgerLast };
  if (source instanceof Lake) {
    const held = await heldBy(source, ledgerFirst ?? ledgerLast);
    const range = { ledgerFirst: ledgerFirst ?? held.ledgerFirst, ledgerLast: ledgerLast ?? held.ledgerLast };
    if (range.ledgerLast === 0 || range.ledgerFirst <= range.ledgerLast) return range;
    throw new CodedError(
      "OUT_OF_RANGE",
      ledgerLast === undefined ? "LEDGER_AFTER_SOURCE" : "LEDGER_BEFORE_SOURCE",
      `the ${source.description} holds ledgers ${held.ledgerFirst} to ${held.ledgerLast}, and ${ledgerLast === undefined ? `--start-ledger is ${ledgerFirst}: --end-ledger 0 beside it waits for that ledger` : `--end-ledger is ${ledgerLast}`}`,
    );
  }
  const first = ledgerFirst ?? (await source.ledgerLatest());
  if (first !== undefined) return { ledgerFirst: first, ledgerLast: ledgerLast ?? 0 };
  throw new UsageError(
    `${source.description}: it does not say which ledger is its newest: name the first with --start-ledger N`,
  );
}

/** Undefined where the argument is no source. */
function endpointOf(argument: string): SourceEndpoint | undefined {
  const endpoint = parseSourceEndpoint(argument);
  if (endpoint !== undefined || !isStoreAddress(argument)) return endpoint;
  return { kind: "store", address: argument }; // to be told what is wrong with it
}

/** Whether the words are written as those of a source, though they name none. */
function isMeantAsSource(argument: string): boolean {
  return argument === "" || /^[a-z][a-z0-9+.-]*:\/\/|^(meta|repeat):|\|/i.test(argument);
}

async function exists(path: string): Promise<boolean> {
  return await fs.stat(path).then(
    () => true,
    () => false,
  );
}
