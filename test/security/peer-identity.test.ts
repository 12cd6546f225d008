/** PEER_LIMITS=identity: two callers behind one address, as behind a load balancer. One at its limit does no harm to the other. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import tls from "node:tls";
import * as grpc from "@grpc/grpc-js";
import { ServerReflection } from "../../src/grpc/generated/reflection-v1.ts";
import { clientCredentials } from "../../src/grpc/tls-credentials.ts";
import { Certificates, contentOf, hasOpenssl } from "../support/certificates.ts";
import { until } from "../support/until.ts";
import { bearer, type GuardedServer, type Name, rawCall, startGuarded } from "./support.ts";

const CONNECTIONS_MAX = 8; // one client has half of them
const REQUEST_BYTES = 3 << 20; // of Flight's 16 MiB for one client, and 48 for all
const REFLECTION = `${ServerReflection.typeName}/ServerReflectionInfo`;

describe.skipIf(!hasOpenssl())("with PEER_LIMITS=identity", () => {
  const made = new Certificates();
  const ca = contentOf(made.ca).cert;
  const open: { destroy(): void }[] = [];
  let server: GuardedServer;

  beforeAll(async () => {
    const own = made.issue("server");
    server = await startGuarded({
      ...{ TLS_CERT_FILE: own.cert, TLS_KEY_FILE: own.key, HEALTH_TLS_CERT_FILE: "off" },
      ...{ TLS_CLIENT_CA_FILE: made.ca.cert, TLS_CLIENT_AUTH: "request", HEALTH_TLS_CLIENT_CA_FILE: "off" },
      ...{ PEER_LIMITS: "identity", GRPC_CONNECTIONS_MAX: String(CONNECTIONS_MAX) },
    });
  }, 60_000);
  afterAll(async () => {
    for (const each of open) each.destroy();
    await server.close();
    made.remove();
  });

  test("connections are counted by certificate", async () => {
    const port = Number(server.processor.control.split(":")[1]);
    const connect = (name: Name) => {
      const pair = contentOf(made.issue(name));
      return async () => {
        const seen = { isUp: false, isOver: false };
        const socket = tls.connect({ port, host: "127.0.0.1", ca, ...pair, ALPNProtocols: ["h2"] });
        open.push(socket);
        socket.on("error", () => {});
        socket.on("data", () => {
          seen.isUp = true; // the server's SETTINGS
        });
        socket.on("close", () => {
          seen.isOver = true;
        });
        await until(() => seen.isUp || seen.isOver, "an answer");
        return seen.isUp ? "in" : "refused";
      };
    };
    const times = async (count: number, one: () => Promise<string>) => {
      const ends: string[] = [];
      for (let each = 0; each < count; each++) ends.push(await one());
      return ends;
    };
    const half = CONNECTIONS_MAX / 2;
    expect(await times(half + 2, connect("reader"))).toEqual([...Array(half).fill("in"), "refused", "refused"]);
    expect(await times(half - 1, connect("operator"))).toEqual(Array(half - 1).fill("in"));
  }, 60_000);

  test("what calls hold is counted by name", async () => {
    const client = new grpc.Client(server.processor.flight, clientCredentials(server.processor.flight, { ca: [ca] }));
    open.push({ destroy: () => client.close() });
    const request = ServerReflection.methods.serverReflectionInfo.request.encode({
      fileByFilename: "x".repeat(REQUEST_BYTES),
    });
    /** A call that is answered, and stays open with its request; or how it ends. */
    const hold = (name: Name): Promise<string> => {
      const metadata = new grpc.Metadata();
      metadata.set("authorization", bearer(server.keys[name]).authorization);
      const bytes = (value: Uint8Array) => Buffer.from(value);
      const call = client.makeBidiStreamRequest(`/${REFLECTION}`, bytes, bytes, metadata);
      open.push({ destroy: () => call.cancel() });
      return new Promise((resolve) => {
        call.on("data", () => resolve("held"));
        call.on("error", () => {});
        call.on("status", ({ metadata: trailers }) => resolve(String(trailers.get("reason")[0])));
        call.write(request);
      });
    };
    const ends: string[] = [];
    for (let count = 0; count < 7; count++) ends.push(await hold("reader"));
    expect(ends).toEqual([...Array(5).fill("held"), "CALL_BYTES", "CALL_BYTES"]);
    expect(await hold("operator")).toBe("held");
    const key = bearer(server.keys.operator);
    expect(await rawCall(client, "arrow.flight.protocol.FlightService/ListFlights", key)).toMatchObject({ code: "OK" });
  }, 60_000);
});
