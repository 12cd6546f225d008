/** What docs/cluster.md prints: two nodes, `nodes`, and the Python program while one of them is killed. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pythonClient } from "../clients/toolchain.ts";
import { type Processor, ROOT, runCommand, SAMPLE, startProcessor } from "../support/processor.ts";
import { until } from "../support/until.ts";
import { NatsServer, nats } from "./nats-server.ts";

const page = readFileSync(join(ROOT, "docs", "cluster.md"), "utf8");
const block = (language: string) => new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``).exec(page)![1]!;

const READ = `
import sys
client = flight.connect("grpc://" + sys.argv[1])
ticket = {"start_ledger": ${SAMPLE.first}, "end_ledger": ${SAMPLE.last}, "endpoints": 2, "batch_size": 7, "filters": {"include_deleted": True}}
info = client.get_flight_info(flight.FlightDescriptor.for_command(json.dumps(ticket)))
print("locations", [len(endpoint.locations) for endpoint in info.endpoints], flush=True)
rows = 0
for endpoint in info.endpoints:
    for batch in rows_of(endpoint):
        if rows == 0 and batch.num_rows > 0:
            print("begun", flush=True)
            sys.stdin.readline()
        rows += batch.num_rows
print("rows", rows)
`;

describe.skipIf(nats.missing !== undefined)("docs/cluster.md", () => {
  let server: NatsServer;
  const nodes: Processor[] = [];
  beforeAll(async () => {
    server = await NatsServer.start();
    const env = { CLUSTER: server.url, ADVERTISED_HOST: "127.0.0.1" };
    for (let node = 0; node < 2; node++) {
      nodes.push(await startProcessor([`--source-endpoint=${SAMPLE.folder}`], { env }));
    }
  });
  afterAll(async () => {
    for (const node of nodes) node.kill("SIGKILL");
    await server.stop();
  });

  test("nodes know each other, and every row comes once though one of them is killed", async () => {
    const [command] = block("sh").split("\n").slice(1);
    expect(command).toBe("contract-data-processor nodes");
    const listed = async () => (await runCommand(["nodes"], { env: { GRPC_ADDRESS: nodes[0]!.control } })).stdout;
    await until(
      async () => nodes.every(({ flight }) => flight !== "") && (await listed()).includes(nodes[1]!.flight),
      "both",
    );
    const python = await pythonClient();
    if (python.command === undefined) return console.log(`skipped: ${python.missing}`);
    const child = Bun.spawn([python.command[0]!, "-c", block("python") + READ, nodes[0]!.flight], {
      ...{ stdin: "pipe", stdout: "pipe", stderr: "inherit" },
    });
    let out = "";
    const reading = (async () => {
      for await (const chunk of child.stdout) out += new TextDecoder().decode(chunk);
    })();
    await until(() => out.includes("begun"), "the first batch");
    nodes[0]!.kill("SIGKILL");
    await nodes[0]!.exited;
    child.stdin.write("\n");
    child.stdin.end();
    await reading;
    expect(await child.exited).toBe(0);
    expect(out).toBe(`locations [2, 2]\nbegun\nrows ${SAMPLE.rows}\n`);
  }, 120_000);
});
