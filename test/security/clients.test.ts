/** Real clients at a server that asks who is calling: pyarrow, Go and Java by Handshake, pyarrow and Java by an API key. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { connectControl } from "../../src/control/client.ts";
import { goClient, javaClient, pythonClient, pythonInterpreter, runClient } from "../clients/toolchain.ts";
import { SAMPLE } from "../support/processor.ts";
import { type GuardedServer, startGuarded } from "./support.ts";

const PREPARE_MS_MAX = 300_000; // the clients are built once

let server: GuardedServer;
beforeAll(async () => {
  server = await startGuarded();
  const control = connectControl(server.processor.control, { token: server.keys.operator });
  await control.startProcessing({ startLedger: SAMPLE.first, endLedger: SAMPLE.last });
  control.close();
}, 60_000);
afterAll(() => server.close());

test.each([
  ["pyarrow", pythonClient],
  ["Go", goClient],
] as const)(
  "%s logs in by Handshake and reads signed tickets; a wrong password is refused",
  async (name, prepare) => {
    const { command, missing } = await prepare();
    if (command === undefined) return console.log(`skipped: ${name}: ${missing}`);
    const get = (...flags: string[]) =>
      runClient({ command }, ["get", "-addr", server.processor.flight, "-path", "contract,data", ...flags]);
    const { results, stderr } = await get("-login", `reader:${server.passwords.reader}`);
    expect(results[0], stderr).toMatchObject({ rows: SAMPLE.rows });
    const wrong = await get("-login", "reader:wrong");
    expect(JSON.stringify(wrong.results) + wrong.stderr).toMatch(/unauthenticated/i);
  },
  PREPARE_MS_MAX,
);

test(
  "Java reads by both kinds of Handshake and with an API key; a wrong password is refused",
  async () => {
    const { command, missing } = await javaClient();
    if (command === undefined) return console.log(`skipped: Java: ${missing}`);
    const get = async (...flags: string[]) => {
      const args = ["get", "-addr", server.processor.flight, "-path", "contract,data", ...flags];
      const { results, stderr } = await runClient({ command }, args);
      return results[0]?.rows ?? results[0]?.error?.code ?? stderr;
    };
    const login = `reader:${server.passwords.reader}`;
    const ends = await Promise.all([
      get("-login", login),
      get("-old-login", login),
      get("-bearer", server.keys.reader),
      get("-login", "reader:wrong"),
    ]);
    const { rows } = SAMPLE;
    expect(ends).toEqual([rows, rows, rows, "UNAUTHENTICATED"] as never);
  },
  PREPARE_MS_MAX,
);

test(
  "pyarrow reads with an API key and with a JWT",
  async () => {
    const { command, missing } = await pythonInterpreter();
    if (command === undefined) return console.log(`skipped: ${missing}`);
    const script = `
import sys, pyarrow.flight as flight
client = flight.connect("grpc://" + sys.argv[1])
for token in sys.argv[2:]:
    options = flight.FlightCallOptions(headers=[(b"authorization", b"Bearer " + token.encode())])
    info = client.get_flight_info(flight.FlightDescriptor.for_path("contract", "data"), options)
    print(sum(client.do_get(endpoint.ticket, options).read_all().num_rows for endpoint in info.endpoints))
`;
    const tokens = [server.keys.reader, await server.jwt({ sub: "reader" })];
    const child = Bun.spawn([...command, "-c", script, server.processor.flight, ...tokens], { stderr: "pipe" });
    const [out, err] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
    expect(out.trim().split("\n"), err).toEqual([String(SAMPLE.rows), String(SAMPLE.rows)]);
  },
  PREPARE_MS_MAX,
);
