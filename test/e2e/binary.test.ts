/**
 * The one-file build, from a copy of the project that is gone when it runs: what it needs must be inside it.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectControl } from "../../src/control/client.ts";
import { FlightClient } from "../../src/flight-client/client.ts";
import { goClient, googleStoreServer, pythonClient, runClient, storeServer } from "../clients/toolchain.ts";
import { contentOf as filesOf } from "../export/support.ts";
import { AMBIENT_TEXT, makeAmbientFolder } from "../support/ambient.ts";
import { Certificates, contentOf, hasOpenssl } from "../support/certificates.ts";
import { FolderServer } from "../support/folder-server.ts";
import { GoSource } from "../support/go-source.ts";
import { GoogleLogin } from "../support/google-login.ts";
import { GoogleStore } from "../support/google-store.ts";
import { canHaveGrpcurl, grpcurlPath } from "../support/grpcurl.ts";
import { PUBNET } from "../support/networks.ts";
import { KEY, ObjectStore, PRIVATE } from "../support/object-store.ts";
import { postgresPrograms, startPostgres } from "../support/postgres-server.ts";
import { ROOT, runCommand, SAMPLE, SOURCES, startProcessor } from "../support/processor.ts";
import { until } from "../support/until.ts";
import { tracedDay } from "../tracing/traced-day.ts";

const LEDGER = join(ROOT, "test", "fixtures", "ledgers", "58752000");

const scratch = mkdtempSync(join(tmpdir(), "contract-data-binary-"));
const empty = join(scratch, "empty");
const binary = join(scratch, "contract-data-processor");

beforeAll(async () => {
  const copy = join(scratch, "project");
  mkdirSync(copy);
  mkdirSync(empty);
  for (const name of ["src", "sample", "scripts", "package.json", "tsconfig.json"]) {
    cpSync(join(ROOT, name), join(copy, name), { recursive: true });
  }
  symlinkSync(join(ROOT, "node_modules"), join(copy, "node_modules"));
  const build = Bun.spawn([process.execPath, "scripts/build.ts"], { cwd: copy, stdout: "pipe", stderr: "pipe" });
  const output = (await new Response(build.stdout).text()) + (await new Response(build.stderr).text());
  expect(await build.exited, output).toBe(0);
  copyFileSync(join(copy, "dist", "contract-data-processor"), binary);
  rmSync(copy, { recursive: true });
}, 120_000);

afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const world = { command: [binary], cwd: empty };

describe("the binary, from an empty folder, with the sources gone", () => {
  test("has 130 MB at most", () => {
    expect(statSync(binary).size).toBeLessThanOrEqual(130e6);
  });

  test("does the main job on the sample that is inside it", async () => {
    const run = await runCommand(["demo"], world);
    expect(run.stderr).toBe("");
    expect(run.exitCode).toBe(0);
    expect(run.stdout).toMatch(/\n7 ledgers, 311 rows, [\d.]+ s, [\d.]+ MB\/s of XDR\n$/);
    expect(readdirSync(empty)).toEqual([]);
  }, 60_000);

  test("lives through scripts/test-hybrid-server.sh with grpcurl and pyarrow, the sources with our own commands", async () => {
    const python = await pythonClient();
    const grpcurl = canHaveGrpcurl() ? grpcurlPath() : "none";
    const run = (env: Record<string, string>) =>
      runCommand([], { command: [join(ROOT, "scripts", "test-hybrid-server.sh")], cwd: empty, env });
    const [built, sources, broken] = await Promise.all([
      run({ PROGRAM: binary, GRPCURL: grpcurl, PYTHON: python.command?.[0] ?? "none" }),
      run({ PROGRAM: join(ROOT, "scripts", "contract-data-processor"), GRPCURL: "none", PYTHON: "none" }),
      run({ PROGRAM: "/bin/false" }),
    ]);
    for (const { exitCode, stdout, stderr } of [built, sources]) {
      expect(stdout + stderr).toMatch(/\nall 2\d steps are well\n$/);
      expect(exitCode).toBe(0);
    }
    expect(broken).toMatchObject({ exitCode: 1, stdout: expect.stringContaining("FAIL  1 the server starts") });
  }, 600_000);

  test("sends its traces to a collector", () => tracedDay(world), 120_000);

  test("takes nothing from the folder that it is started in: no code by bunfig.toml, no setting by .env", async () => {
    const cwd = join(scratch, "ambient");
    makeAmbientFolder(cwd);
    expect(await runCommand(["--version"], { ...world, cwd })).toMatchObject({ exitCode: 0, stderr: "" });
    const processor = await startProcessor([`--source-endpoint=${SAMPLE.folder}`], { ...world, cwd });
    expect(await processor.stop()).toBe(0);
    expect(processor.output()).not.toContain(AMBIENT_TEXT);
  }, 60_000);

  test("fills a PostgreSQL", async () => {
    const programs = postgresPrograms();
    if (programs === undefined) return;
    await using database = await startPostgres(programs);
    const processor = await startProcessor([`--source-endpoint=${SAMPLE.folder}`], world);
    const range = ["--start-ledger", String(SAMPLE.first), "--end-ledger", String(SAMPLE.last)];
    const words = ["sink", "postgres", "--url", await database.database(), "--metrics-port", "127.0.0.1:0", ...range];
    const run = await runCommand(words, { ...world, env: { FLIGHT_ENDPOINT: processor.flight } });
    expect(run.exitCode, run.stderr).toBe(0);
    expect(run.stdout).toStartWith("311 rows of ledgers");
    expect(await processor.stop()).toBe(0);
  }, 60_000);

  test("decodes a file to the oracle's rows", async () => {
    const run = await runCommand(["decode", "--format", "tsv", `${LEDGER}.xdr.zst`], world);
    expect(run.stderr).toBe("");
    expect(run.stdout).toBe(readFileSync(`${LEDGER}.tsv`, "utf8"));
  }, 60_000);

  test("exports Parquet files, the same bytes as the sources write, and proves them", async () => {
    const range = ["--start-ledger", String(SAMPLE.first), "--end-ledger", String(SAMPLE.last)];
    const flags = ["export", "parquet", "--source", SAMPLE.folder, ...range, "--to"];
    const exported = await runCommand([...flags, join(scratch, "rows")], world);
    expect(exported.exitCode, exported.stderr).toBe(0);
    expect((await runCommand([...flags, join(scratch, "rows-of-sources")], { command: SOURCES })).exitCode).toBe(0);
    expect(filesOf(join(scratch, "rows"))).toEqual(filesOf(join(scratch, "rows-of-sources")));
    const verified = await runCommand(["export", "verify", "--from", join(scratch, "rows")], world);
    expect([verified.exitCode, verified.stdout]).toEqual([0, expect.stringContaining("complete and as they were")]);
  }, 60_000);

  test("reads a lake in a bucket, with credentials of the environment and of a profile's file", async () => {
    const program = await storeServer();
    if (program.command === undefined) return console.log(`skipped: ${program.missing}`);
    const store = await ObjectStore.start(program.command[0]!);
    try {
      await store.putFolder(SAMPLE.folder, `${PRIVATE}/lake`);
      const args = ["decode", "--format", "tsv", `s3://${PRIVATE}/lake?endpoint=${store.endpoint}`];
      const rows = await runCommand(["decode", "--format", "tsv", SAMPLE.folder], world);
      const { accessKeyId, secretAccessKey } = KEY;
      const env = { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey };
      expect(await runCommand(args, { ...world, env })).toEqual(rows);
      const file = join(scratch, "credentials");
      writeFileSync(file, `[desk]\naws_access_key_id=${accessKeyId}\naws_secret_access_key=${secretAccessKey}\n`);
      const profile = { AWS_PROFILE: "desk", AWS_SHARED_CREDENTIALS_FILE: file };
      expect(await runCommand(args, { ...world, env: profile })).toEqual(rows);
    } finally {
      await store.stop();
    }
  }, 120_000);

  test("reads a bucket and a raw-ledger service over TLS, with a private authority", async () => {
    const program = await storeServer();
    if (program.command === undefined || !hasOpenssl()) return console.log(`skipped: ${program.missing ?? "openssl"}`);
    const certificates = new Certificates();
    const pair = certificates.issue("server");
    const store = await ObjectStore.start(program.command[0]!, pair);
    try {
      await store.putFolder(SAMPLE.folder, `${PRIVATE}/lake`);
      const args = ["decode", "--format", "tsv", `s3://${PRIVATE}/lake?endpoint=${store.endpoint}`];
      const rows = await runCommand(["decode", "--format", "tsv", SAMPLE.folder], world);
      const keys = { AWS_ACCESS_KEY_ID: KEY.accessKeyId, AWS_SECRET_ACCESS_KEY: KEY.secretAccessKey };
      const trust = { S3_CA_FILE: certificates.ca.cert };
      expect(await runCommand(args, { ...world, env: { ...keys, ...trust } })).toEqual(rows);
      const stranger = await runCommand(args, { ...world, env: keys });
      expect([stranger.exitCode, stranger.stderr]).toEqual([1, expect.stringContaining("S3_CA_FILE")]);

      const ledger = certificates.file("ledger.xdr");
      writeFileSync(ledger, Bun.zstdDecompressSync(readFileSync(`${LEDGER}.xdr.zst`)));
      const flags = ["-first", String(SAMPLE.last), "-count", "1", "-cert", pair.cert, "-key", pair.key];
      using source = await GoSource.start(["-file", ledger, ...flags, "-authorization", "Bearer s3cret"]);
      if (source === undefined) return;
      const env = {
        SOURCE_ENDPOINT: `grpcs://${source.address}`,
        SOURCE_CA_FILE: certificates.ca.cert,
        SOURCE_AUTHORIZATION: "Bearer s3cret",
        NETWORK_PASSPHRASE: PUBNET,
      };
      const processor = await startProcessor(["--include-deleted"], { ...world, env });
      const control = connectControl(processor.control);
      const flight = new FlightClient(processor.flight);
      const { sessionId } = await control.startProcessing({ startLedger: SAMPLE.last, endLedger: SAMPLE.last });
      const ticket = Buffer.from(JSON.stringify({ session: sessionId, from: "start" }));
      let count = 0;
      for await (const { table } of flight.doGet(ticket)) count += table.numRows;
      expect(count).toBe(readFileSync(`${LEDGER}.tsv`, "utf8").trimEnd().split("\n").length);
      flight.close();
      control.close();
      expect(await processor.stop()).toBe(0);
      expect(processor.output()).not.toContain("s3cret");
    } finally {
      await store.stop();
      certificates.remove();
    }
  }, 120_000);

  test("speaks TLS on all three listeners, with clients' certificates, and renews its own", async () => {
    if (!hasOpenssl()) return;
    const certificates = new Certificates();
    const [own, client] = [certificates.issue("server"), certificates.issue("client")];
    const next = certificates.issue("next", { days: 60 });
    const ca = certificates.ca.cert;
    const files = [`--tls-cert-file=${own.cert}`, `--tls-key-file=${own.key}`, `--tls-client-ca-file=${ca}`];
    const processor = await startProcessor(
      [`--source-endpoint=repeat:${SAMPLE.folder}`, "--include-deleted", ...files],
      world,
    );
    const tls = { ca: [readFileSync(ca, "utf8")], ...contentOf(client) };
    const control = connectControl(processor.control, { tls });
    try {
      const { sessionId } = await control.startProcessing({ startLedger: 500, endLedger: 500 + 699 });
      for (const foreign of [await pythonClient(), await goClient()]) {
        if (foreign.command === undefined) continue;
        const ticket = JSON.stringify({ session: sessionId, from: "start" });
        const shown = ["-ca", ca, "-cert", client.cert, "-key", client.key];
        const { results } = await runClient(foreign, ["get", "-addr", processor.flight, "-ticket", ticket, ...shown]);
        expect(results[0]).toMatchObject({ rows: 100 * SAMPLE.rows });
      }
      const end = async () => {
        const metrics = await (await fetch(`https://${processor.http}/metrics`, { tls })).text();
        return /certificate_expiry_timestamp_seconds\{listener="http"\} (\d+)/.exec(metrics)?.[1];
      };
      const before = await end();
      copyFileSync(next.cert, own.cert);
      copyFileSync(next.key, own.key);
      const other = async () => {
        const now = await end().catch(() => before); // one that connects at the very moment is cut
        return now !== before;
      };
      await until(other, "the next certificate's end");
    } finally {
      control.close();
      expect(await processor.stop()).toBe(0);
      certificates.remove();
    }
  }, 120_000);

  test("reads a lake in a Google bucket with application-default credentials, and one behind a web server", async () => {
    const rows = await runCommand(["decode", "--format", "tsv", SAMPLE.folder], world);
    using server = new FolderServer(SAMPLE.folder);
    expect(await runCommand(["decode", "--format", "tsv", `${server.endpoint}/?ledger=${SAMPLE.last}`], world)).toEqual(
      rows,
    );
    const program = await googleStoreServer();
    if (program.command === undefined) return console.log(`skipped: ${program.missing}`);
    const store = await GoogleStore.start(program.command[0]!, "ledgers");
    try {
      await store.putFolder(SAMPLE.folder, "ledgers", "lake");
      using login = new GoogleLogin(store.endpoint);
      const args = ["decode", "--format", "tsv", `gs://ledgers/lake?endpoint=${login.endpoint}`];
      const env = { GOOGLE_APPLICATION_CREDENTIALS: login.file };
      expect(await runCommand(args, { ...world, env })).toEqual(rows);
    } finally {
      await store.stop();
    }
  }, 120_000);

  test("serves a session, and SIGTERM ends it with 0", async () => {
    const processor = await startProcessor([`--source-endpoint=repeat:${SAMPLE.folder}`, "--include-deleted"], world);
    const control = connectControl(processor.control);
    const flight = new FlightClient(processor.flight);
    const { sessionId } = await control.startProcessing({ startLedger: 500, endLedger: 500 + 699 });
    let rows = 0;
    const ticket = Buffer.from(JSON.stringify({ session: sessionId, from: "start" }));
    for await (const { table } of flight.doGet(ticket)) rows += table.numRows;
    expect(rows).toBe(100 * SAMPLE.rows);
    flight.close();
    control.close();
    expect(await processor.stop()).toBe(0);
  }, 60_000);

  test.skipIf(process.platform !== "linux")("takes 100 MB at most while it has nothing to do", async () => {
    const processor = await startProcessor(
      [`--source-endpoint=${SAMPLE.folder}`, `--network-passphrase=${PUBNET}`],
      world,
    );
    try {
      await Bun.sleep(2000); // what the start leaves behind is collected after one
      const status = readFileSync(`/proc/${processor.pid}/status`, "utf8");
      expect(Number(/^VmRSS:\s+(\d+) kB/m.exec(status)![1]) / 1000).toBeLessThan(100);
    } finally {
      await processor.stop();
    }
  });

  test("explains itself", async () => {
    expect((await runCommand(["--help"], world)).stdout).toContain("decode");
    expect((await runCommand(["--version"], world)).stdout).toMatch(/^contract-data-processor \d+\.\d+\.\d+\n$/);
    const wrong = await runCommand(["dcode"], world);
    expect(wrong.exitCode).toBe(2);
    expect(wrong.stderr).toContain("did you mean decode?");
  }, 60_000);
});
