/**
 * `bun bench/probes.ts`: how long /health, /ready and grpc.health take, idle and beside a DoGet that saturates the machine,
 * against a bare Bun.serve and a grpc-go server that answer with as many bytes, in the same run and in turns.
 *
 *   bun bench/probes.ts [--calls 2000] [--rounds 7]
 */
import type { ChildProcess } from "node:child_process";
import { parseArgs } from "node:util";
import { connectControl } from "../src/control/client.ts";
import { type Processor, SAMPLE, startProcessor } from "../test/support/processor.ts";
import { ask, buildGoControl, type Quantiles, saturate, startFloor } from "./support/control-floor.ts";
import { Report } from "./support/report.ts";

const WARM_MS = 3000;
const PROBES = ["/health", "/ready", "grpc.health"] as const;

const { values: flags } = parseArgs({
  options: { calls: { type: "string", default: "2000" }, rounds: { type: "string", default: "7" } },
});
const report = new Report("probes");
const binary = buildGoControl();
const children: (ChildProcess | Bun.Subprocess)[] = [];
let server: Processor | undefined;
try {
  server = await startProcessor([`--source-endpoint=repeat:${SAMPLE.folder}`, "--worker-count=2"]);
  const floor = await startFloor(binary);
  const bytes = (await (await fetch(`http://${server.http}/health`)).text()).length;
  const bare = Bun.spawn([process.execPath, `${import.meta.dir}/support/bare-http.ts`, String(bytes)], {
    stdout: "pipe",
  });
  children.push(floor.child, bare);
  const { value } = await bare.stdout.getReader().read();
  const floorHttp = new TextDecoder().decode(value).trim();
  const control = connectControl(server.control);
  await Bun.sleep(WARM_MS);
  const targets = ["-target-http", server.http, "-target", server.control, "-calls", flags.calls];
  const args = ["probes", "-floor-http", floorHttp, "-floor", floor.address, ...targets];
  const idle: Record<string, Quantiles>[] = [];
  const busy: Record<string, Quantiles>[] = [];
  for (let round = 0; round < Number(flags.rounds); round++) {
    idle.push(await ask(binary, args));
    const reader = await saturate(server, control);
    children.push(reader.child);
    busy.push(await ask(binary, args));
    await reader.end();
    for (const [name, { p50Ms, p99Ms }] of Object.entries(busy.at(-1)!)) {
      const alone = idle.at(-1)![name]!;
      console.log(
        `  ${name.padEnd(18)} idle p50 ${alone.p50Ms.toFixed(2)}, p99 ${alone.p99Ms.toFixed(2)} ms; beside a DoGet ${p50Ms.toFixed(2)}, ${p99Ms.toFixed(2)} ms`,
      );
    }
  }
  control.close();
  for (const probe of PROBES) {
    const ratios = (rounds: typeof idle) => rounds.map((all) => all[probe]!.p50Ms / all[`floor ${probe}`]!.p50Ms);
    report.figure(`${probe}, p50`, ratios(idle));
    report.figure(`${probe} beside a DoGet, p50`, ratios(busy));
  }
  report.figure(
    "/health, p50 in milliseconds",
    idle.map((all) => all["/health"]!.p50Ms),
  );
  process.exitCode = report.finish();
} finally {
  for (const child of children) child.kill();
  await server?.stop();
}
