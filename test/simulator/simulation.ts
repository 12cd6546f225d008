/**
 * One simulated run: sessions with clients over the real pipeline (workers, rings, pump, hub), while sources stall and
 * fail, threads die, filters change and clients dawdle. Everything follows from the seed but the threads' own timing.
 *
 * A session that fails is started again from where its slowest client is, with the filters that it had, as a server
 * would after a restart; a client drops the rows that it has had already, by their position. Every third session has
 * partitions, of which each client reads one.
 */

import type { HubStream } from "../../src/delivery/hub-stream.ts";
import { AssetTable } from "../../src/engine/asset-table.ts";
import type { EngineStream } from "../../src/engine/engine-stream.ts";
import type { FilterStep } from "../../src/workers/records.ts";
import { TestPipeline } from "../support/pipeline.ts";
import { until } from "../support/until.ts";
import { type Canary, infect } from "./canaries.ts";
import { before, Client } from "./client.ts";
import { slotCounts } from "./slot-counts.ts";
import { DELAYS_LEDGERS, FILTERS, SimulatedSource, seeded, World } from "./world.ts";

const STILL_MS_MAX = 20_000; // a run takes about a second; one in which nobody gets anything for so long is a deadlock
const RESTARTS_MAX = 200;

interface RunReport {
  seed: number;
  sessions: number;
  rows: number;
  restarts: number;
  deaths: number;
  filterChanges: number;
  inFlightBytesMost: number;
  retainedBytesMost: number;
}

/** A session that has ended. */
interface Played {
  clients: readonly Client[];
  first: number;
  last: number;
  steps: readonly FilterStep[];
  partitions: number | undefined;
}

/** @throws Error that says what is wrong */
export async function simulate(seed: number, canary?: Canary): Promise<RunReport> {
  const restore = canary === undefined ? () => {} : infect(canary);
  const simulation = new Simulation(seed);
  try {
    return await simulation.run();
  } catch (thrown) {
    throw new Error(`seed ${seed}: ${(thrown as Error).message}`, { cause: thrown });
  } finally {
    restore();
    await simulation.close();
  }
}

class Simulation {
  private readonly random: () => number;
  private readonly world: World;
  private readonly assetDelayLedgers: number;
  private pipeline: TestPipeline | undefined;
  private readonly report: RunReport;
  private over = false;
  /** Of all sessions. */
  private readonly clients: Client[] = [];

  constructor(seed: number) {
    this.random = seeded(seed);
    this.world = new World(seed, { ledgerBytesLarge: 300_000, bad: this.random() < 0.4 });
    this.assetDelayLedgers = DELAYS_LEDGERS[Math.floor(seeded(seed, "delay")() * DELAYS_LEDGERS.length)]!;
    this.report = {
      seed,
      sessions: 0,
      rows: 0,
      restarts: 0,
      deaths: 0,
      filterChanges: 0,
      inFlightBytesMost: 0,
      retainedBytesMost: 0,
    };
  }

  async run(): Promise<RunReport> {
    const { random, report } = this;
    const workers = 1 + this.pick(3);
    const ringBytes = 4096 << this.pick(8);
    const inFlightBytesMax = 20_000 << this.pick(7);
    const pipeline = await TestPipeline.start({
      workers,
      flushIntervalMs: [1, 20, 500][this.pick(3)]!,
      onError: "skip",
      assetDelayLedgers: this.assetDelayLedgers,
      batchBytesTarget: 4096 << this.pick(6),
      batchRowsMinTarget: 1 + this.pick(100),
      batchBytesMax: 256 << 10,
      memory: {
        pool: {
          inputRingBytes: ringBytes,
          outputRingBytes: 4096 << this.pick(8),
          retainedBytesMax: 10_000 << this.pick(8),
          freeBytesMax: 100_000,
        },
        inFlightBytesMax,
        rowReadersBytesMax: 0,
        streamsBytesMax: 64 << 20,
      },
    });
    this.pipeline = pipeline;
    const sessions = Array.from({ length: 1 + this.pick(3) }, (_, index) => this.session(index));
    report.sessions = sessions.length;
    const disturbing = this.disturb(random() < 0.5);
    const watching = this.watch(inFlightBytesMax);
    const still = this.standsStill(Promise.allSettled(sessions));
    try {
      await Promise.race([Promise.all(sessions), still, watching]);
    } finally {
      this.over = true;
    }
    await disturbing;
    await watching;
    report.deaths = pipeline.deaths.length;
    await this.checkNothingLeft(pipeline);
    return report;
  }

  async close(): Promise<void> {
    this.over = true;
    await this.pipeline?.close();
    if (this.pipeline !== undefined && this.pipeline.threads !== 0) {
      throw new Error(`seed ${this.report.seed}: ${this.pipeline.threads} threads are left`);
    }
  }

