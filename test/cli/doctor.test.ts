/** `doctor` over what is right, and over one wrong thing at a time. */
import { afterAll, expect, test } from "bun:test";
import { chmodSync, cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { COMMANDS } from "../../src/main.ts";
import { Certificates, hasOpenssl, type KeyPair } from "../support/certificates.ts";
import { GoSource } from "../support/go-source.ts";
import { PUBNET, TESTNET } from "../support/networks.ts";
import { PORTS, SAMPLE } from "../support/processor.ts";
import { RpcServer } from "../support/rpc-server.ts";
import { cli } from "./harness.ts";

const scratch = mkdtempSync(join(tmpdir(), "doctor-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

interface Finding {
  subject: string;
  state: string;
  detail: string;
}

async function doctor(...flags: string[]) {
  // A flag that a test gives stands in the place of one of PORTS.
  const ports = PORTS.filter((port) => !flags.includes(port.split("=")[0]!));
  const { code, out, err } = await cli(["doctor", "--format", "json", ...ports, ...flags], COMMANDS);
  if (out === "") throw new Error(err);
  const lines = out.trimEnd().split("\n");
  const findings = lines.map((line) => JSON.parse(line) as Finding);
  return { code, err, of: (subject: string) => findings.find((finding) => finding.subject === subject) };
}

/** The lake's newest file, by its path. */
function newestFile(lake: string): string {
  const folder = readdirSync(lake).find((name) => name.includes("--"))!;
  return join(lake, folder, readdirSync(join(lake, folder)).sort()[0]!);
}

test("what is right: every line is ok or a note, nothing is written, and the exit code is 0", async () => {
  const dataDir = join(scratch, "not", "there");
  const { code, err, of } = await doctor("--source-endpoint", SAMPLE.folder, "--data-dir", dataDir);
  expect({ code, err }).toEqual({ code: 0, err: "" });
  const { state, detail } = of("SOURCE_ENDPOINT")!;
  expect(state).toBe("ok");
  expect(detail).toStartWith(`lake ${SAMPLE.folder} is of "${PUBNET}"; its newest ledger is ${SAMPLE.last}: `);
  expect(of("DATA_DIR")).toEqual({ subject: "DATA_DIR", state: "ok", detail: `${dataDir} will be made` });
  expect(existsSync(join(scratch, "not"))).toBe(false);
  for (const listener of ["GRPC_ADDRESS", "FLIGHT_ADDRESS", "HEALTH_PORT"]) expect(of(listener)?.state).toBe("ok");
  expect(of("FLIGHT_CREDENTIALS")?.state).toBe("note");
  expect(of("MAX_MEMORY_MB")?.state).not.toBe("trouble");
});

test("each source is looked at, and one that is wrong does not hide the others", async () => {
  const ledger = new Uint8Array(Bun.zstdDecompressSync(readFileSync(newestFile(SAMPLE.folder)))).subarray(12);
  using rpc = new RpcServer(new Map([[SAMPLE.last, ledger]]), TESTNET);
  const nothing = join(scratch, "nothing/");
  const sources = `history=${SAMPLE.folder},live=rpc+${rpc.url},lost=${nothing}`;
  const { code, of } = await doctor(
    "--source-endpoint",
    SAMPLE.folder,
    "--sources",
    sources,
    "--network-passphrase",
    TESTNET,
  );
  expect(code).toBe(1);
  expect(of("SOURCES live")?.detail).toContain(`its newest ledger is ${SAMPLE.last}: ${ledger.length} B`);
  const mismatch = `it is of "${PUBNET}", and NETWORK_PASSPHRASE is "${TESTNET}": mend one of them`;
  expect(of("SOURCE_ENDPOINT")).toMatchObject({ state: "trouble", detail: `lake ${SAMPLE.folder}: ${mismatch}` });
  expect(of("SOURCES history")?.state).toBe("trouble");
  expect(of("SOURCES lost")).toMatchObject({ state: "trouble" });
  expect(of("SOURCES lost")?.detail).toContain("nothing");
});

test("a key in the address of an RPC server is not shown", async () => {
  using rpc = new RpcServer(new Map(), PUBNET, () => new Response("no", { status: 403 }));
  const { code, of } = await doctor("--source-endpoint", `rpc+${rpc.url}`);
  expect(code).toBe(1);
  expect(of("SOURCE_ENDPOINT")?.detail).toContain("403");
  expect(JSON.stringify(of("SOURCE_ENDPOINT"))).not.toContain("secret-key");
});

test("a lake whose newest file is damaged", async () => {
  const lake = join(scratch, "damaged");
  cpSync(SAMPLE.folder, lake, { recursive: true });
  writeFileSync(newestFile(lake), "not zstd");
  const { code, of } = await doctor("--source-endpoint", lake);
  expect(code).toBe(1);
  expect(of("SOURCE_ENDPOINT")?.detail).toContain(newestFile(lake));
});

test("a raw-ledger service that is away", async () => {
  const { code, of } = await doctor("--source-endpoint", "127.0.0.1:1");
  expect(code).toBe(1);
  expect(of("SOURCE_ENDPOINT")).toMatchObject({ state: "trouble" });
  expect(of("SOURCE_ENDPOINT")?.detail).toContain("127.0.0.1:1");
});

test("a raw-ledger service that is there", async () => {
  using source = await GoSource.start(["-count", "1", "-size", "1000", "-authorization", "Bearer s3cret"]);
  if (source === undefined) return;
  const known = await doctor("--source-endpoint", source.address, "--source-authorization", "Bearer s3cret");
  expect(known.of("SOURCE_ENDPOINT")).toMatchObject({ state: "ok" });
  const stranger = await doctor("--source-endpoint", source.address);
  expect(stranger.code).toBe(1);
  expect(stranger.of("SOURCE_ENDPOINT")?.detail).toContain("who is []?");
});

test("each member of a join is looked at by itself", async () => {
  const { code, of } = await doctor("--source-endpoint", `${SAMPLE.folder}|127.0.0.1:1`);
  expect(code).toBe(1);
  expect(of("SOURCE_ENDPOINT (1 of 2)")?.state).toBe("ok");
  expect(of("SOURCE_ENDPOINT (2 of 2)")?.state).toBe("trouble");
});

test("a meta stream: a FIFO is not read, a server that is away is told", async () => {
  const fifo = join(scratch, "meta.fifo");
  expect(Bun.spawnSync(["mkfifo", fifo]).exitCode).toBe(0);
  const { code, of } = await doctor("--source-endpoint", `meta:${fifo}`, "--sources", "tcp=meta+tcp://127.0.0.1:1");
  expect(code).toBe(1);
  expect(of("SOURCE_ENDPOINT")).toMatchObject({
    state: "ok",
    detail: `${fifo} is a FIFO that can be read (it was not)`,
  });
  expect(of("SOURCES tcp")).toMatchObject({ state: "trouble" });
  expect(of("SOURCES tcp")?.detail).toContain("127.0.0.1:1");
});

test("a port that is taken, a file in the place of a folder, credentials that cannot be read", async () => {
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve));
  const { port } = taken.address() as { port: number };
  const file = join(scratch, "file");
  writeFileSync(file, "");
  const { code, of } = await doctor(
    ...["--source-endpoint", SAMPLE.folder, "--flight-address", `127.0.0.1:${port}`, "--data-dir", file],
    ...["--flight-credentials", `@${scratch}/none`],
  );
  taken.close();
  expect(code).toBe(1);
  expect(of("FLIGHT_ADDRESS")).toMatchObject({ state: "note" });
  expect(of("FLIGHT_ADDRESS")?.detail).toContain(`127.0.0.1:${port} is taken`);
  expect(of("DATA_DIR")).toMatchObject({ state: "trouble", detail: `${file} is a file: name a folder` });
  expect(of("FLIGHT_CREDENTIALS")?.state).toBe("trouble");
});

test("certificates of the listeners: how long they are valid, who has none, what cannot be used", async () => {
  if (!hasOpenssl()) return;
  const made = new Certificates();
  try {
    const look = async (pair: KeyPair, ...flags: string[]) => {
      const files = ["--tls-cert-file", pair.cert, "--tls-key-file", pair.key];
      const { code, of } = await doctor("--source-endpoint", SAMPLE.folder, ...files, ...flags);
      const { state, detail } = of("TLS_CERT_FILE") ?? {};
      return [code, state, detail];
    };
    const good = made.issue("good", { days: 90 });
    expect(await look(good)).toEqual([0, "ok", expect.stringMatching(/is valid until .*, for 89 days$/)]);
    expect(await look(good, "--health-tls-cert-file=off")).toEqual([
      0,
      "note",
      expect.stringMatching(/without TLS: http$/),
    ]);
    expect(await look(made.issue("short", { days: 9 }))).toEqual([
      0,
      "note",
      expect.stringMatching(/8 days: renew it$/),
    ]);
    expect(await look(made.issue("old", { days: -1 }))).toEqual([1, "trouble", expect.stringContaining("has expired")]);
    const early = made.issue("early", { isFuture: true });
    expect(await look(early)).toEqual([1, "trouble", expect.stringContaining("not valid before 2040-01-01")]);
    const [code, state, detail] = await look({ ...good, key: early.key });
    expect([code, state, detail]).toEqual([1, "trouble", expect.stringContaining("is not the key of")]);
    const roles = made.file("access.json");
    writeFileSync(roles, '{"names":{"good":{"role":"admin"}}}');
    const files = ["--tls-cert-file", good.cert, "--tls-key-file", good.key, "--tls-client-ca-file", made.ca.cert];
    const byCertificate = [...files, "--access-file", roles, "--access-open", "metrics"].concat(
      "--health-tls-client-ca-file=off",
    );
    const { of } = await doctor("--source-endpoint", SAMPLE.folder, ...byCertificate);
    chmodSync(roles, 0o646);
    const writable = await doctor("--source-endpoint", SAMPLE.folder, ...byCertificate);
    expect(writable.of("API_KEYS_FILE")).toMatchObject({
      state: "trouble",
      detail: expect.stringContaining(`${roles} may be written by every user`),
    });
    expect(of("API_KEYS_FILE")).toMatchObject({
      state: "note",
      detail: expect.stringContaining(
        "HTTP refuses everybody, but for metrics: names are proved by client certificates",
      ),
    });
  } finally {
    made.remove();
  }
}, 60_000);

test("the text for people: a line for each thing", async () => {
  const { out } = await cli(["doctor", ...PORTS, "--source-endpoint", SAMPLE.folder], COMMANDS);
  const lines = out.trimEnd().split("\n");
  expect(lines.length).toBe(9);
  expect(lines[0]).toStartWith(`ok      SOURCE_ENDPOINT: lake ${SAMPLE.folder} is of`);
});
