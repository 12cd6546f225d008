/** HTTP where clients are asked for certificates: who asks is known, and nothing of HTTP is lost on the way. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { once } from "node:events";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import tls from "node:tls";
import { Hono } from "hono";
import { CodedError } from "../../src/error.ts";
import type { OpsTypes } from "../../src/ops/ops-hono.ts";
import type { OpsServer } from "../../src/ops/server.ts";
import { startBehindFront } from "../../src/ops/tls-front.ts";
import { Certificates, contentOf, hasOpenssl, type KeyPair } from "../support/certificates.ts";
import { until } from "../support/until.ts";

const HANDSHAKE_MS_MAX = 1000;
const CONNECTIONS_MAX = 24;
const BLOCK_BYTES = 256 << 10;
const LONG_BLOCKS = 400; // 100 MiB, more than sockets hold
const HELD_BLOCKS_MAX = 200; // of a client that reads nothing: what the system holds for two connections

/** What the app saw of the streams that it answered with. */
const seen = { blocks: 0, cancelled: 0 };

const app = new Hono<OpsTypes>();
app.get("/who", (context) => context.json({ peer: context.env.peer, name: context.env.certificateName ?? null }));
app.get("/blocks/:count", (context) => {
  let left = Number(context.req.param("count"));
  const pull = (controller: ReadableStreamDefaultController<Uint8Array>) => {
    if (left === 0) controller.close();
    else controller.enqueue(new Uint8Array(BLOCK_BYTES).fill(left--));
    seen.blocks++;
  };
  return new Response(new ReadableStream({ pull, cancel: () => void seen.cancelled++ }));
});
app.get("/events", (context) => {
  context.env.stayOpen?.(true);
  const start = (controller: ReadableStreamDefaultController<Uint8Array>) =>
    controller.enqueue(Buffer.from("data: 1\n\n"));
  const headers = { "Content-Type": "text/event-stream" };
  return new Response(new ReadableStream({ start, cancel: () => void seen.cancelled++ }), { headers });
});

