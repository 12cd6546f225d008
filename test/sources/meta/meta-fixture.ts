/** Meta streams for tests: records, FIFOs, and processes that write to them. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { splitBatch } from "../../../src/ledger/batch.ts";
import { MetaSource } from "../../../src/sources/meta/meta-source.ts";
import { PipeFeed } from "../../../src/sources/meta/pipe-feed.ts";
import { SAMPLE } from "../../support/processor.ts";
import { until } from "../../support/until.ts";
import { tinyLedger } from "../lake-fixture.ts";

/** A ledger behind its record mark. */
export function record(ledger: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(4 + ledger.length);
  new DataView(bytes.buffer).setUint32(0, 0x8000_0000 + ledger.length);
  bytes.set(ledger, 4);
  return bytes;
}

export function records(first: number, last: number, ledger: (sequence: number) => Uint8Array = tinyLedger): Buffer {
  return Buffer.concat(sequence(first, last).map((each) => record(ledger(each))));
}

export const sequence = (first: number, last: number) => Array.from({ length: last - first + 1 }, (_, i) => first + i);

/** A tiny ledger with zeros behind it, which no reader of XDR takes: one of any size, to fill windows with. */
export function largeLedger(sequence: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  bytes.set(tinyLedger(sequence));
  return bytes;
}

/** The sample's ledgers, in order. */
export function sampleLedgers(): Uint8Array[] {
  const files = readdirSync(SAMPLE.folder, { recursive: true }).map(String);
  const lakeFiles = files.filter((name) => name.endsWith(".zst"));
  const ledgers = lakeFiles.flatMap((name) => [
    ...splitBatch(Bun.zstdDecompressSync(readFileSync(path.join(SAMPLE.folder, name)))),
  ]);
  return ledgers.toSorted((a, b) => a.sequence - b.sequence).map(({ bytes }) => bytes);
}

/** A folder with a FIFO in it, and what writes to that. */
export class Fifo {
  readonly folder = mkdtempSync(path.join(tmpdir(), "meta-"));
  readonly path = path.join(this.folder, "meta.fifo");
  private readonly writers: Array<{ kill(signal?: NodeJS.Signals): void }> = [];
  private files = 0;

  constructor({ make = true } = {}) {
    if (make) this.make();
  }

  make(): void {
    const { exitCode, stderr } = Bun.spawnSync(["mkfifo", this.path]);
    if (exitCode !== 0) throw new Error(stderr.toString());
  }

  /** A process that writes all of `bytes`, and exits. */
  write(bytes: Uint8Array): { exited: Promise<number>; kill(): void } {
    const file = path.join(this.folder, `written-${this.files++}`);
    writeFileSync(file, bytes);
    const child = Bun.spawn(["sh", "-c", 'exec cat "$1" > "$2"', "sh", file, this.path]);
    this.writers.push(child);
    return { exited: child.exited, kill: () => child.kill("SIGKILL") };
  }

  /** A process that writes what it is given, and stays until it is killed. */
  writer(): MetaWriter {
    const child = Bun.spawn(["sh", "-c", 'exec cat > "$1"', "sh", this.path], { stdin: "pipe" });
    this.writers.push(child);
    return {
      pid: child.pid,
      write: async (bytes) => {
        child.stdin.write(bytes);
        await child.stdin.flush();
      },
      end: async () => {
        await child.stdin.end();
        return child.exited;
      },
      kill: () => {
        child.kill("SIGKILL");
        return child.exited;
      },
    };
  }

  [Symbol.dispose](): void {
    for (const writer of this.writers) writer.kill("SIGKILL");
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** The source of one test, with its FIFO and writers. */
export class FifoStream {
  readonly source: MetaSource;

  constructor(
    windowBytesMax: number,
    readonly fifo = new Fifo(),
    options: ConstructorParameters<typeof MetaSource>[2] = {},
  ) {
    this.source = new MetaSource(new PipeFeed(fifo.path), windowBytesMax, options);
  }

  until(newest: number): Promise<unknown> {
    return until(async () => (await this.source.ledgerLatest()) === newest, `ledger ${newest} has come`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.source.close();
    this.fifo[Symbol.dispose]();
  }
}

interface MetaWriter {
  pid: number;
  /** Resolves when the process has been given the bytes. */
  write(bytes: Uint8Array): Promise<void>;
  end(): Promise<number>;
  kill(): Promise<number>;
}
