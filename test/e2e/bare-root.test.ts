/**
 * The binary where a container puts it: alone in a read-only file system with the C library, as user 1000, with no HOME and
 * no /tmp, as PID 1; memory at /dev/shm is all that a container's engine adds. Needs root and Linux' namespaces; skipped elsewhere.
 *
 * With MUSL_ROOT (musl-root.ts) it is the musl binary in that root.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, chownSync, copyFileSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { compileBinary } from "../../scripts/binary.ts";
import { storeServer } from "../clients/toolchain.ts";
import { NatsServer, nats } from "../cluster/nats-server.ts";
import { Certificates, hasOpenssl } from "../support/certificates.ts";
import { KEY, ObjectStore, PRIVATE } from "../support/object-store.ts";
import { postgresPrograms, startPostgres } from "../support/postgres-server.ts";
import { PORTS, PROGRAM, SAMPLE, startProcessor } from "../support/processor.ts";
import { until } from "../support/until.ts";

const USER = 1000; // as in deploy/Dockerfile
const { MUSL_ROOT } = process.env;
const root = mkdtempSync(join(tmpdir(), "contract-data-root-"));
const binary = join(root, "contract-data-processor");
afterAll(() => rmSync(root, { recursive: true, force: true }));

const canUnshare = Bun.spawnSync(["unshare", "--mount", "--pid", "--fork", "true"], { stderr: "ignore" }).success;
if (!canUnshare) {
  if (process.env.CI === "true") throw new Error("under CI: namespaces of Linux are not to be had");
  console.log("skipped: no namespaces of Linux for a read-only root");
}

function install(): void {
  if (MUSL_ROOT !== undefined) {
    compileBinary(binary, "bun-linux-x64-musl");
    cpSync(MUSL_ROOT, root, { recursive: true, verbatimSymlinks: true });
    return;
  }
  const [program, ...more] = PROGRAM;
  if (more.length === 0) copyFileSync(program!, binary);
  else compileBinary(binary);
  const libraries = Bun.spawnSync(["ldd", binary]).stdout.toString().match(/\/\S+/g) ?? [];
  for (const library of libraries) {
    mkdirSync(dirname(join(root, library)), { recursive: true });
    cpSync(library, join(root, library), { dereference: true });
  }
}

/** The command, in front of which the root is read-only but for /state. */
function inside(args: string[], environment: Record<string, string> = {}) {
  const script = `mount --bind ${root} ${root} && mount --bind ${root}/state ${root}/state && mount -o remount,ro,bind ${root} && mount -t proc proc ${root}/proc && mount -t tmpfs -o mode=1777 shm ${root}/dev/shm && exec chroot --userspec=${USER}:${USER} ${root} /contract-data-processor "$@"`;
  return Bun.spawn(["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", script, "sh", ...args], {
    cwd: "/",
    env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", ...environment },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
}

/** What it prints and its exit code, once it has ended. */
async function outcome(child: ReturnType<typeof inside>): Promise<{ code: number; out: string; err: string }> {
  const [out, err] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  return { code: await child.exited, out, err };
}

describe.if(canUnshare)("alone in a read-only root, as user 1000", () => {
  beforeAll(() => {
    install();
    for (const folder of ["proc", "state", "dev/shm"]) mkdirSync(join(root, folder), { recursive: true });
    chownSync(join(root, "state"), USER, USER);
    chmodSync(root, 0o755);
    cpSync(SAMPLE.folder, join(root, "lake"), { recursive: true });
  }, 60_000);

  test("the main job", async () => {
    const demo = await outcome(inside(["demo"]));
    expect(demo).toMatchObject({ code: 0, err: "", out: expect.stringContaining("7 ledgers, 311 rows") });
  }, 60_000);

  test("a server keeps its state in its volume, and SIGTERM ends it with 0, though it is PID 1", async () => {
    const flags = [`--start-ledger=${SAMPLE.first}`, "--source-endpoint=/lake", "--data-dir=/state"];
    const server = inside(["serve", ...PORTS, ...flags]);
    let said = "";
    void (async () => {
      for await (const chunk of server.stdout) said += Buffer.from(chunk).toString();
    })();
    await until(() => said.includes("do_get("), "it is ready"); // the last lines of the banner
    const inner = readFileSync(`/proc/${server.pid}/task/${server.pid}/children`, "utf8");
    process.kill(Number(inner), "SIGTERM");
    expect(await server.exited).toBe(0);
  }, 60_000);

  test("a lake in a bucket over TLS, with a private authority", async () => {
    const store = await storeServer();
    if (store.command === undefined || !hasOpenssl()) return console.log(`skipped: ${store.missing ?? "openssl"}`);
    const certificates = new Certificates();
    const bucket = await ObjectStore.start(store.command[0]!, certificates.issue("server"));
    try {
      await bucket.putFolder(SAMPLE.folder, `${PRIVATE}/lake`);
      copyFileSync(certificates.ca.cert, join(root, "ca.pem"));
      const keys = { AWS_ACCESS_KEY_ID: KEY.accessKeyId, AWS_SECRET_ACCESS_KEY: KEY.secretAccessKey };
      const lake = `s3://${PRIVATE}/lake?endpoint=${bucket.endpoint}`;
      const read = await outcome(inside(["decode", "--format", "tsv", lake], { ...keys, S3_CA_FILE: "/ca.pem" }));
      expect(read).toEqual(await outcome(inside(["decode", "--format", "tsv", "/lake"])));
      expect(read.out.trimEnd().split("\n").length).toBe(SAMPLE.rows);
    } finally {
      await bucket.stop();
      certificates.remove();
    }
  }, 120_000);

  async function backfill(place: string, environment: Record<string, string>): Promise<void> {
    const range = ["--start-ledger", String(SAMPLE.first), "--end-ledger", String(SAMPLE.last), "--chunk-ledgers", "3"];
    const to = ["--source", "/lake", "--to", place];
    expect(await outcome(inside(["backfill", "start", ...to, ...range]))).toMatchObject({ code: 0 });
    const { code, err } = await outcome(inside(["worker", ...to], environment));
    expect([code, err]).toEqual([0, expect.not.stringContaining("is away")]);
    const verified = await outcome(inside(["export", "verify", "--from", place]));
    expect(verified).toMatchObject({ code: 0, out: expect.stringContaining(`${SAMPLE.rows} rows: complete`) });
  }

  test("a back-fill and its worker", () => backfill("/state/rows", {}), 60_000);

  test.skipIf(nats.missing !== undefined)(
    "a back-fill whose worker gets its chunks from NATS",
    async () => {
      const server = await NatsServer.start();
      try {
        await backfill("/state/queued", { CLUSTER: server.url });
      } finally {
        await server.stop();
      }
    },
    60_000,
  );

  test("sinks: SQLite in the volume, and PostgreSQL", async () => {
    const processor = await startProcessor([`--source-endpoint=${SAMPLE.folder}`]);
    const range = ["--start-ledger", String(SAMPLE.first), "--end-ledger", String(SAMPLE.last)];
    const sink = (...words: string[]) =>
      outcome(inside(["sink", ...words, ...range], { FLIGHT_ENDPOINT: processor.flight }));
    try {
      const sqlite = await sink("sqlite", "--to", "/state/rows.db");
      expect(sqlite).toMatchObject({ code: 0, out: expect.stringMatching(/^311 rows of ledgers/) });
      const programs = postgresPrograms();
      if (programs === undefined) return console.log("skipped: PostgreSQL is not here");
      await using database = await startPostgres(programs);
      const postgres = await sink("postgres", "--url", await database.database(), "--metrics-port", "127.0.0.1:0");
      expect(postgres).toMatchObject({ code: 0, out: expect.stringMatching(/^311 rows of ledgers/) });
    } finally {
      await processor.stop();
    }
  }, 120_000);
});
