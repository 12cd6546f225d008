/** FLIGHT_CREDENTIALS: who has no token reads nothing, who has one reads as before, and no password is ever shown. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as grpc from "@grpc/grpc-js";
import { loadConfig } from "../../src/config/load.ts";
import { connectControl } from "../../src/control/client.ts";
import { CodedError } from "../../src/error.ts";
import { FlightClient } from "../../src/flight-client/client.ts";
import { FlightService } from "../../src/grpc/generated/flight.ts";
import { Health, HealthCheckResponse_ServingStatus as Serving } from "../../src/grpc/generated/health.ts";
import { serviceClient } from "../../src/grpc/service.ts";
import { type Client, goClient, pythonClient, runClient } from "../clients/toolchain.ts";
import { collect, flightCalls, readRows } from "../support/flight-rows.ts";
import { type Processor, runCommand, SAMPLE, startProcessor } from "../support/processor.ts";

const PASSWORDS = ["fleur:de,lys 7", "plover-42"] as const;
const WHOLE = { start_ledger: SAMPLE.first, end_ledger: SAMPLE.last, filters: { include_deleted: true } };
const scratch = mkdtempSync(join(tmpdir(), "contract-data-credentials-"));
const clients: Record<string, Client> = { pyarrow: await pythonClient(), "arrow-go": await goClient() };
for (const [name, { missing }] of Object.entries(clients))
  if (missing !== undefined) console.warn(`skipped: ${name}: ${missing}`);

let processor: Processor;
beforeAll(async () => {
  const file = join(scratch, "credentials");
  writeFileSync(file, `# who may read\nann:${PASSWORDS[0]}\n\nbob:${PASSWORDS[1]}\r\n`);
  processor = await startProcessor([`--source-endpoint=${SAMPLE.folder}`, "--worker-count=1", "--log-level=debug"], {
    env: { FLIGHT_CREDENTIALS: `@${file}` },
  });
});
afterAll(async () => {
  expect(await processor.stop()).toBe(0);
  rmSync(scratch, { recursive: true, force: true });
});

test("every call but Handshake needs a token, and says so", async () => {
  const calls = flightCalls(processor.flight);
  const descriptor = { type: 2, cmd: Buffer.from(JSON.stringify(WHOLE)) } as const;
  const ended = (call: ReturnType<typeof calls.doPut> | ReturnType<typeof calls.doExchange>) => {
    call.end();
    return collect(call as AsyncIterable<unknown>);
  };
  const asked: Record<string, () => Promise<unknown>> = {
    listFlights: () => collect(calls.listFlights({}) as AsyncIterable<unknown>),
    getFlightInfo: () => calls.getFlightInfo(descriptor),
    pollFlightInfo: () => calls.pollFlightInfo(descriptor),
    getSchema: () => calls.getSchema(descriptor),
    doGet: () => collect(calls.doGet({ ticket: Buffer.from(JSON.stringify(WHOLE)) }) as AsyncIterable<unknown>),
    doPut: () => ended(calls.doPut()),
    doExchange: () => ended(calls.doExchange()),
    doAction: () => collect(calls.doAction({ type: "server-info" }) as AsyncIterable<unknown>),
    listActions: () => collect(calls.listActions({}) as AsyncIterable<unknown>),
  };
  expect(Object.keys(asked).sort()).toEqual(
    Object.keys(FlightService.methods)
      .filter((method) => method !== "handshake")
      .sort(),
  );
  for (const [method, answer] of Object.entries(asked)) {
    const thrown = await answer().then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(thrown, method).toBeDefined();
    const code = thrown instanceof CodedError ? thrown.code : grpc.status[(thrown as grpc.ServiceError).code];
    expect(code, method).toBe("UNAUTHENTICATED");
    expect((thrown as Error).message, method).toContain("Handshake");
  }
  calls.close();
  const { error } = await readRows(processor.flight, WHOLE);
  expect(`${error!.code} ${error!.reason}`).toBe("UNAUTHENTICATED CREDENTIALS");
});

for (const [name, client] of Object.entries(clients)) {
  test.skipIf(client.command === undefined)(
    `${name} logs in and reads, describes, lists and acts as before`,
    async () => {
      const run = async (login: string, ...args: string[]) =>
        (await runClient({ command: client.command! }, [...args, "-addr", processor.flight, "-login", login]))
          .results[0]! as Record<string, unknown>;
      const login = `ann:${PASSWORDS[0]}`;
      expect((await run(login, "get", "-ticket", JSON.stringify(WHOLE))).rows).toBe(SAMPLE.rows);
      expect(await run(login, "info", "-cmd", JSON.stringify(WHOLE))).toMatchObject({ ordered: true });
      expect(await run(login, "schema", "-cmd", JSON.stringify(WHOLE))).toHaveProperty("schema");
      expect(await run(login, "list")).toHaveProperty("flights");
      expect((await run(login, "action", "-type", "server-info")).results).toHaveLength(1);
      expect(await run("bob:plover-42", "action")).toHaveProperty("actions");
      for (const wrong of ["ann:plover-42", "nobody:plover-42", "bob:plover-4", "bob:plover-422"]) {
        expect(await run(wrong, "list"), wrong).toMatchObject({ error: { code: "Unauthenticated" } });
      }
    },
  );
}

test("our own client and `tail` log in too", async () => {
  const control = connectControl(processor.control);
  const { sessionId } = await control.startProcessing({ startLedger: SAMPLE.first, endLedger: SAMPLE.last });
  control.close();
  const tail = (env: Record<string, string>) =>
    runCommand(["tail", "--address", processor.flight, "--session", sessionId, "--limit", "3"], { env });
  const good = await tail({ FLIGHT_LOGIN: "bob:plover-42" });
  expect([good.exitCode, good.stdout.trim().split("\n").length], good.stderr).toEqual([0, 5]);
  const bad = await tail({ FLIGHT_LOGIN: "bob:wrong-guess" });
  expect([bad.exitCode, bad.stderr.includes("no such name and password")], bad.stderr).toEqual([1, true]);
  expect(bad.stderr + bad.stdout).not.toContain("wrong-guess");
  const client = new FlightClient(processor.flight);
  await client.login("ann", PASSWORDS[0]);
  expect((await client.ticketOf(["contract", "data", sessionId])).length).toBeGreaterThan(0);
  client.close();
});

test("health of the Flight service needs no token", async () => {
  const client = new grpc.Client(processor.control, grpc.credentials.createInsecure());
  const { status } = await serviceClient(client, Health).check({ service: FlightService.typeName });
  client.close();
  expect(status).toBe(Serving.SERVING);
  expect((await fetch(`http://${processor.http}/ready`)).status).toBe(200);
});

test("no password is shown: logs, pages, metrics", async () => {
  const pages = await Promise.all(
    ["/", "/health", "/ready", "/metrics"].map(async (path) => (await fetch(`http://${processor.http}${path}`)).text()),
  );
  expect(processor.output()).toContain("authenticate_basic_token(");
  for (const password of PASSWORDS)
    for (const text of [processor.output(), ...pages]) expect(text).not.toContain(password);
});

describe("credentials that are wrong stop the server at its start, and are not shown", () => {
  const load = (value: string, origin: "env" | "flags" | "file") => {
    const file = join(scratch, "config.json");
    writeFileSync(file, JSON.stringify({ FLIGHT_CREDENTIALS: value }));
    return loadConfig(
      origin === "env"
        ? { env: { FLIGHT_CREDENTIALS: value } }
        : origin === "flags"
          ? { flags: { "flight-credentials": value } }
          : { file },
    );
  };
  const messageOf = (work: () => unknown): string => {
    try {
      work();
    } catch (thrown) {
      return (thrown as Error).message;
    }
    return "";
  };

  test("in the setting, wherever it stands", () => {
    for (const value of ["s3cr3t", "ann:s3cr3t,ann:s3cr3t2", "ann:", ":s3cr3t", "a b:s3cr3t", "ann:s3cr3t,s3cr3t"]) {
      for (const origin of ["env", "flags", "file"] as const) {
        const message = messageOf(() => load(value, origin));
        expect(message, value).toContain("name:password");
        expect(message).not.toContain("s3cr3t");
      }
    }
    const broken = join(scratch, "broken.json");
    writeFileSync(broken, '{"FLIGHT_CREDENTIALS": s3cr3t}');
    const message = messageOf(() => loadConfig({ file: broken }));
    expect(message).toContain("is not JSON");
    expect(message).not.toContain("s3cr3t");
    const { flightCredentials } = load("ann:s3cr3t, bob:x:y", "env").values;
    expect(flightCredentials.file === undefined && flightCredentials.credentials.map(({ name }) => name)).toEqual([
      "ann",
      "bob",
    ]);
    expect(JSON.stringify(flightCredentials)).not.toContain("s3cr3t");
  });

  test("in a file", async () => {
    const file = join(scratch, "wrong");
    for (const [content, says] of [
      ["ann:s3cr3t\n\nbob s3cr3t\n", "line 3"],
      ["", "no name:password"],
      [undefined, "ENOENT"],
    ] as const) {
      rmSync(file, { force: true });
      if (content !== undefined) writeFileSync(file, content);
      const { exitCode, stderr, stdout } = await runCommand(
        [
          "serve",
          "--source-endpoint",
          SAMPLE.folder,
          "--flight-address",
          "127.0.0.1:0",
          "--grpc-address",
          "127.0.0.1:0",
        ],
        { env: { FLIGHT_CREDENTIALS: `@${file}`, HEALTH_PORT: "127.0.0.1:0" } },
      );
      expect([exitCode, stderr.includes(says)], stderr).toEqual([2, true]);
      expect(stderr).toContain("FLIGHT_CREDENTIALS");
      expect(stderr + stdout).not.toContain("s3cr3t");
    }
  });
});
