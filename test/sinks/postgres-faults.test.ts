/** A PostgreSQL that goes away, refuses or stands in the way: the sink waits, or ends with a sentence, and no row is lost. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { chownSync, mkdirSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import pg from "pg";
import type { CodedError } from "../../src/error.ts";
import { COMMANDS } from "../../src/main.ts";
import { type ConsumeOptions, type ConsumeResult, consume } from "../../src/sinks/consume.ts";
import { PostgresSink } from "../../src/sinks/postgres/postgres-sink.ts";
import { targetOf } from "../../src/sinks/postgres/target.ts";
import type { SinkProgress } from "../../src/sinks/sink.ts";
import { cli } from "../cli/harness.ts";
import { Certificates, contentOf, hasOpenssl } from "../support/certificates.ts";
import { failureOf } from "../support/failure.ts";
import { goldenOf } from "../support/kill-oracle.ts";
import { type PostgresServer, postgresPrograms, query, startPostgres } from "../support/postgres-server.ts";
import { type Processor, SAMPLE, startProcessor } from "../support/processor.ts";
import { differenceOf, foldProblem } from "../support/sink-kill-run.ts";
import { postgresPlace } from "../support/sink-place.ts";
import { until } from "../support/until.ts";

const FIRST = 1000;
const LAST = 1049; // some 2,200 rows
const programs = postgresPrograms();
let server: PostgresServer;
let processor: Processor;

/** After its first commit it waits for a fault, which happens then. */
class Disturbed extends PostgresSink {
  constructor(
    url: string,
    private fault: (() => Promise<unknown>) | undefined,
  ) {
    super(targetOf(url, {}));
  }

  override async commit(cursor: string, progress: SinkProgress): Promise<void> {
    await super.commit(cursor, progress);
    const { fault } = this;
    this.fault = undefined;
    await fault?.();
  }
}

function read(sink: PostgresSink, options: Partial<ConsumeOptions> = {}): Promise<ConsumeResult> {
  const selection = { start_ledger: FIRST, end_ledger: LAST, batch_size: 200, filters: { include_deleted: true } };
  return consume({ address: processor.flight, selection, sink, commitRows: 500, ...options });
}

/** The database has the oracle's rows, each once. */
async function expectWhole(url: string): Promise<void> {
  const place = await postgresPlace(server, url);
  const entries = await place.entries("contract_data");
  const expected = new Map<number, ReturnType<typeof goldenOf>>();
  for (let ledger = FIRST; ledger <= LAST; ledger++) {
    if (goldenOf(ledger).length > 0) expected.set(ledger, goldenOf(ledger));
  }
  expect(differenceOf(entries, expected)).toBeUndefined();
  expect(foldProblem(entries, await place.state("contract_data"))).toBeUndefined();
  expect(await place.positions()).toEqual([LAST]);
  await place.dispose();
}

