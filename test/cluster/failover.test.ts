/** One of the fifty kills of `make soak`, and what else becomes of a replicated session. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { connectControl } from "../../src/control/client.ts";
import { CodedError } from "../../src/error.ts";
import {
  CancelFlightInfoRequest,
  FlightDescriptor_DescriptorType as DescriptorType,
} from "../../src/grpc/generated/flight.ts";
import { consume } from "../../src/sinks/consume.ts";
import { failureOf } from "../support/failure.ts";
import { collect, flightCalls, flightTotals, readRows } from "../support/flight-rows.ts";
import { type Processor, runCommand, SAMPLE, startProcessor } from "../support/processor.ts";
import { seedOf } from "../support/random.ts";
import { until } from "../support/until.ts";
import { failoverRun } from "./failover-run.ts";
import { NatsServer, nats } from "./nats-server.ts";

const LEASE_MS = 1000;
const LONG_LEASE_MS = 3000; // that NATS is found away (a quarter of it) and a lease lost because a machine is slow: not here
const SLOW_MACHINE_MS = 15_000; // `make soak` measures the promise, lease + 2 s, on a quiet one

describe.skipIf(nats.missing !== undefined)("a replicated session", () => {
  let server: NatsServer;
  const nodes: Processor[] = [];
  const request = { startLedger: SAMPLE.first, replicated: true, schemaVersion: 2, filters: { includeDeleted: true } };

  const startNode = (name: string) =>
    startProcessor(["--source-endpoint", SAMPLE.folder, "--log-level=warn", "--shutdown-grace=1s"], {
      env: { CLUSTER: server.url, NODE_NAME: name, CLUSTER_LEASE: `${LONG_LEASE_MS}ms` },
    });
  beforeAll(async () => {
    server = await NatsServer.start();
    nodes.push(...(await Promise.all(["one", "two"].map(startNode))));
  });
  afterAll(async () => {
    for (const node of nodes) node.kill("SIGKILL");
    await Promise.all(nodes.map((node) => node.exited));
    await server.stop();
  });

  /** What the call gives once NATS is not away, as UNAVAILABLE asks for. */
  const tried = <T>(call: () => Promise<T>) =>
    until(async () => {
      try {
        return { given: await call() };
      } catch (thrown) {
        const failure = await failureOf(Promise.reject(thrown));
        if (failure.code !== "UNAVAILABLE") throw failure;
      }
    }, "NATS answers").then(({ given }) => given);

  /** Whether the node has found NATS. */
  const startable = async ({ http }: Processor) => {
    const health = await fetch(`http://${http}/health`);
    return /"cluster"[^}]*"ready":\s*true/.test(await health.text());
  };

  /** A consumer that reads at `address` alone, and whose sink fails at its first commit, once `gate` is open. */
  function consumedAt(address: string, session: string, gate: Promise<void>) {
    const kept: { rows: number; cursor: string | undefined } = { rows: 0, cursor: undefined };
    const ending = new AbortController();
    const reads = Promise.withResolvers<void>();
    let waiting = 0;
    let isFirst = true;
    const sink = {
      open: async () => kept.cursor,
      write({ table }: { table: { numRows: number } }) {
        waiting += table.numRows;
      },
      async commit(cursor: string, { ledgerComplete }: { ledgerComplete: number }) {
        if (isFirst) {
          reads.resolve();
          await gate;
          isFirst = false;
          throw new CodedError("UNAVAILABLE", "SINK_AWAY", "the database is away");
        }
        kept.cursor = cursor;
        kept.rows += waiting;
        waiting = 0;
        if (ledgerComplete >= SAMPLE.last) ending.abort();
      },
      close() {
        waiting = 0;
      },
    };
    return {
      kept,
      reads: reads.promise,
      done: consume({ address, selection: { session }, sink, commitRows: 1, signal: ending.signal }),
    };
  }

  /** Where GetFlightInfo of a node says that the session is. */
  async function locationAt(node: Processor, session: string): Promise<string | undefined> {
    const calls = flightCalls(node.flight);
    const cmd = Buffer.from(JSON.stringify({ session }));
    const info = await calls.getFlightInfo({ type: DescriptorType.CMD, cmd }).catch(() => undefined);
    calls.close();
    return info?.endpoint[0]?.location[0]?.uri;
  }

  test("is started once by one idempotency key, whichever nodes are asked at the same time", async () => {
    await until(async () => (await Promise.all(nodes.map(startable))).every(Boolean), "NATS is there");
    const controls = nodes.map(({ control }) => connectControl(control));
    const asked = { ...request, idempotencyKey: "once" };
    const [one, two] = await Promise.all(controls.map((control) => tried(() => control.startProcessing(asked))));
    expect(one!.sessionId).toBe(two!.sessionId);
    const owners = await Promise.all(nodes.map((node) => locationAt(node, one!.sessionId)));
    expect(owners.filter((location) => location === undefined)).toHaveLength(1);
    const at = controls[owners.indexOf(undefined)]!;
    const other = controls[1 - controls.indexOf(at)]!;
    const another = failureOf(other.startProcessing({ ...asked, endLedger: SAMPLE.last }));
    expect(await another).toMatchObject({ reason: "IDEMPOTENCY_KEY_REUSED" });
    await at.deleteSession({ sessionId: one!.sessionId, force: true });
    const isGone = () =>
      other.getSession({ sessionId: one!.sessionId }).then(
        () => false,
        () => true,
      );
    await until(isGone, "the other node sees that it is gone");
    expect((await other.startProcessing(asked)).sessionId).toBe(one!.sessionId);
    await other.deleteSession({ sessionId: one!.sessionId, force: true });
    for (const control of controls) control.close();
  }, 60_000);

  test("is started over HTTP too", async () => {
    const body = JSON.stringify({ start_ledger: SAMPLE.first, replicated: true });
    const started = await fetch(`http://${nodes[0]!.http}/v1/sessions`, { method: "POST", body });
    const { id } = (await started.json()) as { id: string };
    await until(
      async () => (await locationAt(nodes[1]!, id)) === `grpc+tcp://${nodes[0]!.flight}`,
      "the other one names it",
    );
    expect((await fetch(`http://${nodes[0]!.http}/v1/sessions/${id}/stop`, { method: "POST" })).status).toBe(200);
    expect((await fetch(`http://${nodes[0]!.http}/v1/sessions/${id}`, { method: "DELETE" })).status).toBe(200);
  }, 60_000);

  test("CancelFlightInfo at one node ends the flight at all of them", async () => {
    const [one, two] = nodes as [Processor, Processor];
    const calls = flightCalls(one.flight);
    const cmd = Buffer.from(JSON.stringify({ start_ledger: SAMPLE.first, end_ledger: 0 }));
    const info = await calls.getFlightInfo({ type: DescriptorType.CMD, cmd });
    const ticket = JSON.parse(Buffer.from(info.endpoint[0]!.ticket!.ticket).toString()) as object;
    const reading = readRows(two.flight, ticket);
    await until(async () => (await flightTotals(two.flight)).clients! > 0, "the other node serves it");
    const body = CancelFlightInfoRequest.encode({ info });
    await collect(calls.doAction({ type: "CancelFlightInfo", body }) as AsyncIterable<unknown>);
    expect((await reading).error).toMatchObject({ code: "CANCELLED", reason: "FLIGHT_CANCELLED" });
    expect((await readRows(two.flight, ticket)).error).toMatchObject({ reason: "FLIGHT_CANCELLED" });
    calls.close();
  }, 60_000);

  test("is known to all nodes, goes to another one when its own stops, and waits while NATS is away", async () => {
    const [one, two] = nodes as [Processor, Processor];
    const [atOne, atTwo] = [one, two].map((node) => connectControl(node.control)) as [
      ReturnType<typeof connectControl>,
      ReturnType<typeof connectControl>,
    ];
    await until(() => startable(one), "NATS is there");
    const { sessionId: id } = await tried(() => atOne.startProcessing(request));

    // The other node knows it, sends clients there, and refuses to change it.
    await until(
      async () => (await locationAt(two, id)) === `grpc+tcp://${one.flight}`,
      "the other node names the first",
    );
    expect(await locationAt(one, id)).toBeUndefined();
    expect((await atOne.getSession({ sessionId: id })).session!.request!.replicated).toBe(true);
    expect((await atTwo.getSession({ sessionId: id })).session!.message).toContain(one.control);
    const refused = await failureOf(atTwo.configureFilters({ sessionId: id, assetCodes: ["USDC"] }));
    expect(refused).toMatchObject({ code: "FAILED_PRECONDITION", reason: "SESSION_ELSEWHERE" });
    expect(refused.message).toContain(one.control);
    const { error: moved } = await readRows(two.flight, { session: id });
    expect(moved).toMatchObject({ code: "UNAVAILABLE", reason: "SESSION_MOVED" });
    const rows = ["--from", "start", "--format", "ndjson", "--limit", "5"];
    const tail = runCommand(["tail", "--address", two.flight, "--session", id, ...rows]);
    expect((await tail).stdout.trim().split("\n")).toHaveLength(5);
    const gone = Promise.withResolvers<void>();
    const consumer = consumedAt(one.flight, id, gone.promise);
    await consumer.reads; // so it has been told of the other node

    // All its ledgers are done before its filter changes.
    const ledgerOf = async () => (await atOne.getSession({ sessionId: id })).session!.metrics!.currentLedger;
    await until(async () => (await ledgerOf()) === SAMPLE.last, "the last ledger is done");

    // Its node stops: the other one goes on, with the filter that was acknowledged.
    const { applied } = await tried(() => atOne.configureFilters({ sessionId: id, assetCodes: ["USDC"] }));
    expect(await one.stop()).toBe(0);
    await until(async () => (await locationAt(two, id)) === undefined, "the other node runs it");
    gone.resolve();
    await consumer.done; // its node had named the other one
    expect(consumer.kept.rows).toBe(SAMPLE.rows);
    await until(async () => (await atTwo.getSession({ sessionId: id })).session!.message === "", "it runs");
    const { filterHistory } = (await atTwo.getSession({ sessionId: id })).session!;
    expect(filterHistory.map(({ fromLedger }) => fromLedger)).toEqual([SAMPLE.first, applied[0]!.fromLedger]);

    // NATS goes away: its clients are told, with their cursor; no such session starts; it goes on when NATS is back.
    const reading = readRows(two.flight, { session: id, from: "start" });
    await server.kill();
    expect((await reading).error).toMatchObject({ code: "UNAVAILABLE", reason: "LEASE_LOST" });
    expect(await failureOf(atTwo.startProcessing(request))).toMatchObject({ reason: "CLUSTER_AWAY" });
    await server.restart();
    await until(async () => (await atTwo.getSession({ sessionId: id })).session?.message === "", "it goes on");
    await tried(() => atTwo.deleteSession({ sessionId: id, force: true }));
    expect(await failureOf(atTwo.getSession({ sessionId: id }))).toMatchObject({ reason: "SESSION_UNKNOWN" });
    atOne.close();
    atTwo.close();
  }, 120_000);

  test("is refused by a server without a cluster", async () => {
    const alone = await startProcessor(["--source-endpoint", SAMPLE.folder]);
    const control = connectControl(alone.control);
    const refused = await failureOf(control.startProcessing(request));
    expect(refused).toMatchObject({ code: "FAILED_PRECONDITION", reason: "REPLICATED_OFF" });
    control.close();
    await alone.stop();
  }, 60_000);

  test("outlives its node: no row is lost or doubled, and none of its filters", async () => {
    const seed = seedOf();
    const report = await failoverRun({ kills: 1, seed, leaseMs: LEASE_MS }).catch((thrown: Error) => {
      throw new Error(`SEED=${seed}: ${thrown.message}`, { cause: thrown });
    });
    expect(report.kills).toBe(1);
    expect(Math.max(...report.gapsMs)).toBeLessThan(LEASE_MS + SLOW_MACHINE_MS);
  }, 120_000);
});
