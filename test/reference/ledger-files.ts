/** Files of ledgers as sources for servers, which read no such files themselves. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { splitBatch } from "../../src/ledger/batch.ts";
import { ledgerHeader } from "../../src/ledger/header.ts";
import { matchNetwork } from "../../src/ledger/network.ts";
import type { LedgerObject, LedgerSource } from "../../src/sources/source.ts";
import { records } from "../ledger/shared-ledgers.ts";
import { type LocalServer, localServer } from "../support/local-server.ts";
import { PUBNET } from "../support/networks.ts";

/** Ledgers that follow each other. */
export interface LedgerRun {
  first: number;
  last: number;
  ledgers: Uint8Array[];
  /** Ledgers without transactions are of any. */
  network: string;
}

/** What a server reads: one run, and later another one. */
class RunSource implements LedgerSource {
  readonly description = "ledgers of files";
  readonly seekable = true;

  constructor(public run: LedgerRun) {}

  networkPassphrase(): Promise<string> {
    return Promise.resolve(this.run.network);
  }

  ledgerLatest(): Promise<number> {
    return Promise.resolve(this.run.last);
  }

  async *read(start: number, end: number): AsyncGenerator<LedgerObject> {
    for (let ledger = start; ledger <= end; ledger++) {
      const bytes = new Uint8Array(this.run.ledgers[ledger - this.run.first]!);
      yield {
        name: `ledger ${ledger}`,
        ...{ ledgerFirst: ledger, ledgerLast: ledger, encoding: "none", container: "ledger", bytes },
      };
    }
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** Servers that read one run after the other, which saves starting one for each. */
export class RunServers {
  private readonly running = new Map<string, { source: RunSource; server: LocalServer }>();

  /**
   * @param settings by flag name
   * @param folder where sessions outlive their server; absent: nowhere
   */
  constructor(
    private readonly settings: Record<string, string>,
    private readonly folder?: string,
  ) {}

  /** The server of the run's network, which has this run now; sessions over others must be done. */
  async reading(run: LedgerRun): Promise<LocalServer> {
    let known = this.running.get(run.network);
    if (known === undefined) {
      const source = new RunSource(run);
      const kept = this.folder && { "data-dir": join(this.folder, encodeURIComponent(run.network)) };
      known = { source, server: await localServer(source, { "verify-chain": "off", ...this.settings, ...kept }) };
      this.running.set(run.network, known);
    }
    known.source.run = run;
    return known.server;
  }

  /** Ends them; the next one starts anew. */
  async close(): Promise<void> {
    for (const { server } of this.running.values()) await server.close();
    this.running.clear();
  }
}

/** One LedgerCloseMeta, a LedgerCloseMetaBatch, or a stream of record-marked ledgers. */
function ledgersOf(file: string): Uint8Array[] {
  const stored = new Uint8Array(readFileSync(file));
  const content = stored[0] === 0x28 ? new Uint8Array(Bun.zstdDecompressSync(stored)) : stored;
  if ((content[0]! & 0x80) !== 0) return records(content);
  const isBatch = new DataView(content.buffer, content.byteOffset).getUint32(0) > 2;
  return isBatch ? [...splitBatch(content)].map(({ bytes }) => bytes) : [content];
}

/**
 * The files' ledgers, in their order: those that follow each other are one run.
 *
 * @param network absent: the known one that fits each
 */
export function runsOf(files: readonly string[], network: string | undefined): LedgerRun[] {
  const runs: LedgerRun[] = [];
  for (const bytes of files.flatMap(ledgersOf)) {
    const { sequence } = ledgerHeader(bytes);
    const fitting = network ?? matchNetwork(bytes).passphrase;
    const before = runs.at(-1);
    if (before?.last === sequence - 1 && (fitting ?? before.network) === before.network) {
      before.ledgers.push(bytes);
      before.last = sequence;
    } else runs.push({ first: sequence, last: sequence, ledgers: [bytes], network: fitting ?? PUBNET });
  }
  return runs;
}
