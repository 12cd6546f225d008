/**
 * A PostgreSQL of its own: in a temporary folder, on a free port of loopback, started and stopped by its test. PostgreSQL
 * does not run as root: root starts it as the user `postgres`, which Debian's package makes, or else as `nobody`.
 *
 * Everybody of this machine may log in but the user `locked`, who needs a password.
 */
import { spawnSync } from "node:child_process";
import { chownSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { until } from "./until.ts";

const DEBIAN = "/usr/lib/postgresql";
const QUICK = ["fsync=off", "max_connections=40"]; // the machine's power is not cut off
const ALONE = ["listen_addresses=127.0.0.1", "unix_socket_directories="];
const POLL_MS = 20;
const CONNECT_MS_MAX = 10_000; // a connection to a port that nobody listens on may be one to itself, which says nothing

export interface PostgresServer {
  /** The folder of its files. */
  folder: string;
  /** Makes an empty database, and gives its URL. @param options what stands behind CREATE DATABASE's name */
  database(options?: string): Promise<string>;
  /** Runs a statement as the superuser. */
  run(sql: string): Promise<Record<string, unknown>[]>;
  /** Ends it as an operator does, and starts it again. */
  restart(): Promise<void>;
  /** SIGKILL, then a start, which recovers what was committed from the log. */
  killAndStart(): Promise<void>;
  stop(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** The folder of its programs; undefined, with a message, where it is not there. @throws Error under CI=true */
export function postgresPrograms(): string | undefined {
  const versions = existsSync(DEBIAN) ? readdirSync(DEBIAN).sort((a, b) => Number(b) - Number(a)) : [];
  const folders = [...versions.map((version) => join(DEBIAN, version, "bin")), ...(process.env.PATH ?? "").split(":")];
  const found = folders.find((folder) => ["initdb", "postgres"].every((program) => existsSync(join(folder, program))));
  if (found !== undefined) return found;
  const missing = "PostgreSQL is not there (apt-get install -y postgresql)";
  if (process.env.CI === "true") throw new Error(`under CI: ${missing}`);
  console.warn(`skipped: ${missing}`);
  return undefined;
}

/** @param settings in place of those of tests */
export async function startPostgres(programs: string, settings: readonly string[] = QUICK): Promise<PostgresServer> {
  const folder = mkdtempSync(join(tmpdir(), "contract-data-postgres-"));
  const user = userOf();
  if (user !== undefined) chownSync(folder, user.uid, user.gid);
  const data = join(folder, "data");
  const init = ["-D", data, "-A", "trust", "-U", "postgres", "--no-sync", "-E", "UTF8", "--locale=C"];
  const made = spawnSync(join(programs, "initdb"), init, { ...user, cwd: folder, encoding: "utf8" });
  if (made.status !== 0) throw new Error(`initdb failed: ${made.stdout}${made.stderr}`);
  const rules = join(data, "pg_hba.conf");
  writeFileSync(rules, `host all locked 127.0.0.1/32 scram-sha-256\n${readFileSync(rules, "utf8")}`);
  const port = await freePort();
  const urlOf = (database: string) => `postgres://postgres@127.0.0.1:${port}/${database}`;
  const words = ["-D", data, "-p", String(port), ...[...settings, ...ALONE].flatMap((setting) => ["-c", setting])];
  // the user is changed by setpriv, since Bun.spawn cannot
  const as = user === undefined ? [] : ["setpriv", `--reuid=${user.uid}`, `--regid=${user.gid}`, "--clear-groups"];

  /** It refuses to start while a process of its predecessor, which was killed, is there: that takes a moment. */
  const start = (): Promise<Bun.Subprocess> =>
    until(async () => {
      const child = Bun.spawn([...as, join(programs, "postgres"), ...words], {
        ...{ cwd: folder, stdout: "ignore", stderr: "ignore" },
      });
      while (child.exitCode === null) {
        if (await answers(urlOf("postgres"))) return child;
        await Bun.sleep(POLL_MS);
      }
      return undefined;
    }, "PostgreSQL answers");

  let server = await start();
  let databases = 0;
  const run = (sql: string) => query(urlOf("postgres"), sql);

  async function again(signal: NodeJS.Signals): Promise<void> {
    server.kill(signal);
    await server.exited;
    server = await start();
  }

  async function stop(): Promise<void> {
    server.kill("SIGQUIT"); // it ends its processes without ado
    await server.exited;
    rmSync(folder, { recursive: true, force: true });
  }

  return {
    ...{ folder, run, stop },
    async database(options = "") {
      databases += 1;
      await run(`CREATE DATABASE stellar_${databases} ${options}`);
      return urlOf(`stellar_${databases}`);
    },
    restart: () => again("SIGINT"),
    killAndStart: () => again("SIGKILL"),
    [Symbol.asyncDispose]: stop,
  };
}

/** Runs one statement on a connection of its own. */
export async function query(url: string, sql: string, values: unknown[] = []): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: CONNECT_MS_MAX });
  await client.connect();
  try {
    return (await client.query(sql, values)).rows;
  } finally {
    await client.end();
  }
}

async function answers(url: string): Promise<boolean> {
  try {
    await query(url, "SELECT 1");
    return true;
  } catch {
    return false;
  }
}

function userOf(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  for (const name of ["postgres", "nobody"]) {
    const [uid, gid] = ["-u", "-g"].map((flag) => spawnSync("id", [flag, name], { encoding: "utf8" }).stdout.trim());
    if (uid) return { uid: Number(uid), gid: Number(gid) };
  }
  throw new Error("there is no user postgres or nobody to run PostgreSQL as");
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer();
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}
