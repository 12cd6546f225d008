/**
 * One range over three nodes, read by pyarrow, by arrow-go, by our own client and by a sink at once, while a node is killed
 * at a random instant: each gets the oracle's rows, in order, once. `make soak` runs 20 kills, each with a seed:
 *
 *   bun test/cluster/kill-run.ts --kills 20 [--seed N] [--rounds N] [--examples]
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { connectControl } from "../../src/control/client.ts";
import { FlightClient, type ReceivedBatch } from "../../src/flight-client/client.ts";
import { readAll } from "../../src/flight-client/read-anywhere.ts";
import { consume } from "../../src/sinks/consume.ts";
import type { Sink } from "../../src/sinks/sink.ts";
import { type Client, goClient, pythonClient, pythonInterpreter, runClient } from "../clients/toolchain.ts";
import { goldenOf } from "../support/kill-oracle.ts";
import { type Processor, ROOT, SAMPLE, startProcessor } from "../support/processor.ts";
import { randomFrom } from "../support/random.ts";
import { until } from "../support/until.ts";
import { NatsServer, nats } from "./nats-server.ts";

const NODES = 3;
const ENDPOINTS = 6;
const KILL_MS_MAX = 3000; // about as long as the readers start and read
const EXAMPLES_BEGIN_MS = 500;
const BALANCE =
  "CB23WRDQWGSP6YPMY4UV5C4OW5CBTXKYN3XEATG7KJEZCXMJBYEHOUOV CADEI2QDCVK6GX3BIVUYQJSEA6GNXUGZ4QNN62QJAWPJRSIBW6MLDYRZ 4002027568";
const PYTHON = `
import sys, contract_data
columns = ["ledger_sequence", "contract_id", "deleted", "ledger_key_hash"]
for batch in contract_data.stream("grpc://" + sys.argv[1], start_ledger=int(sys.argv[2]), end_ledger=int(sys.argv[3]), batch_size=500, columns=columns, filters={"include_deleted": True}):
    for row in zip(*[batch.rows.column(name).to_pylist() for name in columns]):
        print("\\t".join(str(value).lower() if isinstance(value, bool) else str(value) for value in row))
`;
/** What clients are to print of each row. */
export const COLUMNS = ["ledger_sequence", "contract_id", "deleted", "ledger_key_hash"];

interface ClientResult {
  endpoints: number;
  rows: number;
  /** How often an endpoint went on at another location. */
  moves: number;
  places: number;
}

interface LedgerWords {
  start_ledger: number;
  end_ledger: number;
}

/** What one reader got. */
interface Read {
  lines: string;
  moves: number;
  /** Default: all rows. */
  expected?: string;
}

/** What became of one kill. */
interface KillReport {
  killedAfterMs: number;
  rows: number;
  /** By client. */
  moves: Record<string, number>;
}

/** Three nodes and their NATS, for several kills. */
export class KillRun {
  private readonly folder = mkdtempSync(join(tmpdir(), "cluster-"));

  private constructor(
    readonly server: NatsServer,
    readonly nodes: Processor[],
    /** How often the sample's ledgers are repeated in the range. */
    private readonly rounds: number,
  ) {}

  /** @param nats away: it was there once, and is not when the nodes start */
  static async start(rounds: number, nats: "there" | "away" = "there"): Promise<KillRun> {
    const server = await NatsServer.start();
    if (nats === "away") await server.kill();
    const nodes = await Promise.all(Array.from({ length: NODES }, () => startNode(server)));
    return new KillRun(server, nodes, rounds);
  }

