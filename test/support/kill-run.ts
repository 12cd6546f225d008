/**
 * A server that is killed again and again, at random instants, while two sessions run, two clients read them, filters
 * change and other sessions are started, stopped and deleted. After each restart, what was acknowledged must be there
 * (sessions, their timelines, stops, deletions, idempotency keys, the default filter), and nothing that was not asked for;
 * in the end, what each client got must be the oracle's rows under the filters that the session's history names, each once.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as grpc from "@grpc/grpc-js";
import { type ControlClient, connectControl } from "../../src/control/client.ts";
import { CodedError } from "../../src/error.ts";
import { FlightClient } from "../../src/flight-client/client.ts";
import { ContractDataService } from "../../src/grpc/generated/contract-data-service.ts";
import { GetStatusResponse_Status as Status } from "../../src/grpc/generated/control.ts";
import { serviceClient } from "../../src/grpc/service.ts";
import { CONTRACTS } from "./kill-oracle.ts";
import { type Choice, changed, checkTimeline, compare, takeRows, type Watched } from "./kill-watched.ts";
import { type Processor, SAMPLE, startProcessor } from "./processor.ts";
import { randomFrom } from "./random.ts";

const LIFE_MS_MIN = 30; // from ready to SIGKILL
const LIFE_MS_MAX = 1000;
const FIRST_ROWS_PART = 0.6;
const FIRST_ROWS_MS_MAX = 20_000;
const PAUSE_MS_MAX = 40; // between two calls
const READ_PAUSE_MS_MAX = 8; // between two batches of a client
const CALL_MS_MAX = 20_000; // an answer that takes longer is a failure, on any machine
const DRAIN_MS_MAX = 120_000;

interface KillRunReport {
  kills: number;
  /** Rows that the clients got, both together. */
  rows: number;
  filterChanges: number;
  /** Other sessions that were started. */
  others: number;
  reconnects: number;
}

interface OtherRequest {
  startLedger: number;
  endLedger: number;
  idempotencyKey: string;
}

const OTHERS_MAX = 200; // the server remembers 256 sessions that have ended, and older ones make room

/** @throws Error that says what is not as it must be, with the seed in the caller's hands */
export async function killRun(options: {
  kills: number;
  seed: number;
  say?: (line: string) => void;
  /** Clients that forget their cursors: a run that must fail. */
  canary?: boolean;
}): Promise<KillRunReport> {
  const { kills, seed, say = () => {}, canary = false } = options;
  const run = new KillRun(kills, randomFrom(seed), say, canary);
  try {
    return await run.all();
  } finally {
    await run.dispose();
  }
}

class KillRun {
  private readonly folder = mkdtempSync(join(tmpdir(), "contract-data-kill-"));
  private server: Processor | undefined;
  private control: ControlClient | undefined;
  private readonly watched: Watched[] = [];
  /** Other sessions that were acknowledged, and whether their stop was, too. */
  private readonly others = new Map<string, { stopped: boolean; request: OtherRequest }>();
  /** Those that were acknowledged as deleted. */
  private readonly deleted = new Set<string>();
  /** Asked for and not answered before the kill: each may have been carried out. */
  private openOther: OtherRequest | undefined;
  private openDelete: string | undefined;
  /** The filter of new sessions, and one that was asked for and not answered. */
  private byDefault: Choice = { contractIds: [], includeDeleted: true };
  private openDefault: Choice | undefined;
  private keys = 0;
  private report: KillRunReport = { kills: 0, rows: 0, filterChanges: 0, others: 0, reconnects: 0 };

  constructor(
    private readonly kills: number,
    private readonly random: () => number,
    private readonly say: (line: string) => void,
    private readonly canary: boolean,
  ) {}

  async all(): Promise<KillRunReport> {
    await this.up();
    for (const start of [1000, 500_000]) {
      const { sessionId: id } = await this.control!.startProcessing({ startLedger: start, batchSize: 20 });
      const timeline = [{ fromLedger: start, filter: { contractIds: [], includeDeleted: true } }];
      this.watched.push({
        id,
        start,
        timeline,
        open: undefined,
        cursor: undefined,
        received: new Map(),
        lastLedger: 0,
        batches: 0,
      });
    }
    for (let kill = 0; kill < this.kills; kill++) {
      await this.life(LIFE_MS_MIN + this.random() * (LIFE_MS_MAX - LIFE_MS_MIN));
      await this.up();
      await this.checkState();
      this.say(`kill ${kill + 1}: ${JSON.stringify(this.report)}`);
    }
    await this.drain();
    return this.report;
  }

  async dispose(): Promise<void> {
    this.control?.close();
    this.server?.kill("SIGKILL");
    await this.server?.exited;
    rmSync(this.folder, { recursive: true, force: true });
  }

