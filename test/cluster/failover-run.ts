/**
 * A replicated session whose owner is killed again and again, by SIGKILL, at random instants, while a client reads it and
 * its filters change. The client asks any node where the session is, goes on there from its cursor, and times each gap:
 * from the kill to its next row. In the end it must have the oracle's rows under the filters of the session's history. So must the
 * example of Python, which reads beside it.
 */
import { type ControlClient, connectControl } from "../../src/control/client.ts";
import { CodedError } from "../../src/error.ts";
import { FlightClient } from "../../src/flight-client/client.ts";
import { FlightDescriptor_DescriptorType as DescriptorType } from "../../src/grpc/generated/flight.ts";
import { flightCalls } from "../support/flight-rows.ts";
import { CONTRACTS } from "../support/kill-oracle.ts";
import { type Choice, changed, checkTimeline, compare, takeRows, type Watched } from "../support/kill-watched.ts";
import { type Processor, SAMPLE, startProcessor } from "../support/processor.ts";
import { randomFrom } from "../support/random.ts";
import { until } from "../support/until.ts";
import { nodesKnown } from "./kill-run.ts";
import { NatsServer } from "./nats-server.ts";
import { PythonReader } from "./python-reader.ts";

const NODES = 3;
const START = 1000;
const LIFE_MS_MAX = 1500;
const GAP_MS_MAX = 120_000; // longer is a failure in any case
const ON_THE_WAY_MS = 50;
const SILENT_MS = 1000;
const ASK_MS = 20; // between two tries of a client that has no server
const CALL_MS_MAX = 10_000;

interface FailoverReport {
  kills: number;
  rows: number;
  filterChanges: number;
  /** From SIGKILL to the client's next row. */
  gapsMs: number[];
  /** Of the example of Python. */
  pythonGapsMs: number[];
}

/** @throws Error that says what is not as it must be */
export async function failoverRun(options: {
  kills: number;
  seed: number;
  leaseMs: number;
  /** SIGSTOP in place of SIGKILL, until the session goes on elsewhere: as a machine that has vanished. */
  freezes?: boolean;
  /** An interpreter with pyarrow. */
  python?: readonly string[];
  say?: (line: string) => void;
}): Promise<FailoverReport> {
  const { kills, leaseMs, seed, python, freezes = false, say = () => {} } = options;
  const run = new FailoverRun(kills, leaseMs, randomFrom(seed), say, python, freezes);
  try {
    return await run.all();
  } finally {
    await run.dispose();
  }
}

class FailoverRun {
  private nats: NatsServer | undefined;
  private readonly nodes: (Processor & { name: string })[] = [];
  private readonly started: Processor[] = [];
  private session: Watched | undefined;
  private python: { reader: PythonReader; session: Watched } | undefined;
  private readonly over = new AbortController();
  /** Told of each batch with rows. */
  private arrived = () => {};
  private readonly report: FailoverReport = { kills: 0, rows: 0, filterChanges: 0, gapsMs: [], pythonGapsMs: [] };

  constructor(
    private readonly kills: number,
    private readonly leaseMs: number,
    private readonly random: () => number,
    private readonly say: (line: string) => void,
    private readonly interpreter: readonly string[] | undefined,
    private readonly freezes: boolean,
  ) {}

  async all(): Promise<FailoverReport> {
    this.nats = await NatsServer.start();
    await Promise.all(Array.from({ length: NODES }, () => this.startNode()));
    const all = async () => (await Promise.all(this.nodes.map(nodesKnown))).every((known) => known === NODES);
    await until(all, "all know all"); // a client that has met one alone has nobody else to ask
    const id = await this.startSession();
    const filter = { contractIds: [], includeDeleted: true };
    const timeline = [{ fromLedger: START, filter }];
    const watched = (): Watched => {
      const nothing = { open: undefined, cursor: undefined, received: new Map(), lastLedger: 0, batches: 0 };
      return { id, start: START, timeline, ...nothing };
    };
    this.session = watched();
    if (this.interpreter !== undefined) {
      const session = watched();
      this.python = { session, reader: new PythonReader(this.interpreter, this.nodes[0]!.flight, session) };
      await this.inTime(this.python.reader.nextRow(), this.python.reader.done);
    }
    const reading = this.read(this.session);
    reading.catch(() => this.over.abort());
    while (this.report.kills < this.kills && !this.over.signal.aborted) {
      await this.inTime(this.nextRow(), reading);
      await Bun.sleep(this.random() * LIFE_MS_MAX);
      if (this.random() < 0.7) await this.changeFilter(this.session);
      await this.killOwner(reading);
    }
    await this.drain(this.session, reading);
    return this.report;
  }