  /**
   * Reads the range with every client, and kills a node meanwhile.
   * @param withExamples those of Python and Go read too
   * @throws Error that names who has which rows wrong
   */
  async kill(random: () => number, withExamples = false): Promise<KillReport> {
    await this.allKnowAll();
    const [asked, victim] = shuffled(this.nodes, random) as [Processor, Processor];
    const ledgers = this.rounds * (SAMPLE.last - SAMPLE.first + 1);
    const range = { start_ledger: SAMPLE.first, end_ledger: SAMPLE.first + ledgers - 1, columns: COLUMNS };
    const request = { ...range, filters: { include_deleted: true }, batch_size: 500 };
    const reads: [name: string, Promise<Read>][] = [
      ["own", this.ownClient(asked, request)],
      ["sink", this.sink(victim, request)], // the very node that it was told of
    ];
    for (const [name, client] of Object.entries({ python: await pythonClient(), go: await goClient() })) {
      if (client.command !== undefined) reads.push([name, this.foreign(name, client, asked, request)]);
    }
    if (withExamples) reads.push(...(await this.examples(victim, range)));
    const killedAfterMs = Math.round(random() * KILL_MS_MAX);
    await Bun.sleep(killedAfterMs);
    victim.kill("SIGKILL");
    const expected = expectedLines(range.start_ledger, range.end_ledger);
    const moves: Record<string, number> = {};
    for (const [name, read] of reads) {
      const { lines, moves: times, expected: right = expected } = await read;
      moves[name] = times;
      if (lines !== right) throw new Error(`${name}, killed after ${killedAfterMs} ms: ${difference(lines, right)}`);
    }
    this.nodes[this.nodes.indexOf(victim)] = await startNode(this.server);
    return { killedAfterMs, rows: expected.split("\n").length - 1, moves };
  }

  async allKnowAll(): Promise<void> {
    await until(async () => (await Promise.all(this.nodes.map(nodesKnown))).every((n) => n === NODES), "all know all");
  }

  async stop(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.stop()));
    await this.server.stop();
    rmSync(this.folder, { recursive: true });
  }

  private async foreign(name: string, client: Client, { flight }: Processor, request: object) {
    const file = join(this.folder, name);
    const args = ["anywhere", "-addr", flight, "-cmd", JSON.stringify({ ...request, endpoints: ENDPOINTS })];
    const run = await runClient<ClientResult & { error?: object }>({ command: client.command! }, [
      ...args,
      ...["-rows-out", file],
    ]);
    const [result] = run.results;
    if (result === undefined || result.error) throw new Error(`${name}: ${JSON.stringify(result)} ${run.stderr}`);
    // a client that asks after the kill may not be told of the dead node any more
    if (result.endpoints !== ENDPOINTS || result.places < NODES - 1) {
      throw new Error(`${name}: ${result.endpoints} endpoints at ${result.places} places`);
    }
    return { lines: await Bun.file(file).text(), moves: result.moves };
  }

  /** They begin at the node that is killed. */
  private async examples(
    victim: Processor,
    { start_ledger, end_ledger }: LedgerWords,
  ): Promise<[string, Promise<Read>][]> {
    const [python, go] = [await pythonInterpreter(), Bun.which("go")];
    const reads: [string, Promise<Read>][] = [];
    const words = [victim.flight, String(start_ledger), String(end_ledger)];
    if (python.command !== undefined) {
      reads.push(["python example", output([...python.command, "-c", PYTHON, ...words])]);
    }
    if (go !== null) {
      const program = join(this.folder, "balances");
      await output([go, "build", "-o", program, "."], join(ROOT, "examples", "go"));
      const read = output([program, "-addr", words[0]!, "-start", words[1]!, "-end", words[2]!]);
      const expected = balances(start_ledger, end_ledger);
      reads.push(["go example", read.then((each) => ({ ...each, expected }))]);
    }
    await Bun.sleep(EXAMPLES_BEGIN_MS); // an example that finds nobody at its first call asks that node for ever
    return reads;
  }

  private async ownClient({ flight }: Processor, request: object) {
    const client = new FlightClient(flight);
    const endpoints = await client.range({ ...request, endpoints: ENDPOINTS });
    const parts = await Promise.all(
      endpoints.map(async (endpoint) => {
        let lines = "";
        for await (const batch of readAll(client, [endpoint])) lines += linesOf(batch);
        return lines;
      }),
    );
    client.close();
    return { lines: parts.join(""), moves: 0 };
  }

  private async sink({ flight }: Processor, request: { start_ledger: number; end_ledger: number }) {
    const kept = new KeptLines();
    const { retries } = await consume({ address: flight, selection: request, sink: kept, commitRows: 5000 });
    return { lines: kept.committed, moves: retries };
  }
}