/** `ALTER DATABASE … what`, which connections from now on have. */
const alter = (url: string, what: string) => server.run(`ALTER DATABASE ${nameOf(url)} ${what}`);
const nameOf = (url: string) => new URL(url).pathname.slice(1);
const cutAll = (url: string) =>
  server.run(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${nameOf(url)}'`);

describe.skipIf(programs === undefined)("sink postgres", () => {
  beforeAll(async () => {
    [server, processor] = await Promise.all([
      startPostgres(programs!),
      startProcessor([`--source-endpoint=repeat:${SAMPLE.folder}`]),
    ]);
  }, 60_000);

  afterAll(async () => {
    await server.stop();
    expect(await processor.stop()).toBe(0);
  });

  describe("waits, and goes on", () => {
    test("where the database is restarted", async () => {
      const url = await server.database();
      expect((await read(new Disturbed(url, () => server.restart()))).retries).toBeGreaterThan(0);
      await expectWhole(url);
    });

    test("where its connections are cut, or a statement is cancelled", async () => {
      const url = await server.database();
      await read(new Disturbed(url, () => cutAll(url)));
      await expectWhole(url);
      const other = await server.database();
      const lock = new pg.Client(other);
      await lock.connect();
      const retried: string[] = [];
      await read(
        new Disturbed(other, async () => {
          await lock.query("BEGIN; LOCK TABLE contract_data.current_state");
          const waiting = `SELECT pid FROM pg_stat_activity WHERE datname = '${nameOf(other)}' AND wait_event_type = 'Lock'`;
          void until(
            async () => (await server.run(`SELECT pg_cancel_backend(pid) FROM (${waiting}) AS w`)).length > 0,
            "it waits",
          ).then(() => lock.end());
        }),
        { onRetry: ({ message }) => retried.push(message) },
      );
      expect(retried).toEqual([expect.stringContaining("canceling statement due to user request")]);
      await expectWhole(other);
    });

    test("where the database is read-only for a while", async () => {
      const url = await server.database();
      const retried: CodedError[] = [];
      await read(
        new Disturbed(url, async () => {
          await alter(url, "SET default_transaction_read_only = on");
          await cutAll(url);
        }),
        {
          onRetry(error) {
            retried.push(error);
            if (error.message.includes("read-only")) void alter(url, "RESET default_transaction_read_only");
          },
        },
      );
      expect(retried.map(({ reason }) => reason)).toEqual(retried.map(() => "SINK_AWAY"));
      expect(retried.some(({ message }) => message.includes("in a read-only transaction"))).toBe(true);
      await expectWhole(url);
    });

    test("where a second client makes a deadlock with it", async () => {
      const url = await server.database();
      const other = new pg.Client(url);
      await other.connect();
      const retried: string[] = [];
      await read(
        new Disturbed(url, async () => {
          // it holds the state that the next commit needs, and asks for a row that this commit has made
          await other.query("BEGIN; LOCK TABLE contract_data.current_state IN EXCLUSIVE MODE");
          void until(
            async () => (await server.run("SELECT 1 FROM pg_locks WHERE NOT granted")).length > 0,
            "the sink waits for it",
          ).then(() => other.query("LOCK TABLE contract_data.entries IN EXCLUSIVE MODE; COMMIT").catch(() => {}));
        }),
        { onRetry: ({ message }) => retried.push(message) },
      );
      await other.end();
      expect(retried).toEqual([expect.stringContaining("deadlock detected")]);
      await expectWhole(url);
    });

    test("where its user has a statement timeout that no commit keeps to", async () => {
      const url = await server.database();
      await alter(url, "SET statement_timeout = '1ms'");
      expect((await read(new PostgresSink(targetOf(url, {})))).retries).toBe(0);
    });

    test("where the disk is full", async () => {
      const disk = join(server.folder, "disk");
      mkdirSync(disk);
      const { uid, gid } = statSync(server.folder);
      const options = `size=32m,uid=${uid},gid=${gid},mode=700`;
      const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", options, "tmpfs", disk]).status === 0;
      if (!mounted) return console.warn("skipped: a small disk to fill needs the right to mount one");
      try {
        await server.run(`CREATE TABLESPACE small LOCATION '${disk}'`);
        const url = await server.database("TABLESPACE small");
        const filler = join(disk, "filler");
        const retried: string[] = [];
        await read(new Disturbed(url, async () => void spawnSync("dd", ["if=/dev/zero", `of=${filler}`, "bs=64k"])), {
          onRetry({ message }) {
            retried.push(message);
            truncateSync(filler);
          },
        });
        expect(retried.length).toBeGreaterThan(0);
        for (const message of retried) expect(message).toContain("No space left on device");
        await expectWhole(url);
        await server.run("DROP TABLESPACE small");
      } finally {
        spawnSync("umount", ["-l", disk]);
      }
    });
  });

  describe("ends with a sentence", () => {
    test("where a later version changes the schema meanwhile, or a table is dropped, or a privilege is taken away", async () => {
      const cases = [
        ["UPDATE contract_data.schema_version SET version = 99", "SINK_NEWER", "tables of version 99"],
        ["DROP TABLE contract_data.current_state CASCADE", "SINK_DAMAGED", "not as this program made it"],
      ] as const;
      for (const [sql, reason, sentence] of cases) {
        const url = await server.database();
        const error = await failureOf(read(new Disturbed(url, () => query(url, sql))));
        expect([error.reason, error.message]).toEqual([reason, expect.stringContaining(sentence)]);
        expect(error.message).not.toContain("\n");
      }
      const url = await server.database();
      await query(url, "CREATE ROLE writer LOGIN");
      await query(url, "CREATE SCHEMA contract_data AUTHORIZATION writer");
      const asWriter = url.replace("postgres@", "writer@");
      const error = await failureOf(
        read(new Disturbed(asWriter, () => query(url, "REVOKE INSERT ON contract_data.entries FROM writer"))),
      );
      expect([error.code, error.message]).toEqual([
        "INVALID_ARGUMENT",
        expect.stringContaining("permission denied for table entries"),
      ]);
    });

    test("where another process reads the same", async () => {
      const url = await server.database();
      const over = new AbortController();
      let second: Promise<CodedError> | undefined;
      const selection = { start_ledger: FIRST, end_ledger: 0, filters: { include_deleted: true } };
      const first = read(
        new Disturbed(url, async () => {
          second = failureOf(read(new PostgresSink(targetOf(url, {}), { lockMsMax: 200 }), { selection }));
        }),
        { selection, signal: over.signal },
      );
      await until(() => second, "the first one has committed");
      expect((await second!).message).toContain(`another process commits "ledgers ${FIRST}-" to postgres://`);
      over.abort();
      await first;
    }, 60_000);

    test("where the database stands still, and one interruption is enough", async () => {
      const url = await server.database();
      const over = new AbortController();
      const frozen: number[] = [];
      const freeze = async () => {
        const found = `SELECT pid FROM pg_stat_activity WHERE datname = '${nameOf(url)}'`;
        frozen.push(...(await server.run(found)).map(({ pid }) => Number(pid)));
        for (const pid of frozen) process.kill(pid, "SIGSTOP");
      };
      const sink = new (class extends Disturbed {
        override async commit(cursor: string, progress: SinkProgress): Promise<void> {
          if (frozen.length > 0) over.abort();
          await super.commit(cursor, progress);
        }
      })(url, freeze);
      try {
        const { isCut, commits } = await read(sink, { signal: over.signal });
        expect([isCut, commits, frozen.length]).toEqual([true, 1, 1]);
      } finally {
        for (const pid of frozen) process.kill(pid, "SIGCONT");
      }
      await read(new PostgresSink(targetOf(url, {})));
      await expectWhole(url);
    }, 60_000);
  });

  describe("refuses, with exit code 2 and nothing changed,", () => {
    const words = ["--start-ledger", String(FIRST), "--end-ledger", String(LAST)];
    const run = (url: string | undefined, env: Record<string, string> = {}) => {
      const named = url === undefined ? [] : ["--url", url];
      const line = ["sink", "postgres", ...named, "--metrics-port", "127.0.0.1:0", ...words];
      return cli(line, COMMANDS, { FLIGHT_ENDPOINT: processor.flight, ...env });
    };
    async function expectRefused(url: string, sentence: string, env: Record<string, string> = {}): Promise<void> {
      const { code, err } = await run(url, env);
      expect([code, err]).toEqual([2, expect.stringContaining(sentence)]);
      expect(err.trim().split("\n").length).toBe(1);
    }

    test("what names no database", async () => {
      await expectRefused("postgres://postgres@localhost", "--url names no database");
      await expectRefused("postgres://postgres@localhost/", "--url names no database");
      await expectRefused("mysql://postgres@localhost/stellar", "--url has to be like postgres://");
      await expectRefused("stellar", "--url has to be like postgres://");
      await expectRefused("postgres://a:%zz@localhost/stellar", "--url has a % that begins no escape");
      await expectRefused("postgres://a@localhost/stellar?sslmode=prefer", 'sslmode is "prefer"');
      await expectRefused("postgres://a@localhost/stellar?pool=3", "--url has the parameter pool");
      await expectRefused((await server.database()).replace(/stellar_/, "nothing_"), "does not exist");
      const { code, err } = await run(undefined, { DB_PORT: "many" });
      expect([code, err]).toEqual([2, expect.stringContaining('DB_PORT is "many"')]);
    });

    test("a wrong password, none, and a privilege that is missing", async () => {
      const url = await server.database();
      await server.run("CREATE ROLE locked LOGIN PASSWORD 'right'");
      await server.run("CREATE ROLE guest LOGIN");
      const as = (user: string) => url.replace("postgres@", `${user}@`);
      await expectRefused(as("locked:wrong"), 'password authentication failed for user "locked"');
      await expectRefused(as("locked"), "asks for a password");
      await expectRefused(as("guest"), "permission denied for database");
      await expectRefused(as("locked:right"), "permission denied for database");
      expect(await query(url, "SELECT to_regnamespace('contract_data') AS made")).toEqual([{ made: null }]);
    });

    test("tables that are not ours", async () => {
      const url = await server.database();
      await query(url, "CREATE SCHEMA contract_data; CREATE TABLE contract_data.entries (a integer)");
      await expectRefused(url, "tables that this program has not made");
      expect((await query(url, "SELECT * FROM pg_tables WHERE schemaname = 'contract_data'")).length).toBe(1);
    });
  });

  test("takes its database from DB_…, and TLS from DB_SSLMODE and its files", async () => {
    if (!hasOpenssl()) return;
    using files = { certificates: new Certificates(), [Symbol.dispose]: () => files.certificates.remove() };
    const { certificates } = files;
    const use = async (name: string, names?: string) => {
      const { cert, key } = contentOf(certificates.issue(name, { names }));
      const { uid, gid } = statSync(server.folder);
      for (const [setting, file, content] of [
        ["ssl_cert_file", `${name}.pem`, cert],
        ["ssl_key_file", `${name}.key`, key],
      ] as const) {
        const path = join(server.folder, file);
        writeFileSync(path, content, { mode: 0o600 });
        chownSync(path, uid, gid);
        await server.run(`ALTER SYSTEM SET ${setting} = '${path}'`);
      }
      await server.run("SELECT pg_reload_conf()");
    };
    const url = await server.database();
    const { port } = new URL(url);
    const env = {
      DB_HOST: "127.0.0.1",
      DB_PORT: port,
      DB_NAME: nameOf(url),
      DB_USER: "postgres",
      METRICS_PORT: "127.0.0.1:0",
    };
    const run = (more: Record<string, string>) =>
      cli(["sink", "postgres", "--start-ledger", "1000", "--end-ledger", "1002"], COMMANDS, {
        FLIGHT_ENDPOINT: processor.flight,
        ...env,
        ...more,
      });
    const without = await run({ DB_SSLMODE: "require" });
    expect([without.code, without.err]).toEqual([2, expect.stringContaining("speaks no TLS: give sslmode=disable")]);
    await server.run("ALTER SYSTEM SET ssl = on");
    await use("server");
    await until(async () => (await run({ DB_SSLMODE: "require" })).code === 0, "it has TLS");
    const ca = { DB_CA_FILE: certificates.ca.cert };
    for (const mode of ["verify-full", "verify-ca"]) {
      const run1 = await run({ DB_SSLMODE: mode, ...ca });
      expect(run1.code, run1.err).toBe(0);
      const refused = await run({ DB_SSLMODE: mode });
      expect([refused.code, refused.err]).toEqual([2, expect.stringContaining("is not trusted")]);
    }
    const localhost = await run({ DB_SSLMODE: "verify-full", DB_HOST: "localhost", ...ca });
    expect(localhost.code, localhost.err).toBe(0);
    await use("other", "DNS:elsewhere.example");
    for (const host of ["127.0.0.1", "localhost"]) {
      const full = () => run({ DB_SSLMODE: "verify-full", DB_HOST: host, ...ca });
      const refused = await until(
        async () => [await full()].find(({ code }) => code !== 0),
        "it has the other certificate",
      );
      expect([refused.code, refused.err]).toEqual([2, expect.stringContaining("is not trusted")]);
      expect((await run({ DB_SSLMODE: "verify-ca", DB_HOST: host, ...ca })).code).toBe(0);
    }
  });
});