  /** Rejects when no client has got anything for STILL_MS_MAX: on a busy machine a run may take as long as it likes. */
  private standsStill(ended: Promise<unknown>): Promise<never> {
    return new Promise((_, reject) => {
      let moved = this.moved;
      let sinceMs = performance.now();
      const timer = setInterval(() => {
        if (this.moved !== moved) {
          moved = this.moved;
          sinceMs = performance.now();
        } else if (performance.now() - sinceMs > STILL_MS_MAX) {
          clearInterval(timer);
          reject(new Error(`it stands still: ${this.pipeline!.state}`));
        }
      }, STILL_MS_MAX / 20);
      void ended.then(() => clearInterval(timer));
    });
  }

  /** Changes with every batch that a client takes, and with every restart. */
  private get moved(): number {
    let batches = this.report.restarts;
    for (const client of this.clients) batches += client.batches;
    return batches;
  }

  private pick(count: number): number {
    return Math.floor(this.random() * count);
  }

  private async session(index: number): Promise<void> {
    const pipeline = this.pipeline!;
    const first = 1 + this.pick(50) * 4; // on the boundary of any lake file
    const last = first + 20 + this.pick(130);
    const bad = this.world.hasBad;
    const batch = bad ? 1 : [1, 1, 4][this.pick(3)]!;
    const source = new SimulatedSource(
      this.world,
      { stalls: this.random() * 0.05, failures: this.random() < 0.5 ? 0.004 : 0, batch, zstd: this.random() < 0.5 },
      this.random,
    );
    const clients = Array.from({ length: 1 + this.pick(3) }, () => new Client(this.world, this.random, first));
    const partitions = (this.report.seed + index) % 3 === 0 ? 2 + (this.report.seed % 3) : undefined;
    while (clients.length < (partitions ?? 1)) clients.push(new Client(this.world, this.random, first));
    this.clients.push(...clients);
    let steps: FilterStep[] = [{ ledgerFrom: first, filter: FILTERS[this.pick(FILTERS.length)]! }];
    // What an earlier stream of the session has given out keeps its filter, as the server's reservations see to.
    let dispatchedTo = first;
    let assets = new AssetTable();
    for (let restarts = 0; ; restarts++) {
      if (restarts > RESTARTS_MAX) throw new Error(`session ${index} was restarted ${restarts} times`);
      const slowest = clients.map(({ position }) => position).reduce((a, b) => (before(a, b) ? a : b));
      const start = partitions === undefined ? slowest : { ledger: slowest.ledger, row: 0 };
      const [stream, hubStream] = await pipeline.open({
        id: `session ${index}`,
        source,
        start,
        ledgerEnd: last,
        filters: steps,
        assets,
        learnsAssets: true,
        batchRows: this.random() < 0.3 ? 0 : 1 + this.pick(40),
        slotsMax: 1 + this.pick(8),
        partitions,
      });
      const changing = this.changeFilters(stream, last, dispatchedTo);
      const killed = this.kill(stream);
      // All come before any of them reads: what the first had taken could be gone for the next.
      const readers = clients.map((_, number) => hubStream.parts[partOf(number, partitions)]!.log.join(0));
      const ends = await Promise.all(
        clients.map((client, number) =>
          client.read(hubStream.parts[partOf(number, partitions)]!, readers[number]!, start),
        ),
      );
      // A session taken away when it was complete has no error, and clients that had not read all of it do.
      const error = (await stream.over) ?? ends.find((end) => end !== undefined);
      await Promise.all([changing, killed]);
      steps = [...stream.filters];
      dispatchedTo = Math.max(dispatchedTo, stream.nextUndispatched);
      stream.forget();
      await until(() => source.reading === 0, `session ${index} has left its source`);
      if (error === undefined) break;
      if (!["SIMULATED", "WORKER_DIED", "SESSION_GONE"].includes(error.reason)) {
        throw new Error(`session ${index}: ${error.reason}: ${error.message}`);
      }
      this.report.restarts += 1;
      // As from the store: no more than what the ledgers have taught that the next stream does not read again.
      const from = clients.map(({ position }) => position.ledger).reduce((a, b) => Math.min(a, b));
      const known = assets.records.filter(({ ledgerFrom }) => ledgerFrom < from + this.assetDelayLedgers);
      assets = new AssetTable([], known);
    }
    this.checkRows(index, { clients, first, last, steps, partitions });
  }