describe.skipIf(!hasOpenssl() || process.platform !== "linux")("the front", () => {
  const made = new Certificates();
  const ca = contentOf(made.ca).cert;
  const own = made.issue("server");
  const team = contentOf(made.issue("team-a"));
  let server: OpsServer;

  const start = (requiresClientCert = false, port = 0) =>
    startBehindFront(app, {
      ...{
        host: "127.0.0.1",
        port,
        handshakeMsMax: HANDSHAKE_MS_MAX,
        connectionsMax: CONNECTIONS_MAX,
        peerLimits: "identity",
        warn: () => {},
      },
      ...{ tls: { ...contentOf(own), ca: [ca], requiresClientCert }, hasRoom: () => true },
    });
  beforeAll(async () => {
    server = await start();
  });
  afterAll(async () => {
    await server.close();
    made.remove();
  });

  const get = (path: string, pair?: KeyPair, init: RequestInit = {}, { port } = server) =>
    fetch(`https://127.0.0.1:${port}${path}`, { ...init, tls: { ca, ...pair }, keepalive: false });
  const connect = (pair?: KeyPair, { port } = server) => {
    const socket = tls.connect({ port, host: "127.0.0.1", ca, ...pair });
    socket.on("error", () => {});
    return socket;
  };
  /** Ports of loopback on which this process listens. */
  const listeningPorts = () => {
    const mine = new Set(
      readdirSync("/proc/self/fd").map((fd) => {
        try {
          return readlinkSync(`/proc/self/fd/${fd}`);
        } catch {
          return "";
        }
      }),
    );
    const rows = readFileSync("/proc/self/net/tcp", "utf8").trim().split("\n").slice(1);
    const listening = rows.map((row) => row.trim().split(/\s+/)).filter((fields) => fields[3] === "0A");
    const own = listening.filter((fields) => mine.has(`socket:[${fields[9]}]`));
    return own.map((fields) => Number.parseInt(fields[1]!.split(":")[1]!, 16));
  };

  test("tells the client's own address and its certificate's name, each client's its own", async () => {
    const who = async (pair?: KeyPair) => (await (await get("/who", pair)).json()) as { peer: string; name: string };
    const [other, none] = [contentOf(made.issue("team-b")), undefined];
    const names = await Promise.all([team, other, none, team, none, other].map(who));
    expect(names.map(({ name }) => name)).toEqual(["team-a", "team-b", null, "team-a", null, "team-b"] as string[]);
    const socket = connect(team);
    socket.write("GET /who HTTP/1.1\r\nHost: x\r\n\r\n");
    const [answer] = await once(socket, "data");
    expect(String(answer)).toContain(`"peer":"127.0.0.1:${socket.localPort}"`);
    socket.destroy();
  });

  test("a certificate that is not trusted is refused", async () => {
    const strange = contentOf(made.issue("admin", { authority: made.authority("other") }));
    const expired = contentOf(made.issue("old", { days: -1 }));
    for (const pair of [strange, expired]) await expect(get("/who", pair)).rejects.toThrow();
  });

  test("with require, nobody comes without a certificate", async () => {
    const strict = await start(true);
    for (let time = 0; time < 20; time++) await expect(get("/who", undefined, {}, strict)).rejects.toThrow();
    expect((await get("/who", team, {}, strict)).status).toBe(200);
    await strict.close();
  });

  test("what comes to the HTTP server by another way is refused", async () => {
    const ports = listeningPorts().filter((port) => port !== server.port);
    expect(ports.length).toBeGreaterThan(0);
    for (const port of ports) {
      expect((await fetch(`http://127.0.0.1:${port}/who`, { keepalive: false })).status).toBe(403);
    }
  });

  test("a client that reads nothing holds the answer back, then has all of it", async () => {
    const { body } = await get(`/blocks/${LONG_BLOCKS}`, team);
    let blocks = -1;
    const isStill = () => {
      const was = blocks;
      blocks = seen.blocks;
      return Bun.sleep(200).then(() => was === seen.blocks);
    };
    await until(isStill, "the answer to stand still");
    expect(seen.blocks).toBeLessThan(HELD_BLOCKS_MAX);
    let bytes = 0;
    for await (const chunk of body!) {
      for (const at of [0, chunk.length - 1]) {
        expect(chunk[at]).toBe((LONG_BLOCKS - Math.floor((bytes + at) / BLOCK_BYTES)) % 256);
      }
      bytes += chunk.length;
    }
    expect(bytes).toBe(LONG_BLOCKS * BLOCK_BYTES);
  }, 30_000);

  test("an event comes while the answer goes on, and a client that leaves ends it", async () => {
    const leave = new AbortController();
    const { body } = await get("/events", team, { signal: leave.signal });
    const reader = body!.getReader();
    expect(Buffer.from((await reader.read()).value!).toString()).toBe("data: 1\n\n");
    const before = seen.cancelled;
    leave.abort();
    await until(() => seen.cancelled > before, "the answer's end");
  });

  test("new certificates are shown to who connects, and answers under way go on", async () => {
    const { body } = await get(`/blocks/${LONG_BLOCKS}`, team);
    const serial = () =>
      new Promise<string>((resolve) => {
        const socket = connect(team);
        socket.once("secureConnect", () => {
          resolve(socket.getPeerCertificate().serialNumber);
          socket.destroy();
        });
      });
    const before = await serial();
    const renewed = { ...contentOf(made.issue("server-2")), ca: [ca], requiresClientCert: false };
    server.renewTls(renewed);
    expect(await serial()).not.toBe(before);
    expect((await (await get("/who", team)).json()) as object).toMatchObject({ name: "team-a" });
    expect((await new Response(body).arrayBuffer()).byteLength).toBe(LONG_BLOCKS * BLOCK_BYTES);
  }, 30_000);

  test("one certificate has half of all connections, and who does not shake hands is closed", async () => {
    const pair = contentOf(made.issue("crowd"));
    const ends: { isIn: boolean; isOver: boolean }[] = [];
    const connectOne = async () => {
      const socket = connect(pair);
      const end = { isIn: false, isOver: false };
      socket.write("GET /who HTTP/1.1\r\nHost: x\r\n\r\n");
      socket.on("data", () => {
        end.isIn = true;
      });
      socket.on("close", () => {
        end.isOver = true;
      });
      ends.push(end);
      await until(() => end.isIn || end.isOver, "an answer");
    };
    for (let each = 0; each < CONNECTIONS_MAX / 2 + 3; each++) await connectOne();
    expect(ends.filter(({ isIn }) => isIn).length).toBe(CONNECTIONS_MAX / 2);
    expect((await get("/who", team)).status).toBe(200);
    server.shed();
    await until(() => ends.every(({ isOver }) => isOver), "all to be given up");
    let isOver = false;
    const silent = await Bun.connect({
      hostname: "127.0.0.1",
      port: server.port,
      socket: {
        data() {},
        close() {
          isOver = true;
        },
      },
    });
    await until(() => isOver, "its end");
    silent.end();
  }, 60_000);

  test("close lets an answer under way end, and leaves nobody listening", async () => {
    const ports = listeningPorts();
    const closing = await start();
    const { body } = await get("/blocks/40", team, {}, closing);
    const closed = closing.close();
    expect((await new Response(body).arrayBuffer()).byteLength).toBe(40 * BLOCK_BYTES);
    await closed;
    await expect(get("/who", team, {}, closing)).rejects.toThrow();
    expect(listeningPorts().sort()).toEqual(ports.sort());
  });

  test("a port that is taken is UNAVAILABLE", async () => {
    const taken = start(false, server.port);
    await expect(taken).rejects.toBeInstanceOf(CodedError);
    await expect(taken).rejects.toMatchObject({ code: "UNAVAILABLE", reason: "HTTP_ADDRESS_UNAVAILABLE" });
  });
});
