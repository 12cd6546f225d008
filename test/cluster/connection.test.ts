/** The connection to NATS: away at first, gone in between, over TLS, with every way to log in. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ClusterConnection } from "../../src/cluster/connection.ts";
import { clusterPlace } from "../../src/cluster/place.ts";
import { loadConfig } from "../../src/config/load.ts";
import { createLogger } from "../../src/ops/log.ts";
import { Certificates, hasOpenssl } from "../support/certificates.ts";
import { thrownBy } from "../support/failure.ts";
import { until } from "../support/until.ts";
import { natsAccounts } from "./nats-accounts.ts";
import { NatsServer, nats } from "./nats-server.ts";

const quiet = createLogger({ level: "error", output: { write: () => {} } });
const connectionOf = (env: Record<string, string>) =>
  new ClusterConnection(clusterPlace(loadConfig({ env }).values)!, quiet);
const isThere = (connection: ClusterConnection) => until(() => connection.condition.well, connection.condition.message);
const isAway = (connection: ClusterConnection) => until(() => !connection.condition.well, "NATS is away");

/** Asks JetStream for something. */
async function works(connection: ClusterConnection): Promise<void> {
  const manager = await connection.jetstream().jetstreamManager();
  expect(await manager.getAccountInfo()).toMatchObject({ streams: expect.any(Number) });
}

describe.skipIf(nats.missing !== undefined)("NATS", () => {
  test("is found late, lost, found again, and left", async () => {
    const server = await NatsServer.start();
    await server.kill();
    const connection = connectionOf({ CLUSTER: server.url });
    try {
      let found = 0;
      connection.onConnected(() => found++);
      await until(() => connection.condition.message.includes("refused"), "the refusal is told");
      const away = await thrownBy(() => connection.jetstream());
      expect(away).toMatchObject({ code: "UNAVAILABLE", reason: "CLUSTER_AWAY" });
      await server.restart();
      await isThere(connection);
      await works(connection);
      await server.kill();
      await isAway(connection);
      await server.restart();
      await isThere(connection);
      await works(connection);
      expect(found).toBe(2);
    } finally {
      const begun = performance.now();
      await connection.close();
      expect(performance.now() - begun).toBeLessThan(5_000);
      await server.stop();
    }
  });

  test("that accepts connections and says nothing does not hold up the end", async () => {
    const silent = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
    const connection = connectionOf({ CLUSTER: `nats://127.0.0.1:${silent.port}` });
    await Bun.sleep(50);
    const begun = performance.now();
    await connection.close();
    expect(performance.now() - begun).toBeLessThan(5_000);
    silent.stop(true);
  });

  test.each([
    ['authorization { user: "a", password: "p:@ss" }', "a:p%3A%40ss@", "a:wrong@"],
    ['authorization { token: "t0ken" }', "t0ken@", ""],
  ])("asks who it is: %s", async (config, login, wrong) => {
    const server = await NatsServer.start(config);
    const at = (who: string) => connectionOf({ CLUSTER: server.url.replace("//", `//${who}`) });
    const [right, refused] = [at(login), at(wrong)];
    try {
      await isThere(right);
      await works(right);
      await until(() => /authorization/i.test(refused.condition.message), refused.condition.message);
      expect(refused.condition.message).not.toContain("wrong");
    } finally {
      await Promise.all([right.close(), refused.close()]);
      await server.stop();
    }
  });
});

describe.skipIf(nats.missing !== undefined)("NATS with accounts", () => {
  test("takes a .creds file, and no other user's", async () => {
    const { config, creds } = natsAccounts();
    const folder = mkdtempSync(join(tmpdir(), "creds-"));
    const fileOf = (name: string, content: string) => {
      writeFileSync(join(folder, name), content);
      return join(folder, name);
    };
    const server = await NatsServer.start(config);
    const at = (file: string) => connectionOf({ CLUSTER: server.url, CLUSTER_CREDENTIALS_FILE: file });
    const right = at(fileOf("right.creds", creds));
    const foreign = at(fileOf("foreign.creds", natsAccounts().creds));
    try {
      await isThere(right);
      await works(right);
      await until(() => /authorization/i.test(foreign.condition.message), foreign.condition.message);
    } finally {
      await Promise.all([right.close(), foreign.close()]);
      await server.stop();
      rmSync(folder, { recursive: true });
    }
  });
});

describe.skipIf(nats.missing !== undefined || !hasOpenssl())("NATS over TLS", () => {
  const certificates = new Certificates();
  let server: NatsServer;
  beforeAll(async () => {
    const own = certificates.issue("nats");
    server = await NatsServer.start(
      `tls { cert_file: "${own.cert}", key_file: "${own.key}", ca_file: "${certificates.ca.cert}", verify: true }`,
    );
  });
  afterAll(async () => {
    await server.stop();
    rmSync(certificates.folder, { recursive: true });
  });

  test("with a certificate on both sides", async () => {
    const client = certificates.issue("node");
    const other = certificates.authority("other");
    const tls = { CLUSTER_CERT_FILE: client.cert, CLUSTER_KEY_FILE: client.key };
    const CLUSTER = server.url.replace("nats:", "tls:");
    const right = connectionOf({ CLUSTER, CLUSTER_CA_FILE: certificates.ca.cert, ...tls });
    const unknown = connectionOf({ CLUSTER, CLUSTER_CA_FILE: other.cert, ...tls });
    const bare = connectionOf({ CLUSTER, CLUSTER_CA_FILE: certificates.ca.cert });
    try {
      await isThere(right);
      await works(right);
      await until(() => /certificate/i.test(unknown.condition.message), unknown.condition.message);
      await Bun.sleep(200);
      expect(bare.condition.well).toBe(false);
    } finally {
      await Promise.all([right.close(), unknown.close(), bare.close()]);
    }
  });

  test("is demanded of a server that does not speak it", async () => {
    const plain = await NatsServer.start();
    const connection = connectionOf({ CLUSTER: plain.url.replace("nats:", "tls:") });
    try {
      await until(() => /tls/i.test(connection.condition.message), connection.condition.message);
    } finally {
      await connection.close();
      await plain.stop();
    }
  });
});

test("a credentials file that is none is refused at the start", async () => {
  const { values } = loadConfig({ env: { CLUSTER: "nats://n", CLUSTER_CREDENTIALS_FILE: import.meta.path } });
  expect(await thrownBy(() => clusterPlace(values))).toMatchObject({ reason: "CREDENTIALS_FILE" });
});

test.each([
  ["nats://a", { servers: ["a:4222"], tls: false }],
  ["nats://a:1,b:2,nats://c", { servers: ["a:1", "b:2", "c:4222"], tls: false }],
  ["tls://u:p@a,b", { servers: ["a:4222", "b:4222"], tls: true, login: { user: "u", password: "p" } }],
  ["nats://t@[::1]:5", { servers: ["[::1]:5"], tls: false, login: { token: "t" } }],
])("CLUSTER=%s", (text, servers) => {
  expect(loadConfig({ env: { CLUSTER: text } }).values.cluster).toEqual(servers);
});

test.each([
  "a:4222",
  "http://a",
  "nats://",
  "nats://a:0",
  "nats://a:b:c",
  "nats://x@a,y@b",
  "nats://a,,b",
  "nats://%@a",
])("CLUSTER=%s is refused, and not shown", async (text) => {
  const refusal = await thrownBy(() => loadConfig({ env: { CLUSTER: text } }));
  expect(refusal.message).toContain("CLUSTER is not right, and not shown");
});
