/**
 * What a client's text can do: whatever it says, its call ends with a status of its own, and the server serves on. A lone
 * surrogate or a long text of other scripts in an error once ended the process, or left the call without an end.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import * as grpc from "@grpc/grpc-js";
import { shortened, withinEncodedBytes } from "../../src/base/text.ts";
import { CodedError, MESSAGE_ENCODED_BYTES_MAX } from "../../src/error.ts";
import { FlightService } from "../../src/grpc/generated/flight.ts";
import { Health } from "../../src/grpc/generated/health.ts";
import { routeLibraryLog } from "../../src/grpc/library-log.ts";
import { grpcServerOptions, listenGrpc } from "../../src/grpc/listen.ts";
import { addService, type MethodInfo, serviceClient } from "../../src/grpc/service.ts";
import { goClient, pythonInterpreter, runClient } from "../clients/toolchain.ts";
import { RawCall } from "../http2/raw-call.ts";
import { collect, flightCalls } from "../support/flight-rows.ts";
import { GatedSource } from "../support/gated-source.ts";
import { type LocalServer, type LogLine, localServer } from "../support/local-server.ts";
import { until } from "../support/until.ts";

const HANG_MS = 20_000; // a call that has no end by then has none
const lines: LogLine[] = [];
let source: GatedSource;
let server: LocalServer;
let session: string;

beforeAll(async () => {
  source = await GatedSource.open();
  server = await localServer(source, {}, lines);
  ({ sessionId: session } = await server.control.startProcessing({ startLedger: 100, endLedger: 103 }));
});
afterAll(async () => {
  await server.close();
  await source.close();
});

const flightAddress = () => `127.0.0.1:${server.processor.addresses.flight.port}`;

const TEXTS: Record<string, string> = {
  "a lone high surrogate": "\ud800",
  "a lone low surrogate": "a\udfffb",
  "emoji, cut by any even shortening": `x${"😀".repeat(150)}`,
  "20,000 characters of three bytes": "漢".repeat(20_000),
  "20,000 emoji": "😀".repeat(20_000),
  "controls and a terminal's escapes": "\0\x1b[2J\r\n\u2028",
};

/** Every place of a ticket or command that an error may repeat. */
const PLACES: Record<string, (text: string) => object> = {
  columns: (text) => ({ start_ledger: 1, end_ledger: 2, columns: [text] }),
  "an unknown key": (text) => ({ start_ledger: 1, end_ledger: 2, [text]: 1 }),
  "a compression": (text) => ({ start_ledger: 1, end_ledger: 2, compression: text }),
  assets: (text) => ({ start_ledger: 1, end_ledger: 2, assets: [text] }),
  "an asset's code": (text) => ({ start_ledger: 1, end_ledger: 2, assets: [`${text}:G`] }),
  "a cursor": (text) => ({ start_ledger: 1, end_ledger: 2, from: text }),
  "a session": (text) => ({ session: text }),
  "a session's columns": (text) => ({ session, columns: [text] }),
  ...Object.fromEntries(
    ["contract_ids", "asset_codes", "asset_issuers", "balance_holders", "key_types", "change_types"].map((kind) => [
      kind,
      (text: string) => ({ start_ledger: 1, end_ledger: 2, filters: { [kind]: [text] } }),
    ]),
  ),
  "a least balance": (text) => ({ start_ledger: 1, end_ledger: 2, filters: { min_balance: text } }),
  "an unknown filter": (text) => ({ start_ledger: 1, end_ledger: 2, filters: { [text]: [text] } }),
};

/** The error that the call ends with; a call without any end fails the test. */
async function endOf(call: Promise<unknown>): Promise<CodedError> {
  return (await outcomeOf(call)) ?? Promise.reject(new Error("the call was answered"));
}

/** The same, or undefined where the call is answered. */
async function outcomeOf(call: Promise<unknown>): Promise<CodedError | undefined> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`the call has no end after ${HANG_MS} ms`)), HANG_MS);
  });
  try {
    await Promise.race([call, late]);
    return undefined;
  } catch (thrown) {
    if (thrown instanceof CodedError) return thrown;
    const { code, details, metadata } = thrown as grpc.ServiceError;
    if (code === undefined) throw thrown;
    return CodedError.received("INTERNAL", `${grpc.status[code]} ${metadata?.get("reason")[0]}`, details);
  } finally {
    clearTimeout(timer);
  }
}

function expectRefusal(error: CodedError, what: string): void {
  expect(error.message.isWellFormed(), what).toBe(true);
  expect(encodeURI(error.message).length, what).toBeLessThanOrEqual(MESSAGE_ENCODED_BYTES_MAX);
  expect(`${error.code} ${error.reason}`, `${what}: ${error.message}`).not.toContain("UNEXPECTED");
  expect(`${error.code} ${error.reason}`, `${what}: ${error.message}`).not.toMatch(/UNAVAILABLE|UNKNOWN_ERROR/);
}

