/**
 * Reads many large streams with real clients, each on a fresh connection, and counts those that stall.
 *
 *     bun test/http2/stall-stress.ts [--client go|python] [--body BYTES] [--megabytes N] [--streams N]
 *                                   [--seconds N] [--no-shim] [--no-guard]
 *
 * Defaults: both clients, bodies of 64 KiB, 256 KiB, 1 MiB and 2 MiB, 1024 MiB a stream, 10 streams each. A stream that
 * has not ended after --seconds (60) counts as stalled. Exit status 1 when any did, or came short.
 */
import { parseArgs } from "node:util";
import { wakeupGuardCounters } from "../../src/http2/http2-wakeup-guard.ts";
import { goClient, pythonClient, runClient } from "../clients/toolchain.ts";
import { startFixture } from "./fixture-server.ts";

const { values } = parseArgs({
  options: {
    client: { type: "string", multiple: true, default: ["go", "python"] },
    body: { type: "string", multiple: true, default: ["65536", "262144", "1048576", "2097152"] },
    megabytes: { type: "string", default: "1024" },
    streams: { type: "string", default: "10" },
    seconds: { type: "string", default: "60" },
    "no-shim": { type: "boolean", default: false },
    "no-guard": { type: "boolean", default: false },
  },
});

const workarounds = { windowShim: !values["no-shim"], wakeupGuard: !values["no-guard"] };
let failed = 0;
for (const name of values.client) {
  const client = await (name === "go" ? goClient() : pythonClient());
  if (client.missing !== undefined) throw new Error(client.missing);
  for (const bodyBytes of values.body.map(Number)) {
    const batches = Math.max(1, Math.round((Number(values.megabytes) * 2 ** 20) / bodyBytes));
    const { address, listener } = await startFixture({ workarounds });
    const kicksBefore = wakeupGuardCounters.kicks;
    const cpuBefore = process.cpuUsage();
    const ticket = JSON.stringify({ bodyBytes, batches });
    const run = await runClient(client, [
      ...["get", "-addr", address, "-ticket", ticket],
      ...["-max-seconds", values.seconds, "-repeat", values.streams],
    ]);
    const cpu = process.cpuUsage(cpuBefore);
    await listener.close();
    const whole = run.results.filter((result) => result.error === undefined && result.batches === batches);
    const wrong = Number(values.streams) - whole.length;
    failed += wrong;
    const bytes = whole.length * batches * bodyBytes;
    const seconds = whole.reduce((sum, result) => sum + result.seconds, 0);
    console.log(
      [
        name.padEnd(6),
        `${String(bodyBytes / 1024).padStart(4)} KiB bodies`,
        `${whole.length} whole`,
        `${wrong} stalled or short`,
        `${(bytes / seconds / 1e6).toFixed(0)} MB/s`,
        `${((cpu.user + cpu.system) / 1e6 / (bytes / 1e9)).toFixed(2)} CPU s/GB`,
        `${wakeupGuardCounters.kicks - kicksBefore} kicks`,
      ].join("  "),
    );
    for (const { error } of run.results) if (error !== undefined) console.log(`        ${JSON.stringify(error)}`);
    if (run.stderr !== "") console.log(run.stderr);
  }
}
process.exit(failed === 0 ? 0 : 1);
