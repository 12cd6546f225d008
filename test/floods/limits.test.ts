/** The limits of connections that are settings have their effect, at both gRPC listeners, Flight's by TLS. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import net from "node:net";
import tls from "node:tls";
import { CLIENT_PREFACE, frame, reset, settings, wholeFrames } from "../http2/frames.ts";
import { opening, start } from "../http2/raw-call.ts";
import { Certificates, contentOf, hasOpenssl } from "../support/certificates.ts";
import { type Processor, SAMPLE, startProcessor } from "../support/processor.ts";
import { until } from "../support/until.ts";

const CHECK = "/grpc.health.v1.Health/Check";
const CALLS = 1000;
const CONNECTIONS = 4;
const STREAMS_MAX = CALLS / CONNECTIONS;

const RESETS_AT_ONCE = 480;
const RESETS_A_SECOND = 98;
const RESETS = 1380; // node:http2 by itself ends a connection after 1,000 and 33 a second

describe.skipIf(!hasOpenssl())("limits of connections", () => {
  const made = new Certificates();
  const ca = contentOf(made.ca).cert;
  let server: Processor;
  const sockets: net.Socket[] = [];

  beforeAll(async () => {
    const { cert, key } = made.issue("server");
    const limits = [
      "--handshake-timeout=400ms",
      "--connection-idle-timeout=1s",
      `--connection-streams-max=${STREAMS_MAX}`,
    ];
    const flags = [`--flight-tls-cert-file=${cert}`, `--flight-tls-key-file=${key}`, "--worker-count=1", ...limits];
    server = await startProcessor([`--source-endpoint=${SAMPLE.folder}`, ...flags]);
  }, 60_000);
  afterAll(async () => {
    for (const socket of sockets) socket.destroy();
    await server.stop();
    made.remove();
  });

  /** @param secure by TLS; undefined: as the listener is */
  function connect(listener: "control" | "flight", secure = listener === "flight") {
    const to = { port: Number(server[listener].split(":")[1]), host: "127.0.0.1" };
    const socket = secure ? tls.connect({ ...to, ca, ALPNProtocols: ["h2"] }) : net.connect(to);
    sockets.push(socket);
    const seen = { bytes: Buffer.alloc(0) as Buffer, over: false };
    socket.on("data", (bytes: Buffer) => {
      seen.bytes = Buffer.concat([seen.bytes, bytes]);
    });
    socket.on("error", () => {});
    socket.on("close", () => {
      seen.over = true;
    });
    return { socket, over: () => seen.over, frames: () => wholeFrames(seen.bytes) };
  }

  for (const listener of ["control", "flight"] as const) {
    test(`${listener}: who says nothing is closed, in TLS's handshake and after it`, async () => {
      for (const secure of [false, true]) {
        if (secure && listener === "control") continue;
        await until(connect(listener, secure).over, "the connection's end");
      }
    }, 60_000);

    test(`${listener}: a connection without a call is ended by GOAWAY, and says how many calls it may have`, async () => {
      const { socket, frames, over } = connect(listener);
      socket.write(Buffer.concat([CLIENT_PREFACE, settings(), start(1, CHECK, Buffer.alloc(0))]));
      await until(over, "the connection's end");
      const [first] = frames().filter(({ type }) => type === 4);
      expect([first!.payload.readUInt16BE(0), first!.payload.readUInt32BE(2)]).toEqual([3, STREAMS_MAX]);
      const [goaway] = frames().filter(({ type }) => type === 7);
      expect(goaway!.payload.readUInt32BE(4)).toBe(0); // NO_ERROR
    }, 60_000);

    test(`${listener}: ${CALLS} half-sent requests harm nobody`, async () => {
      const half = Buffer.from([0, 0, 0, 0, 100, 1]); // a message of 100 bytes, and the first
      const connections = Array.from({ length: CONNECTIONS }, () => connect(listener));
      for (const { socket } of connections) {
        socket.write(Buffer.concat([CLIENT_PREFACE, settings()]));
        for (let call = 0; call < STREAMS_MAX; call++) {
          const stream = 2 * call + 1;
          socket.write(Buffer.concat([opening(stream, CHECK), frame(0, 0, stream, half)]));
        }
        socket.write(frame(6, 0, 0, Buffer.alloc(8)));
      }
      await until(() => connections.every(({ frames }) => frames().some(({ type }) => type === 6)), "all of it read");
      const other = connect(listener);
      other.socket.write(Buffer.concat([CLIENT_PREFACE, settings(), start(1, CHECK, Buffer.alloc(0))]));
      await until(() => other.frames().some(({ type, payload }) => type === 0 && payload.length > 5), "an answer");
      for (const each of connections) {
        expect(each.over()).toBe(false);
        each.socket.destroy();
      }
    }, 60_000);
  }

  test("who cancels as many calls as are allowed goes on, at both", async () => {
    const ends = (["control", "flight"] as const).map(async (listener) => {
      const { socket, frames, over } = connect(listener);
      const pong = () => frames().some(({ type, flags }) => type === 6 && flags === 1);
      socket.write(Buffer.concat([CLIENT_PREFACE, settings()]));
      const begunMs = performance.now();
      for (let sent = 0; sent < RESETS; ) {
        const allowed = RESETS_AT_ONCE + (RESETS_A_SECOND * (performance.now() - begunMs)) / 1000;
        for (; sent < Math.min(allowed, RESETS); sent++) {
          socket.write(Buffer.concat([start(2 * sent + 1, CHECK, Buffer.alloc(0)), reset(2 * sent + 1)]));
        }
        await Bun.sleep(20);
      }
      socket.write(frame(6, 0, 0, Buffer.alloc(8)));
      await until(() => pong() || over(), "an answer, or the connection's end");
      return [listener, pong(), over()];
    });
    expect(await Promise.all(ends)).toEqual([
      ["control", true, false],
      ["flight", true, false],
    ]);
  }, 60_000);
});