for (const [name, text] of Object.entries(TEXTS)) {
  test(`${name}: each call that says it is refused, and the server serves on`, async () => {
    const calls = flightCalls(flightAddress());
    for (const [place, make] of Object.entries(PLACES)) {
      const cmd = Buffer.from(JSON.stringify(make(text)));
      const ended = [
        calls.getFlightInfo({ type: 2, cmd }),
        calls.getSchema({ type: 2, cmd }),
        calls.pollFlightInfo({ type: 2, cmd }),
        collect(calls.doGet({ ticket: cmd }) as AsyncIterable<unknown>),
      ].map(outcomeOf);
      const errors = (await Promise.all(ended)).filter((error) => error !== undefined);
      for (const error of errors) expectRefusal(error, `${place}: ${name}`);
      if (place === "columns") expect(errors).toHaveLength(ended.length);
    }
    const json = JSON.stringify(text);
    const action = (type: string, body: string) =>
      collect(calls.doAction({ type, body: Buffer.from(body) }) as AsyncIterable<unknown>);
    const others: Record<string, Promise<unknown>> = {
      "a path": calls.getFlightInfo({ type: 1, path: [text] }),
      "a path of a session": calls.getFlightInfo({ type: 1, path: ["contract", "data", text] }),
      "legacy text": collect(
        calls.doGet({ ticket: Buffer.from(`contract_data:1:2:{"contract_ids":[${json}]}`) }) as AsyncIterable<unknown>,
      ),
      "no ticket": collect(calls.doGet({ ticket: Buffer.from(text) }) as AsyncIterable<unknown>),
      "an action": action(text, ""),
      "a schema's columns": action("schema", `{"columns":[${json}]}`),
      "a schema": action("schema", `{"schema":${json}}`),
      "a session action": action("session", `{"session":${json}}`),
      "an action's unknown key": action("sessions", `{${json}:1}`),
      criteria: collect(calls.listFlights({ expression: Buffer.from(`{"state":${json}}`) }) as AsyncIterable<unknown>),
      "a control call": server.control.getStatus({ sessionId: text }),
      "a label": server.control.startProcessing({ startLedger: 1, labels: new Map([[text.repeat(300), text]]) }),
      "a source": server.control.startProcessing({ startLedger: 1, endLedger: 2, source: text }),
      "a filter": server.control.configureFilters({ filters: { contractIds: [text] } }),
    };
    const ends = Object.entries(others).map(async ([place, call]) => [place, await endOf(call)] as const);
    for (const [place, error] of await Promise.all(ends)) expectRefusal(error, `${place}: ${name}`);
    const { totalRecords } = await calls.getFlightInfo({ type: 1, path: ["contract", "data", session] });
    expect(Number(totalRecords)).toBeGreaterThanOrEqual(-1);
    calls.close();
  }, 60_000);
}

test("pyarrow gets each of these errors and reads on", async () => {
  const python = await pythonInterpreter();
  if (python.command === undefined) return console.log(`skipped: ${python.missing}`);
  const script = `
import sys, json, pyarrow.flight as f
c = f.connect("grpc://" + sys.argv[1])
bodies = [b'{"start_ledger":1,"end_ledger":2,"columns":["\\\\ud800"]}', json.dumps({"start_ledger": 1, "end_ledger": 2, "columns": ["漢" * 20000]}).encode()]
calls = []
for body in bodies:
    calls += [lambda b=body: c.get_flight_info(f.FlightDescriptor.for_command(b)), lambda b=body: c.do_get(f.Ticket(b)).read_all(), lambda b=body: c.get_schema(f.FlightDescriptor.for_command(b))]
calls += [lambda: c.get_flight_info(f.FlightDescriptor.for_path("x" + "😀" * 150)), lambda: list(c.do_action(f.Action("schema", b'{"columns":["\\\\ud800"]}')))]
for call in calls:
    try:
        call()
        print("answered")
    except Exception as error:
        print(type(error).__name__)
print(len(list(c.do_action(f.Action("sessions", b"")))))
`;
  const child = Bun.spawn([...python.command, "-c", script, flightAddress()], { stdout: "pipe", stderr: "pipe" });
  const [out, err] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  expect(out.trim().split("\n"), err).toEqual([...Array(8).fill("ArrowInvalid"), "1"]);
}, 120_000);

test("a Go client gets each of these errors too", async () => {
  const go = await goClient();
  if (go.command === undefined) return console.log(`skipped: ${go.missing}`);
  for (const columns of ['"\\ud800"', JSON.stringify("漢".repeat(20_000))]) {
    const command = `{"start_ledger":1,"end_ledger":2,"columns":[${columns}]}`;
    for (const call of ["info", "schema", "get"]) {
      const run = await runClient(go, [call, "-cmd", command, "-addr", flightAddress()]);
      expect(run.results[0]?.error?.code, `${call}: ${run.stderr}`).toBe("InvalidArgument");
      expect(run.results[0]?.error?.message).toContain("is not one of");
    }
  }
}, 120_000);