/** @param flight where it listened before; default: any port */
export function startNode(server: NatsServer, flight = "127.0.0.1:0"): Promise<Processor> {
  const flags = [`--source-endpoint=repeat:${SAMPLE.folder}`, "--worker-count=1", `--flight-address=${flight}`];
  return startProcessor(flags, { env: { CLUSTER: server.url, CLUSTER_LEASE: "2s" } });
}

/** How many live nodes that one knows. */
export async function nodesKnown({ control }: Processor): Promise<number> {
  const client = connectControl(control);
  try {
    return (await client.listNodes({})).nodes.length;
  } finally {
    client.close();
  }
}

/** A sink that keeps lines in memory, and its cursor with them. */
class KeptLines implements Sink {
  committed = "";
  private cursor: string | undefined;
  private pending = "";

  async open(): Promise<string | undefined> {
    this.pending = "";
    return this.cursor;
  }

  async write(batch: ReceivedBatch): Promise<void> {
    this.pending += linesOf(batch);
  }

  async commit(cursor: string): Promise<void> {
    this.committed += this.pending;
    this.pending = "";
    this.cursor = cursor;
  }

  async close(): Promise<void> {}
}

async function output(command: string[], cwd = ROOT): Promise<Read> {
  const env = { ...process.env, PYTHONPATH: join(ROOT, "examples", "python") };
  const child = Bun.spawn(command, { cwd, env, stdout: "pipe", stderr: "pipe" });
  const [lines, said] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  if ((await child.exited) !== 0) throw new Error(`${command[0]}: ${said}`);
  return { lines, moves: said.split("going on at").length - 1 };
}

/** Lines of the only balance of the sample, in its last ledger, as the example of Go writes it. */
export function balances(first: number, last: number): string {
  const each = SAMPLE.last - SAMPLE.first + 1;
  let lines = "";
  for (let ledger = first + each - 1; ledger <= last; ledger += each) lines += `${ledger} ${BALANCE}\n`;
  return lines;
}

function linesOf({ table }: ReceivedBatch): string {
  const columns = COLUMNS.map((name) => table.getChild(name)!);
  let lines = "";
  for (let row = 0; row < table.numRows; row++) lines += `${columns.map((column) => column.get(row)).join("\t")}\n`;
  return lines;
}

/** The oracle's rows of these ledgers as clients print them. */
export function expectedLines(first: number, last: number): string {
  let lines = "";
  for (let ledger = first; ledger <= last; ledger++) {
    for (const { contract, deleted, hash } of goldenOf(ledger))
      lines += `${ledger}\t${contract}\t${deleted}\t${hash}\n`;
  }
  return lines;
}

/** A sentence. */
export function difference(lines: string, expected: string): string {
  const [own, right] = [lines.split("\n"), expected.split("\n")];
  const at = own.findIndex((line, index) => line !== right[index]);
  return `${own.length - 1} rows in place of ${right.length - 1}; row ${at} is ${own[at]} in place of ${right[at]}`;
}

function shuffled<T>(items: readonly T[], random: () => number): T[] {
  return items
    .map((item) => [random(), item] as const)
    .sort(([a], [b]) => a - b)
    .map(([, item]) => item);
}

if (import.meta.main) {
  const options = {
    kills: { type: "string", default: "20" },
    seed: { type: "string", default: "1" },
    rounds: { type: "string", default: "300" },
    examples: { type: "boolean", default: false },
  } as const;
  const { values } = parseArgs({ options });
  if (nats.missing !== undefined) throw new Error(nats.missing);
  const run = await KillRun.start(Number(values.rounds));
  const random = randomFrom(Number(values.seed) * 1_000_003); // small seeds begin with small numbers
  const moves: Record<string, number> = {};
  for (let kill = 1; kill <= Number(values.kills); kill++) {
    const report = await run.kill(random, values.examples);
    console.log(kill, JSON.stringify(report));
    for (const [name, count] of Object.entries(report.moves)) moves[name] = (moves[name] ?? 0) + count;
  }
  await run.stop();
  console.log(
    `${values.kills} kills, every client had every row once and in order; endpoints moved: ${JSON.stringify(moves)}`,
  );
}
