/** Clients that the server had given up were told nothing, and their sockets stayed. */
import { afterEach, describe, expect, test } from "bun:test";
import { Metadata, Server, type ServerWritableStream } from "@grpc/grpc-js";
import { credentialOf } from "../../src/config/credentials.ts";
import { CodedError } from "../../src/error.ts";
import { runDoGet } from "../../src/flight/do-get.ts";
import { type GrpcListener, grpcServerOptions, listenGrpc } from "../../src/grpc/listen.ts";
import { statusOf } from "../../src/grpc/service.ts";
import { CLOSE_MS_MAX } from "../../src/http2/http2-window-shim.ts";
import { Gate } from "../../src/security/gate.ts";
import { type Client, goClient, pythonClient } from "../clients/toolchain.ts";
import { DO_GET_PATH, encodeTicket, fixtureMessages, flightFixture } from "../flight/flight-fixture.ts";
import { settings } from "../http2/frames.ts";
import { RawCall, start } from "../http2/raw-call.ts";
import { accessOf } from "../support/access.ts";
import { until } from "../support/until.ts";

const KEEPALIVE = { "grpc.keepalive_time_ms": 300, "grpc.keepalive_timeout_ms": 300 };
const AWAY_MS = 1500; // of a frozen client: longer than keepalive and what closing takes
const ENDLESS = encodeTicket({ bodyBytes: 1 << 20, batches: 1_000_000 });

const FOREIGN: [string, Client][] = [
  ["pyarrow", await pythonClient()],
  ["Go", await goClient()],
];

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function serve(options = {}): Promise<GrpcListener> {
  const server = new Server(grpcServerOptions(options));
  const { definition, implementation } = flightFixture();
  server.addService(definition, implementation);
  const listener = await listenGrpc(server, { host: "127.0.0.1", port: 0 });
  cleanups.push(() => listener.close(0));
  return listener;
}

/** A call that is blocked by its window. `silent`: its client answers nothing any more, pings neither. */
async function blockedCall(port: number, silent = false, fields = {}): Promise<RawCall & { gone(): boolean }> {
  const call = new RawCall(port, DO_GET_PATH, ENDLESS, fields);
  let gone = false;
  call.socket.on("close", () => {
    gone = true;
  });
  cleanups.push(() => call.close());
  const bytes = () => call.frames.reduce((sum, { type, payload }) => sum + (type === 0 ? payload.length : 0), 0);
  await until(() => bytes() === 65_535, "the window's end");
  if (silent) call.socket.write = () => true;
  return Object.assign(call, { gone: () => gone });
}

const goaways = (call: RawCall) =>
  call.frames
    .filter(({ type }) => type === 7)
    .map(({ payload }) => ({
      last: payload.readUInt32BE(0),
      code: payload.readUInt32BE(4),
      why: `${payload.subarray(8)}`,
    }));

describe("keepalive", () => {
  test("tells a blocked client by GOAWAY, and closes its socket", async () => {
    const listener = await serve(KEEPALIVE);
    const call = await blockedCall(listener.port, true);
    await until(() => call.gone(), "the connection's end");
    expect(goaways(call)).toMatchObject([{ last: 1, code: 0 }]);
    expect(goaways(call)[0]!.why).toContain("ping");
    await until(() => listener.connections === 0, "the socket's end");
  });

  test("closes the sockets of clients that read nothing, close nothing and say nothing", async () => {
    const listener = await serve(KEEPALIVE);
    const calls = await Promise.all([1, 2, 3].map(() => blockedCall(listener.port, true)));
    for (const { socket } of calls) socket.pause(); // they do not see the server's end
    const busy = new RawCall(listener.port, DO_GET_PATH, ENDLESS);
    cleanups.push(() => busy.close());
    busy.grantAll();
    await until(() => busy.frames.length > 10, "a call under way");
    busy.socket.pause(); // its socket is full, and the server's side too
    busy.socket.write = () => true;
    await until(() => listener.connections === 0, "the sockets' end", 600 + CLOSE_MS_MAX + 5000);
  });

  for (const [name, prepared] of FOREIGN) {
    test.skipIf(prepared.command === undefined)(
      `a ${name} client that was away learns it when it is back`,
      async () => {
        const listener = await serve(KEEPALIVE);
        const args = [
          "-addr",
          `127.0.0.1:${listener.port}`,
          "-ticket",
          ENDLESS.subarray(2).toString(),
          "-max-seconds",
          "60",
        ];
        const child = Bun.spawn([...prepared.command!, "get", ...args], { stdout: "pipe", stderr: "ignore" });
        cleanups.push(() => child.kill("SIGKILL"));
        await until(() => listener.connections === 1, "the client");
        await Bun.sleep(200); // amid its rows
        child.kill("SIGSTOP");
        await Bun.sleep(AWAY_MS);
        await until(() => listener.connections === 0, "the socket's end");
        child.kill("SIGCONT");
        const [output, status] = await Promise.all([new Response(child.stdout).text(), child.exited]);
        expect(status).toBe(1);
        expect(JSON.parse(output).error.code).toBe("Unavailable");
      },
    );
  }
});

