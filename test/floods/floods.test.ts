/**
 * Floods of HTTP/2 against the whole server, both gRPC listeners, Flight by TLS: a flood is ended by GOAWAY or kept out,
 * another client is answered, and nothing is left behind. The long version, with times: soak.ts.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import * as grpc from "@grpc/grpc-js";
import { Health } from "../../src/grpc/generated/health.ts";
import { serviceClient } from "../../src/grpc/service.ts";
import { Certificates, contentOf, hasOpenssl } from "../support/certificates.ts";
import { type Processor, SAMPLE, startProcessor } from "../support/processor.ts";
import { until } from "../support/until.ts";
import { FLOODS, flood } from "./flood.ts";
import { residentMib } from "./resident.ts";

const FLOOD_MS_MAX = 30_000; // a busy machine; a flood is ended within a tenth of a second as a rule
const CALM = 11; // ENHANCE_YOUR_CALM
const GROWN_MIB_MAX = 128; // of all floods together, which is the heap's slack; one that is kept in memory has 1 GB

describe.skipIf(!hasOpenssl() || process.platform !== "linux")("floods", () => {
  const made = new Certificates();
  const ca = contentOf(made.ca).cert;
  let server: Processor;
  const clients: grpc.Client[] = [];

  beforeAll(async () => {
    const { cert, key } = made.issue("server");
    const flags = [`--flight-tls-cert-file=${cert}`, `--flight-tls-key-file=${key}`, "--worker-count=1"];
    server = await startProcessor([`--source-endpoint=${SAMPLE.folder}`, ...flags]);
    const trusted = grpc.credentials.createSsl(Buffer.from(ca));
    clients.push(new grpc.Client(server.control, grpc.credentials.createInsecure()));
    clients.push(new grpc.Client(server.flight.replace("127.0.0.1", "localhost"), trusted));
    await expectServes();
  }, 60_000);
  afterAll(async () => {
    for (const client of clients) client.close();
    await server.stop();
    made.remove();
  });

  /** Both listeners answer the clients that they have had all along. */
  async function expectServes(): Promise<void> {
    for (const client of clients) {
      const { status } = await serviceClient(client, Health).check({}, { deadlineMs: 30_000 });
      expect(status).toBe(1);
    }
  }
  const descriptors = () => readdirSync(`/proc/${server.pid}/fd`).length;

  /** @param host the last part of the address from which it comes, so that no flood is kept out for another */
  const floodBoth = (kind: string, host: number) =>
    Promise.all(
      [server.control, server.flight].map((address, listener) =>
        flood({
          port: Number(address.split(":")[1]),
          ...{
            kind,
            ms: FLOOD_MS_MAX,
            closedMax: 3,
            connections: 2,
            localAddress: `127.0.1.${host}`,
          },
          ca: listener === 0 ? undefined : ca,
        }),
      ),
    );

  test("each kind is ended, others are served, and nothing is left", async () => {
    await floodBoth("pings", 200); // the listeners have seen what a connection is
    const before = { mib: residentMib(server.pid), descriptors: descriptors() };
    const told = new Set<string>();
    for (const [host, kind] of Object.keys(FLOODS).entries()) {
      const flooded = floodBoth(kind, host + 1);
      await expectServes();
      for (const { goaways, closed } of await flooded) {
        expect([kind, closed > 0]).toEqual([kind, true]);
        for (const code of Object.keys(goaways)) told.add(`${kind} ${code}`);
      }
      await expectServes();
    }
    // A client that goes on writing may have its connection reset before it reads the GOAWAY.
    expect([...told].filter((each) => !each.endsWith(` ${CALM}`))).toEqual([]);
    expect(told.size).toBeGreaterThan((Object.keys(FLOODS).length * 2) / 3);
    await until(() => descriptors() <= before.descriptors, "descriptors given back");
    expect(residentMib(server.pid) - before.mib).toBeLessThan(GROWN_MIB_MAX);
  }, 60_000);

  test("they are counted, and said once a minute for each address", async () => {
    const metrics = async () => await (await fetch(`http://${server.http}/metrics`)).text();
    const counted = (text: string, name: string, listener: string) =>
      Number(
        new RegExp(`^contract_data_connections_${name}_total{listener="${listener}"} (\\d+)$`, "m").exec(text)?.[1],
      );
    for (const listener of ["control", "flight"]) {
      await until(async () => counted(await metrics(), "ended", listener) >= Object.keys(FLOODS).length, "the count");
      // An address is kept out from its third flood on; the counts of Flight come a moment after what they count.
      const refused = async () => {
        await floodBoth("pings", 200);
        return counted(await metrics(), "refused", listener) > 0;
      };
      await until(refused, "the count of those kept out");
    }
    const lines = server
      .output()
      .split("\n")
      .filter((line) => line.includes('"a connection was ended"'));
    const said = lines.map((line) => JSON.parse(line) as Record<string, string>);
    expect(said.length).toBeGreaterThan(5);
    expect(said.length).toBeLessThanOrEqual(40);
    expect(new Set(said.map(({ listener, peer }) => `${listener} ${peer}`)).size).toBe(said.length);
    expect(said.some(({ reason, why }) => reason === "HTTP2_FLOOD" && why!.includes("is it a flood?"))).toBe(true);
  }, 60_000);
});
