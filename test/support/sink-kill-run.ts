/**
 * Sinks that fill one database while everything is killed at random instants: the sinks, the server, the database, and
 * the connections between them. In the end the database has the oracle's rows, each once, `current_state` is their fold, and
 * every reader's cursor is the end.
 *
 * Even seeds read a session with two partitions whose filters change; odd seeds read two ranges that overlap. Every third
 * seed has its ledgers from a web server, which is killed too. The last two of each four seeds read ttl as well.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectControl } from "../../src/control/client.ts";
import { DATASET_DEFAULT, DATASETS, type Dataset } from "../../src/vocabulary/dataset.ts";
import { CutProxy } from "./cut-proxy.ts";
import type { GoldenRow } from "./kill-oracle.ts";
import { CONTRACTS, goldenOf, goldenTtlOf } from "./kill-oracle.ts";
import { PUBNET } from "./networks.ts";
import { PROGRAM, type Processor, ROOT, SAMPLE, startProcessor } from "./processor.ts";
import { randomFrom } from "./random.ts";
import type { KeptRow, SinkPlace } from "./sink-place.ts";

const LEDGER_FIRST = 1000;
const PAUSE_MS_MIN = 50; // between two faults
const PAUSE_MS_MAX = 700; // a sink takes some 300 ms to its first commit
const END_MS_MAX = 100_000; // a hang's end
const EXIT_RETRY_MS = 50;
const STARTS_MAX = 200;
const RESUME_LOOK_MS = 500;

type Golden = Pick<GoldenRow, "hash" | "deleted">;

interface Step {
  ledgerFrom: number;
  contractIds: string[];
  includeDeleted: boolean;
}

interface SinkKillReport {
  seed: number;
  faults: Record<string, number>;
  /** Sink processes. */
  starts: number;
  /** Of all datasets. */
  rows: number;
  filterChanges: number;
  /** Of a session that has failed. */
  resumes: number;
}

/** @throws Error that says what is not as it must be */
export async function sinkKillRun(options: {
  seed: number;
  faults: number;
  /** A thousand are 44,000 rows: a sink's work of a second or two. */
  ledgers: number;
  place: (folder: string) => Promise<SinkPlace>;
}): Promise<SinkKillReport> {
  const run = new SinkKillRun(options.seed, options.ledgers);
  try {
    return await run.all(options.faults, options.place);
  } finally {
    await run.dispose();
  }
}

class SinkKillRun {
  private readonly folder = mkdtempSync(join(tmpdir(), "contract-data-sinks-"));
  private readonly random: () => number;
  private server: Processor | undefined;
  private source: Bun.Subprocess | undefined;
  private sourceProxy: CutProxy | undefined;
  private proxy: CutProxy | undefined;
  private place: SinkPlace | undefined;
  private readonly sinks = new Set<Bun.Subprocess>();
  private isOver = false;
  private readonly report: SinkKillReport;
  private readonly datasets: readonly Dataset[];

  constructor(
    private readonly seed: number,
    private readonly ledgers: number,
  ) {
    this.random = randomFrom(seed);
    this.datasets = seed % 4 >= 2 ? DATASETS : [DATASET_DEFAULT];
    this.report = { seed, faults: {}, starts: 0, rows: 0, filterChanges: 0, resumes: 0 };
  }

  async all(faults: number, placeOf: (folder: string) => Promise<SinkPlace>): Promise<SinkKillReport> {
    this.place = await placeOf(this.folder);
    this.proxy = await CutProxy.listen();
    if (this.seed % 3 === 0) {
      this.sourceProxy = await CutProxy.listen();
      await this.startSource();
    }
    await this.serve();
    const last = LEDGER_FIRST + this.ledgers - 1;
    const session = this.seed % 2 === 0 ? await this.startSession(last) : undefined;
    const third = Math.floor(this.ledgers / 3);
    const parts =
      session === undefined
        ? [
            ["--start-ledger", LEDGER_FIRST, "--end-ledger", last - third],
            ["--start-ledger", LEDGER_FIRST + third, "--end-ledger", last],
          ]
        : [0, 1].map((partition) => ["--session", session, "--partition", partition]);
    const readers = this.datasets.flatMap((dataset) => parts.map((words) => ["--dataset", dataset, ...words]));
    const reading = Promise.all(readers.map((words) => this.keepRunning(words.map(String))));
    let isRead = false;
    const done = reading.finally(() => {
      isRead = true;
    });
    done.catch(() => {});
    for (let fault = 0; fault < faults && !isRead; fault++) {
      await Bun.sleep(PAUSE_MS_MIN + this.random() * (PAUSE_MS_MAX - PAUSE_MS_MIN));
      await this.fault(session);
    }
    const late = setTimeout(() => this.giveUp(), END_MS_MAX);
    while (session !== undefined && !isRead) {
      await this.resumeFailed(session);
      await Bun.sleep(RESUME_LOOK_MS);
    }
    await done.finally(() => clearTimeout(late));
    const steps = session === undefined ? undefined : await this.timelineOf(session);
    await this.compare("contract_data", expectedRows(last, steps));
    if (this.datasets.includes("ttl")) await this.compare("ttl", expectedTtl(last));
    const ends = this.datasets.flatMap(() => (session === undefined ? [last - third, last] : [last, last])).sort();
    const positions = (await this.place.positions()).sort();
    if (positions.join() !== ends.join()) throw new Error(`the cursors are behind ${positions}, not ${ends}`);
    return this.report;
  }