describe("shutdown", () => {
  test("tells a blocked client why, and takes no longer than the grace", async () => {
    const listener = await serve();
    const call = await blockedCall(listener.port);
    const begun = performance.now();
    await listener.close(100);
    expect(performance.now() - begun).toBeLessThan(100 + CLOSE_MS_MAX + 2000);
    await until(() => call.gone(), "the connection's end");
    expect(goaways(call).at(-1)!.why).toContain("the server stops");
  });
});

test("a protocol error is told by GOAWAY", async () => {
  const listener = await serve();
  const call = await blockedCall(listener.port);
  call.socket.write(settings([4, 0xffffffff])); // a window over 2^31 − 1
  await until(() => call.gone(), "the connection's end");
  expect(goaways(call).map(({ code }) => code)).toContain(1);
  await until(() => listener.connections === 0, "the socket's end");
});

describe("a call that the server ends while its client is blocked", () => {
  /** DoGet that ends with this error once `end` is called, after a message that its client does not take. */
  async function ending(error: CodedError): Promise<{ call: RawCall; end(): void }> {
    const server = new Server(grpcServerOptions());
    const { definition } = flightFixture();
    const { schema, batch } = fixtureMessages(1 << 20);
    const abort = new AbortController();
    let given = false;
    server.addService(definition, {
      DoGet: (call: Parameters<typeof runDoGet>[0]) =>
        runDoGet(
          call,
          {
            opening: [{ dataHeader: schema }],
            async next() {
              if (given) throw error;
              given = true;
              return { message: { dataHeader: batch, dataBody: new Uint8Array(1 << 20) }, rows: 1, release() {} };
            },
            endedSignal: abort.signal,
            close() {},
          },
          { onError() {}, nowMs: () => performance.now(), flushStillMsMax: 200 },
        ),
    });
    const listener = await listenGrpc(server, { host: "127.0.0.1", port: 0 });
    cleanups.push(() => listener.close(0));
    return { call: await blockedCall(listener.port), end: () => abort.abort() };
  }

  const resetsOf = (call: RawCall) =>
    call.frames.filter(({ type }) => type === 3).map(({ stream, payload }) => [stream, payload.readUInt32BE(0)]);

  for (const [code, http2Code] of [
    ["RESOURCE_EXHAUSTED", 11],
    ["CANCELLED", 8],
    ["DATA_LOSS", 2],
  ] as const) {
    test(`${code} is told by RST_STREAM ${http2Code} when it takes nothing more`, async () => {
      const { call, end } = await ending(CodedError.received(code, "WHY", "because"));
      end();
      await until(() => resetsOf(call).length > 0, "the reset");
      expect(resetsOf(call)).toEqual([[1, http2Code]]);
    });
  }

  test("is told by its status when the client reads on", async () => {
    const { call, end } = await ending(CodedError.received("CANCELLED", "WHY", "because"));
    end();
    call.grantAll();
    expect(await call.messages()).toHaveLength(2);
    expect(resetsOf(call)).toEqual([]);
  });
});

test("a token that expires refuses the next call at once, also beside a blocked one, which goes on", async () => {
  let nowMs = 0;
  const credentials = [credentialOf("alice", "secret")];
  const gate = new Gate(accessOf({ credentials, tokenTtlMs: 1000, tokensMax: 1 }), undefined, () => nowMs);
  const metadata = new Metadata();
  metadata.set("authorization", `Basic ${Buffer.from("alice:secret").toString("base64")}`);
  const token = await gate.login({ metadata, getPeer: () => "127.0.0.1:1" }, new Uint8Array(0));
  const server = new Server(grpcServerOptions());
  const { definition, implementation } = flightFixture();
  const { DoGet } = implementation as { DoGet: (call: ServerWritableStream<string, unknown>) => void };
  server.addService(definition, {
    DoGet: async (call: ServerWritableStream<string, unknown>) => {
      try {
        await gate.admit(call, "arrow.flight.protocol.FlightService/DoGet");
      } catch (thrown) {
        return void call.emit("error", statusOf(thrown));
      }
      DoGet(call);
    },
  });
  const listener = await listenGrpc(server, { host: "127.0.0.1", port: 0 });
  cleanups.push(() => listener.close(0));
  const fields = { authorization: `Bearer ${token}` };
  const call = await blockedCall(listener.port, false, fields);
  nowMs = 2000;
  call.socket.write(start(3, DO_GET_PATH, ENDLESS, fields));
  const endOf = (id: number) => call.frames.filter((each) => each.stream === id && each.type === 1 && each.flags & 1);
  await until(() => endOf(3).length === 1, "the refusal");
  expect(endOf(1)).toHaveLength(0);
});