  private async up(): Promise<void> {
    this.server = await startProcessor([
      `--source-endpoint=repeat:${SAMPLE.folder}`,
      "--include-deleted",
      "--worker-count=2",
      "--channel-buffer-size=40",
      `--data-dir=${join(this.folder, "data")}`,
      "--checkpoint-interval=100ms",
      "--log-level=warn",
    ]);
    this.control = connectControl(this.server.control, { deadlineMs: CALL_MS_MAX });
  }

  /** Clients read and operators call, until SIGKILL. */
  private async life(lifeMs: number): Promise<void> {
    const server = this.server!;
    const over = new AbortController();
    const work = Promise.all([
      ...this.watched.map((session) => this.read(session, over.signal)),
      this.operate(over.signal),
    ]);
    // A busy machine may take longer than a life until the first row; some lives begin with it.
    if (this.canary || this.random() < FIRST_ROWS_PART) await this.firstRows(work);
    await Bun.sleep(lifeMs);
    over.abort();
    server.kill("SIGKILL");
    await server.exited;
    await work;
    this.control!.close();
    this.report.kills += 1;
  }

  /** Waits until every client has had rows in this life, or `work` has failed. */
  private async firstRows(work: Promise<unknown>): Promise<void> {
    const before = this.watched.map(({ batches }) => batches);
    let failed = false;
    work.catch(() => {
      failed = true;
    });
    const late = performance.now() + FIRST_ROWS_MS_MAX;
    while (!failed && performance.now() < late && this.watched.some(({ batches }, n) => batches === before[n])) {
      await Bun.sleep(5);
    }
  }

  /** Reads from the cursor until the server is gone; the cursor moves with the rows, as a consumer's would. */
  private async read(session: Watched, over: AbortSignal): Promise<void> {
    const flight = new FlightClient(this.server!.flight);
    const from = session.cursor ?? "start";
    if (session.cursor !== undefined) this.report.reconnects += 1;
    try {
      for await (const { table, metadata } of flight.doGet(ticket(session.id, from))) {
        this.report.rows += takeRows(session, table);
        if (!this.canary) session.cursor = metadata.cursor;
        if (over.aborted) break;
        await Bun.sleep(this.random() * READ_PAUSE_MS_MAX);
      }
    } catch (thrown) {
      gone(thrown, over);
    } finally {
      flight.close();
    }
  }

  /** One call after the other: filters of one session or of all, other sessions started and stopped. */
  private async operate(over: AbortSignal): Promise<void> {
    const control = this.control!;
    try {
      while (!over.aborted) {
        await Bun.sleep(this.random() * PAUSE_MS_MAX);
        const dice = this.random();
        if (dice < 0.6) await this.changeFilters(control, this.random() < 0.3 ? undefined : this.pick());
        else if (dice < 0.75) await this.startOther(control);
        else if (dice < 0.85) await this.stopOther(control);
        else if (dice < 0.88) await this.deleteOther(control);
        else for (const { id } of this.watched) await control.getStatus({ sessionId: id });
      }
    } catch (thrown) {
      gone(thrown, over);
    }
  }

  private pick(): Watched {
    return this.watched[Math.floor(this.random() * this.watched.length)]!;
  }

  private async changeFilters(control: ControlClient, session: Watched | undefined): Promise<void> {
    const filter: Choice = {
      contractIds: CONTRACTS.filter(() => this.random() < 0.3).slice(0, 20),
      includeDeleted: this.random() < 0.5,
    };
    const concerned = session === undefined ? this.watched : [session];
    for (const each of concerned) each.open = filter;
    if (session === undefined) this.openDefault = filter;
    const { applied } = await control.configureFilters({ sessionId: session?.id, filters: filter });
    for (const each of concerned) {
      const mine = applied.find(({ sessionId }) => sessionId === each.id);
      if (mine === undefined) throw new Error(`the change was not applied to session ${each.id}`);
      changed(each, { fromLedger: mine.fromLedger, filter });
    }
    if (session === undefined) this.byDefault = filter;
    this.openDefault = undefined;
    this.report.filterChanges += 1;
  }

  private async startOther(control: ControlClient): Promise<void> {
    if (this.others.size >= OTHERS_MAX) return;
    const start = 1 + Math.floor(this.random() * 1e6);
    const request = { startLedger: start, endLedger: start + 6, idempotencyKey: `other-${++this.keys}` };
    this.openOther = request;
    const { sessionId } = await control.startProcessing(request);
    this.openOther = undefined;
    this.others.set(sessionId, { stopped: false, request });
    this.report.others += 1;
  }

  private async stopOther(control: ControlClient): Promise<void> {
    const [id, other] = [...this.others].at(-1) ?? [];
    if (id === undefined) return;
    await control.stopProcessing({ sessionId: id });
    other!.stopped = true;
  }

  private async deleteOther(control: ControlClient): Promise<void> {
    const [id] = [...this.others].at(0) ?? [];
    if (id === undefined) return;
    this.openDelete = id;
    await control.deleteSession({ sessionId: id, force: true });
    this.openDelete = undefined;
    this.others.delete(id);
    this.deleted.add(id);
  }