  async dispose(): Promise<void> {
    this.giveUp();
    await Promise.all([...this.sinks].map(({ exited }) => exited));
    this.server?.kill("SIGKILL");
    await this.server?.exited;
    this.source?.kill("SIGKILL");
    this.sourceProxy?.close();
    this.proxy?.close();
    await this.place?.dispose();
    rmSync(this.folder, { recursive: true, force: true });
  }

  private giveUp(): void {
    this.isOver = true;
    for (const sink of this.sinks) sink.kill("SIGKILL");
  }

  private async serve(): Promise<void> {
    this.server = await startProcessor([
      `--source-endpoint=${this.sourceProxy ? `http://${this.sourceProxy.address}` : `repeat:${SAMPLE.folder}`}`,
      `--network-passphrase=${PUBNET}`,
      "--include-deleted",
      "--worker-count=2",
      "--channel-buffer-size=20",
      `--data-dir=${join(this.folder, "data")}`,
      "--checkpoint-interval=100ms",
      "--log-level=warn",
    ]);
    this.proxy!.leadTo(this.server.flight);
  }

  private async startSource(): Promise<void> {
    const words = [LEDGER_FIRST, LEDGER_FIRST + this.ledgers - 1].map(String);
    const program = join(import.meta.dir, "source-process.ts");
    this.source = Bun.spawn([process.execPath, program, ...words], { stdout: "pipe" });
    const { value } = await (this.source.stdout as ReadableStream<Uint8Array>).getReader().read();
    this.sourceProxy!.leadTo(new TextDecoder().decode(value).trim());
  }

  private async startSession(endLedger: number): Promise<string> {
    const control = connectControl(this.server!.control);
    const { sessionId } = await control.startProcessing({
      ...{ startLedger: LEDGER_FIRST, endLedger, batchSize: 40, schemaVersion: 2, partitions: 2 },
      datasets: this.datasets,
    });
    control.close();
    return sessionId;
  }

  /** One reader's sink, started again until it says that it is done. */
  private async keepRunning(words: readonly string[]): Promise<void> {
    const pace = ["--commit-interval", "50ms", "--batch-size", String(100 + Math.floor(this.random() * 3000))];
    let said: string | undefined;
    for (let starts = 1; ; starts++) {
      if (this.isOver) throw new Error(`the sink of ${words.join(" ")} is not done within ${END_MS_MAX} ms: ${said}`);
      this.report.starts += 1;
      const sink = Bun.spawn([...PROGRAM, ...this.place!.args, ...words, ...pace], {
        cwd: ROOT,
        env: { ...process.env, CI: "", FLIGHT_ENDPOINT: this.proxy!.address },
        stdout: "ignore",
        stderr: "pipe",
      });
      this.sinks.add(sink);
      const told = new Response(sink.stderr).text();
      const code = await sink.exited;
      this.sinks.delete(sink);
      if (code === 0) return;
      said = (await told).trim().split("\n").at(-1);
      // 137 is our own kill; 1 at the first contact, where the server, its source or the database is away
      if (code !== 137 && !(code === 1 && /Flight server at|reachable from here|takes no rows/.test(said ?? ""))) {
        throw new Error(`the sink of ${words.join(" ")} ended with ${code}: ${said}`);
      }
      if (starts > STARTS_MAX)
        throw new Error(`the sink of ${words.join(" ")} was started ${STARTS_MAX} times: ${said}`);
      await Bun.sleep(EXIT_RETRY_MS);
    }
  }

  private async fault(session: string | undefined): Promise<void> {
    const kinds = ["sink", "sink", "sockets", "server"];
    if (session !== undefined) kinds.push("filters", "filters");
    if (this.place!.killDatabase !== undefined) kinds.push("database", "databaseSockets");
    if (this.source !== undefined) kinds.push("source", "source");
    const kind = kinds[Math.floor(this.random() * kinds.length)]!;
    this.report.faults[kind] = (this.report.faults[kind] ?? 0) + 1;
    if (kind === "sink") [...this.sinks][Math.floor(this.random() * this.sinks.size)]?.kill("SIGKILL");
    else if (kind === "sockets") this.proxy!.cut();
    else if (kind === "database") await this.place!.killDatabase!();
    else if (kind === "databaseSockets") this.place!.cutDatabase!();
    else if (kind === "source") {
      this.source!.kill("SIGKILL");
      await this.source!.exited;
      this.sourceProxy!.leadTo(""); // its port may be another's now
      await Bun.sleep(this.random() * 300);
      await this.startSource();
    } else if (kind === "filters") await this.changeFilters(session!);
    else {
      this.server!.kill("SIGKILL");
      await this.server!.exited;
      this.proxy!.leadTo(""); // its port may be another's now
      await Bun.sleep(this.random() * 300);
      await this.serve();
    }
  }