/** A service with a method of each kind, all with the same messages. */
const { request, response } = Health.methods.check;
const kinds = ["unary", "serverStream", "clientStream", "bidi"] as const;
const METHODS = Object.fromEntries(kinds.map((kind) => [kind, { name: kind, kind, request, response } as MethodInfo]));
const EVERY_KIND = { typeName: "test.EveryKind", methods: METHODS };

test("a handler that throws ends its call with INTERNAL and is told of, whatever it throws", async () => {
  const told: string[] = [];
  const thrown = [new Error("\ud800"), "\udc00 text", undefined, { code: 3, details: "\ud800" }, new RangeError("x")];
  let next: unknown;
  const handler = () => {
    throw next;
  };
  const rude = new grpc.Server(grpcServerOptions());
  addService(rude, EVERY_KIND, Object.fromEntries(kinds.map((kind) => [kind, handler])) as never, (error, method) =>
    told.push(`${method} ${error === next}`),
  );
  const listener = await listenGrpc(rude, { host: "127.0.0.1", port: 0 });
  const client = new grpc.Client(`127.0.0.1:${listener.port}`, grpc.credentials.createInsecure());
  for (next of thrown) {
    for (const kind of ["unary", "serverStream", "bidi"] as const) {
      // the kinds of METHODS are not known to the compiler
      const calls = serviceClient(client, EVERY_KIND) as unknown as Record<string, (message?: object) => unknown>;
      const call = calls[kind]!(kind === "bidi" ? undefined : {});
      const ended = kind === "unary" ? (call as Promise<unknown>) : collect(call as AsyncIterable<unknown>);
      const { code, reason, message } = await endOf(ended);
      const said = kind === "unary" ? `${code} ${reason}` : reason;
      expect(said).toBe("INTERNAL UNEXPECTED");
      expect(message).toContain("the server's log has the details");
    }
  }
  expect(told).toHaveLength(3 * thrown.length);
  expect(told.every((line) => line.endsWith(" true"))).toBe(true);
  client.close();
  await listener.close(0);
});

test("headers are not echoed at length, and grpc-js writes them nowhere but to the log, shortened", async () => {
  const port = server.processor.addresses.flight.port;
  const path = `/${FlightService.typeName}/ListActions`;
  const long = "x".repeat(120); // the raw client's longest
  const foreign = new RawCall(port, path, Buffer.alloc(0), { "x-name": "é".repeat(60) });
  await foreign.messages();
  foreign.close();
  const unknown = new RawCall(port, `/${long}`, Buffer.alloc(0));
  await unknown.messages();
  unknown.close();
  const timeout = new RawCall(port, path, Buffer.alloc(0), { "grpc-timeout": "9".repeat(120) });
  await timeout.messages();
  const trailers = timeout.frames.filter(({ type, stream }) => type === 1 && stream === 1).at(-1)!;
  expect(trailers.payload.length).toBeLessThan(300);
  timeout.close();
  await until(() => lines.some(({ message }) => message.startsWith("grpc-js")), "the complaint in the log");
  expect(lines.some(({ message, line }) => message.startsWith("grpc-js") && String(line).includes("x-name"))).toBe(
    true,
  );
});

test("grpc-js's complaints are limited, and what was left out is counted", () => {
  const written: string[] = [];
  let nowMs = 0;
  routeLibraryLog(
    (line) => written.push(line),
    () => nowMs,
  );
  const complain = logOnce;
  for (let count = 0; count < 25; count++) complain();
  nowMs = 60_000;
  complain();
  routeLibraryLog(() => {});
  expect(written).toHaveLength(12);
  expect(written[10]).toBe("15 more complaints of grpc-js were left out");
  expect(written[0]!.length).toBeLessThan(320);
  expect(written[0]).toContain("\\x1b");
});

test("text is cut between code points and stays well-formed", () => {
  expect(shortened("ab😀", 3)).toBe("ab…");
  expect(shortened("ab\ud83d", 3)).toBe("ab�");
  for (let length = 0; length < 400; length++) {
    const text = `${"y".repeat(length)}${"😀é漢 ".repeat(200)}`;
    const cut = withinEncodedBytes(text, 1000);
    expect(cut.isWellFormed()).toBe(true);
    expect(encodeURI(cut).length).toBeLessThanOrEqual(1000);
    expect(cut).toEndWith(`… (${text.length} characters)`);
  }
  const plain = "a sentence with 3 numbers".repeat(100);
  expect(CodedError.received("INTERNAL", "X", plain).message).toBe(plain);
});

/** Makes grpc-js complain as it does of a header that gRPC does not allow. */
function logOnce(): void {
  // fromHttp2Headers is not in the published types
  const { Metadata } = grpc as unknown as { Metadata: { fromHttp2Headers(headers: object): unknown } };
  Metadata.fromHttp2Headers({ "x-name": `\x1b${"é".repeat(1000)}` });
}