  /** After a restart: all that was acknowledged is there, and nothing else but what was asked for. */
  private async checkState(): Promise<void> {
    for (const session of this.watched) {
      const found = (await this.control!.getSession({ sessionId: session.id })).session!;
      if (found.status !== Status.STARTING && found.status !== Status.RUNNING) {
        throw new Error(`session ${session.id} is ${found.status} after a restart: ${JSON.stringify(found.message)}`);
      }
      if (found.request?.startLedger !== session.start || found.request.batchSize !== 20) {
        throw new Error(`session ${session.id} has another request: ${JSON.stringify(found.request)}`);
      }
      checkTimeline(session, found);
      if ((found.checkpoint?.ledger ?? 0) < session.start) throw new Error("the checkpoint lies before the start");
    }
    const { sessions } = await this.control!.listSessions({ pageSize: 1000 });
    for (const [id, { stopped }] of this.others) {
      const found = sessions.find(({ sessionId }) => sessionId === id);
      if (found === undefined && id === this.openDelete) {
        this.others.delete(id);
        continue;
      }
      if (found === undefined) throw new Error(`session ${id}, which was acknowledged, is gone`);
      if (stopped && found.status !== Status.STOPPED) {
        throw new Error(`session ${id} was acknowledged as stopped and is ${found.status}`);
      }
    }
    this.openDelete = undefined;
    const back = sessions.find(({ sessionId }) => this.deleted.has(sessionId));
    if (back !== undefined) throw new Error(`session ${back.sessionId}, which was deleted, is back`);
    await this.checkKeys();
    await this.checkDefault();
  }

  /** A key leads to its session, whether the answer came or not; a call that was cut off can be repeated. */
  private async checkKeys(): Promise<void> {
    for (const [id, { request }] of this.others) {
      const { sessionId, alreadyStarted } = await this.control!.startProcessing(request);
      if (sessionId !== id || !alreadyStarted) throw new Error(`the key of session ${id} leads to ${sessionId}`);
    }
    const request = this.openOther;
    if (request === undefined) return;
    const { sessionId } = await this.control!.startProcessing(request);
    this.others.set(sessionId, { stopped: false, request });
    this.openOther = undefined;
  }

  private async checkDefault(): Promise<void> {
    const channel = new grpc.Client(this.server!.control, grpc.credentials.createInsecure());
    const config = await serviceClient(channel, ContractDataService).getFilterConfig({});
    channel.close();
    const found = { contractIds: config.contractIds, includeDeleted: config.includeDeleted };
    const may = [this.byDefault, this.openDefault].some((each) => JSON.stringify(each) === JSON.stringify(found));
    if (!may) throw new Error(`the default filter is ${JSON.stringify(found)}, not ${JSON.stringify(this.byDefault)}`);
    this.byDefault = found;
    this.openDefault = undefined;
  }

  /** Stops both sessions where they are, reads the rest, and compares everything with the oracle. */
  private async drain(): Promise<void> {
    for (const session of this.watched) {
      const flight = new FlightClient(this.server!.flight);
      const timeout = AbortSignal.timeout(DRAIN_MS_MAX);
      const reading = (async () => {
        for await (const { table } of flight.doGet(ticket(session.id, session.cursor ?? "start"), timeout)) {
          this.report.rows += takeRows(session, table);
        }
      })();
      await Promise.race([this.caughtUp(session, session.lastLedger, timeout), reading]);
      const { session: last } = await this.control!.stopProcessing({ sessionId: session.id });
      if (last?.status !== Status.STOPPED) throw new Error(`session ${session.id} did not stop: ${last?.status}`);
      await reading;
      flight.close();
      if (timeout.aborted) throw new Error(`the rest of session ${session.id} took over ${DRAIN_MS_MAX} ms`);
      compare(session, last.metrics!.currentLedger, last.metrics!.contractsProcessed);
    }
  }

  /** A session decodes again what lies behind its checkpoint, and its client may have had that before the kill. */
  private async caughtUp(session: Watched, ledger: number, timeout: AbortSignal): Promise<void> {
    while (!timeout.aborted) {
      const { currentLedger } = await this.control!.getStatus({ sessionId: session.id });
      if (currentLedger > ledger) return;
      await Bun.sleep(20);
    }
  }
}

function ticket(session: string, from: string): Uint8Array {
  return Buffer.from(JSON.stringify({ session, from }));
}

/** A server that was killed is no failure; everything else is. */
function gone(thrown: unknown, over: AbortSignal): void {
  const error = CodedError.from(thrown);
  const lost = ["UNAVAILABLE", "CANCELLED", "INTERNAL"].includes(error.code) && error.cause !== undefined;
  if (over.aborted && lost) return;
  throw thrown;
}