  /** A session with an end fails once its source has been away for longer than its tries: an operator resumes it. */
  private async resumeFailed(sessionId: string): Promise<void> {
    const control = connectControl(this.server!.control);
    const { session } = await control.getSession({ sessionId });
    if (session!.error?.code === "UNAVAILABLE") {
      await control.resumeSession({ sessionId });
      this.report.resumes += 1;
    }
    control.close();
  }

  private async changeFilters(sessionId: string): Promise<void> {
    await this.resumeFailed(sessionId);
    const control = connectControl(this.server!.control);
    const filters = {
      contractIds: CONTRACTS.filter(() => this.random() < 0.3).slice(0, 20),
      includeDeleted: this.random() < 0.7,
    };
    try {
      await control.configureFilters({ sessionId, filters });
      this.report.filterChanges += 1;
    } catch (thrown) {
      if (!/STOPPED|stopped|complete/.test(String(thrown))) throw thrown; // it was over before
    } finally {
      control.close();
    }
  }

  private async timelineOf(sessionId: string): Promise<Step[]> {
    const control = connectControl(this.server!.control);
    const { session } = await control.getSession({ sessionId });
    control.close();
    return session!.filterHistory.map(({ fromLedger, filters }) => ({
      ledgerFrom: fromLedger,
      contractIds: filters!.contractIds,
      includeDeleted: filters!.includeDeleted,
    }));
  }

  private async compare(dataset: Dataset, expected: ReadonlyMap<number, Golden[]>): Promise<void> {
    const entries = await this.place!.entries(dataset);
    const problem = differenceOf(entries, expected) ?? foldProblem(entries, await this.place!.state(dataset));
    if (problem !== undefined) throw new Error(`${dataset}: ${problem}`);
    this.report.rows += entries.length;
  }
}

function expectedTtl(last: number): Map<number, Golden[]> {
  const ledgers = Array.from({ length: last - LEDGER_FIRST + 1 }, (_, at) => LEDGER_FIRST + at);
  return new Map(ledgers.map((ledger) => [ledger, goldenTtlOf(ledger)]));
}

/** The oracle's rows by ledger, under the filters that held. */
function expectedRows(last: number, steps?: readonly Step[]): Map<number, GoldenRow[]> {
  const expected = new Map<number, GoldenRow[]>();
  for (let ledger = LEDGER_FIRST; ledger <= last; ledger++) {
    const step = steps?.findLast(({ ledgerFrom }) => ledgerFrom <= ledger);
    const rows = goldenOf(ledger).filter(({ contract, deleted }) => {
      if (step === undefined) return true;
      return (
        (step.contractIds.length === 0 || step.contractIds.includes(contract)) && (step.includeDeleted || !deleted)
      );
    });
    if (rows.length > 0) expected.set(ledger, rows);
  }
  return expected;
}

/** What is missing or too much, as a sentence; undefined where the rows are the oracle's, in its order. */
export function differenceOf(
  entries: readonly KeptRow[],
  expected: ReadonlyMap<number, readonly Golden[]>,
): string | undefined {
  const found = Map.groupBy(entries, ({ ledger }) => ledger);
  for (const ledger of new Set([...expected.keys(), ...found.keys()])) {
    const theirs = (expected.get(ledger) ?? []).map(({ hash, deleted }) => `${hash} ${deleted}`);
    const ours = (found.get(ledger) ?? []).map(({ hash, deleted }) => `${hash} ${deleted}`);
    if (ours.join() !== theirs.join()) {
      return `ledger ${ledger} has ${ours.length} rows, and the oracle ${theirs.length}, or in another order`;
    }
  }
  return undefined;
}

/** @param entries in the order of the natural key */
export function foldProblem(entries: readonly KeptRow[], state: readonly KeptRow[]): string | undefined {
  const fold = new Map<string, KeptRow>();
  for (const row of entries) fold.set(row.hash, row);
  if (state.length !== fold.size)
    return `the table of last rows has ${state.length} entries, and the fold ${fold.size}`;
  for (const row of state) {
    const last = fold.get(row.hash);
    if (JSON.stringify(row) !== JSON.stringify(last)) {
      return `the table of last rows has ${JSON.stringify(row)}, and the fold ${JSON.stringify(last)}`;
    }
  }
  return undefined;
}
