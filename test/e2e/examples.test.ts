/**
 * examples/go and examples/java as docs/clients.md builds them, each against a server: the balances of the sample. Java in a
 * cluster too, where its node is killed; test/cluster/kill-run.ts does so with the others.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { balances, nodesKnown, startNode } from "../cluster/kill-run.ts";
import { NatsServer, nats } from "../cluster/nats-server.ts";
import { type Processor, ROOT, SAMPLE, startProcessor } from "../support/processor.ts";
import { until } from "../support/until.ts";

const OPENS = "--add-opens=java.base/java.nio=org.apache.arrow.memory.core,ALL-UNNAMED";
const JAVA = ["java", OPENS, "-cp", "target/*:target/lib/*", "Balances"];
const ROUNDS = 300; // of the sample: a second or more of a node's time
const BUILD_MS_MAX = 600_000; // a first build fetches the libraries
const LINE =
  "58752000 CB23WRDQWGSP6YPMY4UV5C4OW5CBTXKYN3XEATG7KJEZCXMJBYEHOUOV CADEI2QDCVK6GX3BIVUYQJSEA6GNXUGZ4QNN62QJAWPJRSIBW6MLDYRZ 4002027568";

const scratch = mkdtempSync(join(tmpdir(), "contract-data-examples-"));
let processor: Processor;
beforeAll(async () => {
  processor = await startProcessor([`--source-endpoint=${SAMPLE.folder}`]);
});
afterAll(async () => {
  await processor.stop();
  rmSync(scratch, { recursive: true, force: true });
});

function isThere(program: string): boolean {
  if (Bun.which(program) !== null) return true;
  if (process.env.CI === "true") throw new Error(`under CI: ${program} is not there`);
  console.log(`skipped: ${program} is not there`);
  return false;
}

function run(command: string[], cwd: string): string {
  const { exitCode, stdout, stderr } = Bun.spawnSync(command, { cwd, stdout: "pipe", stderr: "pipe" });
  if (exitCode !== 0) throw new Error(`${command.join(" ")}: ${stdout}${stderr}`);
  return stdout.toString();
}

test.if(isThere("go"))(
  "Go",
  () => {
    const range = ["-start", String(SAMPLE.first), "-end", String(SAMPLE.last)];
    const folder = join(ROOT, "examples", "go");
    expect(run(["gofmt", "-l", "."], folder)).toBe("");
    expect(run(["go", "run", ".", "-addr", processor.flight, ...range], folder)).toBe(`${LINE}\n`);
  },
  BUILD_MS_MAX,
);

test.if(isThere("java") && isThere("mvn"))(
  "Java",
  () => {
    const folder = join(scratch, "java"); // Maven writes where the sources are
    cpSync(join(ROOT, "examples", "java"), folder, { recursive: true });
    run(["mvn", "-q", "-B", "package"], folder);
    const words = [...processor.flight.split(":"), String(SAMPLE.first), String(SAMPLE.last)];
    expect(run([...JAVA, ...words], folder)).toBe(`${LINE}\n`);
  },
  BUILD_MS_MAX,
);

test.if(isThere("java") && isThere("mvn") && nats.missing === undefined)(
  "Java goes on at the other node of a cluster where its own is killed",
  async () => {
    const server = await NatsServer.start();
    const nodes = await Promise.all([startNode(server), startNode(server)]);
    try {
      const all = async () => (await Promise.all(nodes.map(nodesKnown))).every((known) => known === nodes.length);
      await until(all, "the nodes know each other");
      const [first, last] = [SAMPLE.first, SAMPLE.first + ROUNDS * (SAMPLE.last - SAMPLE.first + 1) - 1];
      const words = [...nodes[0]!.flight.split(":"), String(first), String(last)];
      const folder = join(scratch, "java");
      const java = Bun.spawn([...JAVA, ...words], { cwd: folder, stdout: "pipe", stderr: "pipe" });
      let lines = "";
      for await (const chunk of java.stdout.pipeThrough(new TextDecoderStream())) {
        if (lines === "") nodes[0]!.kill("SIGKILL");
        lines += chunk;
      }
      expect([await java.exited, lines]).toEqual([0, balances(first, last)]);
      expect(await new Response(java.stderr).text()).toContain("going on at");
    } finally {
      await Promise.all(nodes.map((node) => node.stop()));
      await server.stop();
    }
  },
  BUILD_MS_MAX,
);