  async dispose(): Promise<void> {
    this.over.abort();
    this.python?.reader.kill();
    for (const node of this.started) {
      node.kill("SIGKILL");
      await node.exited;
    }
    await this.nats?.stop();
  }

  private async startNode(): Promise<void> {
    const name = `node-${this.started.length + 1}`;
    const node = await startProcessor(
      [
        `--source-endpoint=repeat:${SAMPLE.folder}`,
        "--include-deleted",
        "--worker-count=1",
        "--channel-buffer-size=40",
        "--log-level=warn",
      ],
      { env: { CLUSTER: this.nats!.url, NODE_NAME: name, CLUSTER_LEASE: `${this.leaseMs}ms` } },
    );
    this.started.push(node);
    this.nodes.push({ ...node, name });
  }

  private async startSession(): Promise<string> {
    const control = connectControl(this.nodes[0]!.control, { deadlineMs: CALL_MS_MAX });
    try {
      for (;;) {
        const request = { startLedger: START, batchSize: 20, replicated: true };
        const started = await control.startProcessing(request).catch((thrown) => {
          if (CodedError.from(thrown).code !== "UNAVAILABLE") throw thrown; // NATS is being connected to
        });
        if (started !== undefined) return started.sessionId;
        await Bun.sleep(ASK_MS);
      }
    } finally {
      control.close();
    }
  }

  /** Where any node says that the session is: host:port; undefined while none can say. */
  private async locate(session: Watched): Promise<string | undefined> {
    const node = this.nodes[Math.floor(this.random() * this.nodes.length)]!;
    const calls = flightCalls(node.flight);
    const cmd = Buffer.from(JSON.stringify({ session: session.id, from: session.cursor ?? "start" }));
    try {
      const info = await calls.getFlightInfo({ type: DescriptorType.CMD, cmd });
      const [endpoint] = info.endpoint;
      const [location] = endpoint!.location;
      return location === undefined ? node.flight : location.uri.replace("grpc+tcp://", "");
    } catch (thrown) {
      this.mustPass(thrown);
      return undefined;
    } finally {
      calls.close();
    }
  }

  /** As a consumer does: where the session is, from the cursor, until that node ends it; and again. */
  private async read(session: Watched): Promise<void> {
    while (!this.over.signal.aborted) {
      const address = await this.locate(session);
      if (address === undefined) {
        await Bun.sleep(ASK_MS);
        continue;
      }
      const flight = new FlightClient(address);
      const ticket = Buffer.from(JSON.stringify({ session: session.id, from: session.cursor ?? "start" }));
      try {
        for await (const { table, metadata } of flight.doGet(ticket)) {
          const rows = takeRows(session, table);
          this.report.rows += rows;
          session.cursor = metadata.cursor;
          if (rows > 0) this.arrived();
          await Bun.sleep(this.random() * 4);
        }
        return; // the session has been stopped, and this is its end
      } catch (thrown) {
        this.mustPass(thrown);
        await Bun.sleep(ASK_MS);
      } finally {
        flight.close();
      }
    }
  }

  /** What a client may see while a node is gone, and no other one is there yet. */
  private mustPass(thrown: unknown): void {
    const { code, reason, message } = CodedError.from(thrown);
    if (code !== "UNAVAILABLE" && reason !== "SESSION_UNKNOWN") throw new Error(`${code} ${reason}: ${message}`);
  }

