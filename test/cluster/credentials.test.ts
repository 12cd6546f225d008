/** Two nodes that speak TLS and ask who is calling: a signed ticket of one is read at the other, by the same name and password. */
import { describe, expect, test } from "bun:test";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { loadConfig } from "../../src/config/load.ts";
import { FlightClient } from "../../src/flight-client/client.ts";
import { readAll } from "../../src/flight-client/read-anywhere.ts";
import { openSource } from "../../src/sources/open.ts";
import { sourceAccess } from "../../src/sources/source-access.ts";
import { Certificates, contentOf, hasOpenssl } from "../support/certificates.ts";
import { type LocalServer, localServer } from "../support/local-server.ts";
import { SAMPLE } from "../support/processor.ts";
import { until } from "../support/until.ts";
import { NatsServer, nats } from "./nats-server.ts";

describe.skipIf(nats.missing !== undefined || !hasOpenssl())("nodes that ask who is calling", () => {
  test("take each other's tickets, where their key is one", async () => {
    const server = await NatsServer.start();
    const certificates = new Certificates();
    const own = certificates.issue("node");
    const key = (name: string, text: string) => {
      const file = join(certificates.folder, name);
      writeFileSync(file, text.repeat(32));
      return file;
    };
    const { values } = loadConfig({ env: { SOURCE_ENDPOINT: SAMPLE.folder } });
    const nodeOf = async (ticketKeyFile: string) =>
      localServer(
        await openSource(values.sourceEndpoint, sourceAccess(values)),
        {
          ...{ cluster: server.url, "cluster-lease": "1s", "ticket-key-file": ticketKeyFile, "worker-count": "1" },
          ...{ "flight-tls-cert-file": own.cert, "flight-tls-key-file": own.key, "flight-credentials": "ann:secret" },
        },
        [],
      );
    const shared = key("shared", "a");
    const nodes: LocalServer[] = [];
    try {
      nodes.push(await nodeOf(shared), await nodeOf(shared));
      const countOf = async ({ control }: LocalServer) => (await control.listNodes({})).nodes.length;
      await until(async () => (await countOf(nodes[0]!)) === 2 && (await countOf(nodes[1]!)) === 2, "two");
      nodes.push(await nodeOf(key("other", "b")));
      await until(async () => (await nodes[2]!.control.listNodes({})).message.includes("signed"), "the third is told");
      const alone = await nodes[2]!.control.listNodes({});
      expect(alone.nodes).toHaveLength(1);
      expect(alone.message).toContain("its tickets are signed with another key: give every node one TICKET_KEY_FILE");

      const tls = { ca: [contentOf(certificates.ca).cert] };
      const client = new FlightClient(`127.0.0.1:${nodes[0]!.processor.addresses.flight.port}`, { tls });
      await client.login("ann", "secret");
      const range = { start_ledger: SAMPLE.first, end_ledger: SAMPLE.last, filters: { include_deleted: true } };
      const endpoints = await client.range({ ...range, endpoints: 2 });
      const other = `grpc+tls://127.0.0.1:${nodes[1]!.processor.addresses.flight.port}`;
      expect(endpoints[1]!.locations[0]).toBe(other);
      expect(JSON.parse(Buffer.from(endpoints[0]!.ticket).toString()).sig).toBeString();
      let rows = 0;
      const elsewhere = endpoints.map(({ ticket }) => ({ ticket, locations: [other] }));
      for await (const { table } of readAll(client, elsewhere)) rows += table.numRows;
      expect(rows).toBe(SAMPLE.rows);
      // what came over TLS is not sent without
      expect(() => client.at(other.replace("tls", "tcp"))).toThrow("has no TLS");
      client.close();
    } finally {
      await Promise.all(nodes.map((node) => node.close()));
      await server.stop();
      rmSync(certificates.folder, { recursive: true });
    }
  }, 60_000);
});
