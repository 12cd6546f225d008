/**
 * All file descriptors taken: the listeners asked the system for the next connection again and again, a core at 100 %, and
 * nobody was answered. Now connections are closed as they come before the last descriptor is gone.
 */
import { afterEach, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import net from "node:net";
import { Descriptors, descriptorLimit } from "../../src/base/descriptors.ts";
import { connectControl } from "../../src/control/client.ts";
import { readRows } from "../support/flight-rows.ts";
import { PROGRAM, type Processor, SAMPLE, startProcessor } from "../support/processor.ts";
import { until } from "../support/until.ts";

const LIMIT = 256;
const FLOOD = 400; // connections, more than there are descriptors
const LOOK_MS = 1000;
const BUSY_SHARE = 0.6; // of a core: one that spins takes all of it

const onLinux = process.platform === "linux";
const opened: { close(): unknown }[] = [];
afterEach(async () => {
  for (const each of opened.splice(0).reverse()) await each.close();
});

async function limited(): Promise<Processor> {
  const command = ["bash", "-c", `ulimit -n ${LIMIT}; exec "$@"`, "bash", ...PROGRAM];
  const server = await startProcessor([`--source-endpoint=${SAMPLE.folder}`, "--worker-count=2"], { command });
  opened.push({ close: () => server.stop() });
  return server;
}

/** CPU seconds of the process so far. */
function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** Silent connections; those that the server closes are opened again, as long as the flood lasts. */
function flood(address: string): { open: () => number; close(): void } {
  const port = Number(address.split(":")[1]);
  const sockets = new Set<net.Socket>();
  let over = false;
  const open = () => {
    if (over) return;
    const socket = net.connect(port, "127.0.0.1");
    sockets.add(socket);
    socket.resume();
    socket.on("error", () => {});
    socket.on("close", () => {
      sockets.delete(socket);
      setTimeout(open, 20);
    });
  };
  for (let i = 0; i < FLOOD; i++) open();
  const close = () => {
    over = true;
    for (const socket of sockets) socket.destroy();
  };
  const each = { open: () => sockets.size, close };
  opened.push(each);
  return each;
}

async function expectAnswers(server: Processor): Promise<void> {
  await until(async () => {
    const control = connectControl(server.control, { deadlineMs: 5000 });
    const listed = await control.listSessions({}).catch(() => undefined);
    control.close();
    return listed !== undefined;
  }, "the control plane answers");
  await until(async () => {
    const response = await fetch(`http://${server.http}/livez`, { headers: { connection: "close" } }).catch(
      () => undefined,
    );
    return response?.status === 200;
  }, "HTTP answers");
}

for (const listener of ["flight", "control", "http"] as const) {
  test.skipIf(!onLinux)(`a flood of connections on ${listener} leaves descriptors, a core and an answer`, async () => {
    const server = await limited();
    const connections = flood(server[listener]);
    await until(() => server.output().includes("file descriptors run short"), "the log tells");
    const cpu = cpuSeconds(server.pid);
    const begun = performance.now();
    await Bun.sleep(LOOK_MS);
    expect((cpuSeconds(server.pid) - cpu) / ((performance.now() - begun) / 1000)).toBeLessThan(BUSY_SHARE);
    if (listener === "flight") await expectAnswers(server);
    connections.close();
    await expectAnswers(server);
    const range = { start_ledger: SAMPLE.first, end_ledger: SAMPLE.last };
    await until(async () => (await readRows(server.flight, range)).rows.length > 0, "Flight answers");
  });
}

test.skipIf(!onLinux)("the limit is the system's, and a quarter of a small one is reserved", () => {
  expect(descriptorLimit()).toBeGreaterThan(0);
  const small = new Descriptors(100);
  expect(small.reserved).toBe(25);
  expect(new Descriptors(8).hasRoom("flight")).toBe(false);
  expect(new Descriptors(1_000_000).hasRoom("flight")).toBe(true);
  expect(new Descriptors(undefined).hasRoom("http")).toBe(true);
});