  private readonly nextRow = (): Promise<void> => {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.arrived = resolve;
    return promise;
  };

  /** What had left the owner before may still be on its way; that of a frozen one for longer. */
  private async untilSilent(nextRow: () => Promise<void>): Promise<void> {
    if (!this.freezes) return Bun.sleep(ON_THE_WAY_MS);
    while (await Promise.race([nextRow().then(() => true), Bun.sleep(SILENT_MS).then(() => false)]));
  }

  private async inTime(row: Promise<void>, reading: Promise<void>): Promise<void> {
    const late = Bun.sleep(GAP_MS_MAX).then(() => {
      throw new Error(`no row has come for ${GAP_MS_MAX} ms: ${this.nodes.map((node) => node.output()).join("\n")}`);
    });
    late.catch(() => {});
    await Promise.race([row, late, reading]);
  }

  /** The session's owner, by its own word. */
  private async owner(id: string): Promise<{ node: Processor & { name: string }; control: ControlClient }> {
    for (;;) {
      for (const node of this.nodes) {
        const control = connectControl(node.control, { deadlineMs: CALL_MS_MAX });
        const session = await control.getSession({ sessionId: id }).then(
          (found) => found.session,
          () => undefined,
        );
        if (session !== undefined && !/runs it|no node/.test(session.message)) return { node, control };
        control.close();
      }
      await Bun.sleep(ASK_MS);
    }
  }

  private async changeFilter(session: Watched): Promise<void> {
    const filter: Choice = {
      contractIds: CONTRACTS.filter(() => this.random() < 0.5).slice(0, 20),
      includeDeleted: this.random() < 0.5,
    };
    const { control } = await this.owner(session.id);
    try {
      const { applied } = await control.configureFilters({ sessionId: session.id, filters: filter });
      changed(session, { fromLedger: applied[0]!.fromLedger, filter });
      this.report.filterChanges += 1;
    } finally {
      control.close();
    }
  }

  private async killOwner(reading: Promise<void>): Promise<void> {
    const { node, control } = await this.owner(this.session!.id);
    control.close();
    node.kill(this.freezes ? "SIGSTOP" : "SIGKILL");
    const killedMs = performance.now();
    if (!this.freezes) await node.exited;
    this.nodes.splice(this.nodes.indexOf(node), 1);
    const { report, python } = this;
    const readers = [this.nextRow, ...(python ? [python.reader.nextRow] : [])];
    const gaps = readers.map(async (nextRow) => {
      await this.untilSilent(nextRow);
      await this.inTime(nextRow(), reading);
      return Math.round(performance.now() - killedMs);
    });
    const [own, ofPython] = await Promise.all(gaps);
    report.gapsMs.push(own!);
    if (ofPython !== undefined) report.pythonGapsMs.push(ofPython);
    report.kills += 1;
    this.say(`kill ${report.kills}, of ${node.name}: ${own} ms, Python ${ofPython} ms, ${report.rows} rows`);
    if (this.freezes) {
      node.kill("SIGCONT");
      this.nodes.push(node);
    } else await this.startNode();
  }

  private async drain(session: Watched, reading: Promise<void>): Promise<void> {
    const { control } = await this.owner(session.id);
    const state = async () => (await control.getSession({ sessionId: session.id })).session!;
    // A new owner that is stopped at once may be behind what the one before it has delivered.
    const ledgerOfClients = Math.max(session.lastLedger, this.python?.session.lastLedger ?? 0);
    await until(async () => (await state()).metrics!.currentLedger >= ledgerOfClients, "it has done what came");
    checkTimeline(session, await state());
    const { session: last } = await control.stopProcessing({ sessionId: session.id });
    await reading;
    control.close();
    compare(session, last!.metrics!.currentLedger, last!.metrics!.contractsProcessed);
    if (this.python === undefined) return;
    await this.python.reader.done;
    const theirs = { ...this.python.session, timeline: session.timeline };
    compare(theirs, last!.metrics!.currentLedger, last!.metrics!.contractsProcessed);
  }
}