  /** Every client has the oracle's rows under the filters that the session ended with, each once and in order. */
  private checkRows(index: number, session: Played): void {
    const { clients, first, last, steps, partitions } = session;
    for (const [number, client] of clients.entries()) {
      const shard = partitions === undefined ? undefined : { index: partOf(number, partitions), count: partitions };
      const expected = this.world.allRows(
        first,
        last,
        steps.map(({ ledgerFrom, filter }) => ({ ledgerFrom, filter: { ...filter, shard } })),
        this.assetDelayLedgers,
      );
      const { rows } = client;
      const wrong = expected.findIndex((row, at) => rows[at] !== row);
      if (rows.length !== expected.length || wrong >= 0) {
        throw new Error(
          `session ${index}, client ${number}: ${rows.length} rows, the oracle has ${expected.length}; first difference at ${wrong}: ${rows[wrong]?.slice(0, 60)} in place of ${expected[wrong]?.slice(0, 60)}`,
        );
      }
      if (client.position.ledger !== last + 1) {
        throw new Error(
          `session ${index}, client ${number}: its cursor ends at ledger ${client.position.ledger}, not ${last + 1}`,
        );
      }
      this.report.rows += rows.length;
    }
  }

  /** Takes a session away in the middle, as the end of the process would: clients come back with their cursors. */
  private async kill(stream: EngineStream): Promise<void> {
    if (this.random() < 0.5) return;
    await new Promise((resolve) => setTimeout(resolve, this.random() * 150));
    if (stream.isOver || this.over) return;
    stream.stop();
    stream.forget();
  }

  private async changeFilters(stream: EngineStream, last: number, ledgerMin: number): Promise<void> {
    while (this.random() < 0.5 && !stream.isOver && !this.over) {
      await new Promise((resolve) => setTimeout(resolve, this.random() * 60));
      if (stream.isOver || stream.nextUndispatched > last) return;
      stream.setFilter(FILTERS[this.pick(FILTERS.length)]!, ledgerMin);
      this.report.filterChanges += 1;
    }
  }

  /** Ends a decode thread now and then. */
  private async disturb(deaths: boolean): Promise<void> {
    for (let left = deaths ? 3 : 0; left > 0 && !this.over; left--) {
      await new Promise((resolve) => setTimeout(resolve, 20 + this.random() * 150));
      if (!this.over) await this.pipeline!.killWorker(this.pick(3));
    }
  }

  /** Bytes in flight stay under their bounds, at every moment that this thread sees. */
  private async watch(inFlightBytesMax: number): Promise<void> {
    const { report } = this;
    const pipeline = this.pipeline!;
    const ledgerBytesLarge = 4 * 700 * 1000; // a file of the largest ledgers goes through alone
    const seen = new Map<number, { spans: number; floor: number }>();
    while (!this.over) {
      const inFlight = pipeline.engine.inFlight.usedBytes;
      report.inFlightBytesMost = Math.max(report.inFlightBytesMost, inFlight);
      if (inFlight > inFlightBytesMax + ledgerBytesLarge) {
        throw new Error(`${inFlight} B are in flight, over ${inFlightBytesMax} B`);
      }
      report.retainedBytesMost = Math.max(report.retainedBytesMost, pipeline.hub.slotBytes.retained);
      for (const stream of pipeline.hub.all()) {
        const spansMax = 2 * pipeline.pool.size;
        if (stream.waitingSpans > spansMax) throw new Error(`${stream.waitingSpans} spans wait, over ${spansMax}`);
        this.checkGate(stream, seen);
      }
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }

  /**
   * What a span becomes is not known before, so held batches may go over their limit; but no span is begun as long as
   * they are. A stream that was full when looked at twice, with nothing read in between, was full all the time.
   */
  private checkGate(stream: HubStream, seen: Map<number, { spans: number; floor: number }>): void {
    const { log, opening } = stream;
    // `pump` is private, and undefined until the stream runs.
    const pump = (this.pipeline!.engine.stream(opening.stream) as unknown as { pump?: { spanCount: number } })?.pump;
    const now = { spans: pump?.spanCount ?? 0, floor: log.endNumber - log.heldBatches };
    const earlier = seen.get(opening.stream);
    if (!log.full || stream.over) seen.delete(opening.stream);
    else seen.set(opening.stream, now);
    if (log.full && !stream.over && earlier?.floor === now.floor && earlier.spans !== now.spans) {
      throw new Error(`a span was begun while ${log.heldBatches} batches were held, over ${opening.slotsMax}`);
    }
  }

  private async checkNothingLeft(pipeline: TestPipeline): Promise<void> {
    await until(() => pipeline.engine.inFlight.usedBytes === 0, `nothing in flight: ${pipeline.state}`);
    await until(() => pipeline.hub.all().length === 0, "no stream in the data plane");
    await until(() => pipeline.inputBytes.every((bytes) => bytes === 0), `empty rings: ${pipeline.state}`);
    const { retained } = pipeline.hub.slotBytes;
    if (retained !== 0) throw new Error(`${retained} B of batches are left`);
    await until(() => slotCounts.live === 0, `every batch released: ${slotCounts.live} are not`, 2000);
  }
}

/** The partition that a client reads. */
function partOf(client: number, partitions: number | undefined): number {
  return client % (partitions ?? 1);
}
