/**
 * One range over three nodes, read once by pyarrow and once by arrow-go, while nodes are killed and come back all the time: both
 * get the oracle's rows, in order, once. Each kill comes once both have as many rows as its random place in the range says: who
 * is there first is stopped (SIGSTOP) until the other one is, so that no machine is too fast for a kill. `make soak` runs it:
 *
 *   bun test/cluster/long-read.ts [--kills 20] [--seed N] [--rounds N]
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { goClient, pythonClient } from "../clients/toolchain.ts";
import { type Processor, SAMPLE } from "../support/processor.ts";
import { randomFrom, seedOf } from "../support/random.ts";
import { until } from "../support/until.ts";
import { COLUMNS, difference, expectedLines, nodesKnown, startNode } from "./kill-run.ts";
import { NatsServer } from "./nats-server.ts";

const NODES = 3;
const ENDPOINTS = 6;
const CALL_SECONDS_MAX = 3600; // readers stand still while others catch up
const PHASE_MS_MAX = 200; // from the row to the kill

const options = {
  kills: { type: "string", default: "20" },
  seed: { type: "string", default: String(seedOf()) },
  rounds: { type: "string", default: "2000" }, // 620,000 rows: some 10 MB an endpoint, more than its connection holds
} as const;
const { values } = parseArgs({ options });
const [kills, rounds] = [Number(values.kills), Number(values.rounds)];
const random = randomFrom(Number(values.seed));

/** A foreign client that can be held at a row. */
class Reader {
  rows = 0;
  readonly done: Promise<{ endpoints: number; moves: number; places: number }>;
  private readonly child: Bun.Subprocess<"ignore", "pipe", "pipe">;
  private stopAt = Number.POSITIVE_INFINITY;
  private reached = () => {};

  constructor(
    readonly name: string,
    command: readonly string[],
    args: readonly string[],
  ) {
    this.child = Bun.spawn([...command, "anywhere", "-progress", ...args], { stdout: "pipe", stderr: "pipe" });
    this.done = this.end();
    this.done.catch(() => {}); // whoever waits for rows is told
  }

  /** Stopped with that many rows or a few more. @throws Error where it ends before */
  async holdAt(rows: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    Object.assign(this, { stopAt: rows, reached: resolve });
    this.look();
    const ended = this.done.then(() => {
      throw new Error(`${this.name} has ended before row ${rows}: make the range longer (--rounds)`);
    });
    await Promise.race([promise, ended]);
  }

  goOn(): void {
    this.child.kill("SIGCONT");
  }

  kill(): void {
    this.child.kill("SIGKILL");
  }

  private look(): void {
    if (this.rows < this.stopAt) return;
    this.stopAt = Number.POSITIVE_INFINITY;
    this.child.kill("SIGSTOP");
    this.reached();
  }

  private async end() {
    const output = new Response(this.child.stdout).text();
    let rest = "";
    let said = "";
    for await (const chunk of this.child.stderr.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + chunk).split("\n");
      rest = lines.pop()!;
      for (const line of lines) {
        if (/^\d+$/.test(line)) this.rows += Number(line);
        else said += `${line}\n`;
      }
      this.look();
    }
    if ((await this.child.exited) !== 0) throw new Error(`${this.name}: ${await output}${said}`);
    return JSON.parse(await output);
  }
}

const clients = { pyarrow: await pythonClient(), "arrow-go": await goClient() };
const folder = mkdtempSync(join(tmpdir(), "long-read-"));
const server = await NatsServer.start();
const nodes: Processor[] = await Promise.all(Array.from({ length: NODES }, () => startNode(server)));
const readers: Reader[] = [];
try {
  await until(async () => (await Promise.all(nodes.map(nodesKnown))).every((known) => known === NODES), "all know all");
  const [first, last] = [SAMPLE.first, SAMPLE.first + rounds * (SAMPLE.last - SAMPLE.first + 1) - 1];
  const range = { start_ledger: first, end_ledger: last, columns: COLUMNS, filters: { include_deleted: true } };
  const request = JSON.stringify({ ...range, batch_size: 500, endpoints: ENDPOINTS });
  for (const [name, { command, missing }] of Object.entries(clients)) {
    if (command === undefined) console.warn(`without ${name}: ${missing}`);
    else {
      const args = ["-addr", nodes[0]!.flight, "-cmd", request, "-rows-out", join(folder, name)];
      readers.push(new Reader(name, command, [...args, "-max-seconds", String(CALL_SECONDS_MAX)]));
    }
  }
  const expected = expectedLines(first, last);
  const total = expected.split("\n").length - 1;
  console.log(
    `seed ${values.seed}: ${total} rows in ${ENDPOINTS} endpoints, ${readers.map(({ name }) => name).join(", ")}`,
  );
  /** Goes on, and is held where the kill with that number comes. */
  const onTo = async (kill: number) => {
    for (const reader of readers) reader.goOn();
    if (kill === kills) return;
    const place = Math.floor(((kill + random()) / (kills + 1)) * total);
    await Promise.all(readers.map((reader) => reader.holdAt(place)));
  };
  let held = onTo(0);
  for (let kill = 0; kill < kills; kill++) {
    await held;
    held = onTo(kill + 1);
    held.catch(() => {}); // waited for once the node is back
    await Bun.sleep(random() * PHASE_MS_MAX);
    const at = Math.floor(random() * NODES);
    const rows = readers.map((reader) => reader.rows).join(" and ");
    nodes[at]!.kill("SIGKILL");
    await nodes[at]!.exited;
    nodes[at] = await startNode(server, nodes[at]!.flight); // where clients know it
    console.log(`kill ${kill + 1}, of node ${at + 1}: at ${rows} rows`);
  }
  for (const { name, done } of readers) {
    const { endpoints, places, moves } = await done;
    const lines = await Bun.file(join(folder, name)).text();
    if (lines !== expected) throw new Error(`${name}: ${difference(lines, expected)}`);
    console.log(
      `${name}: ${total} rows as the oracle's; ${endpoints} endpoints at ${places} nodes, moved ${moves} times`,
    );
  }
  console.log(`${kills} kills in one range, no row lost or doubled`);
} finally {
  for (const reader of readers) reader.kill();
  await Promise.all(nodes.map((node) => node.stop()));
  await server.stop();
  rmSync(folder, { recursive: true });
}
