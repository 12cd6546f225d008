/** `tail` against the real server: what it prints, and that its cursors go on right behind the last row. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { Writable } from "node:stream";
import { runCli } from "../../src/cli/run.ts";
import { connectControl } from "../../src/control/client.ts";
import type { StartProcessingRequest } from "../../src/grpc/generated/control.ts";
import { COMMANDS } from "../../src/main.ts";
import { PROGRAM, type Processor, runCommand, SAMPLE, startProcessor } from "../support/processor.ts";
import { type CliRun, cli } from "./harness.ts";

const FLAGS = ["--include-deleted", "--worker-count=2", "--channel-buffer-size=4"];

let processor: Processor;
beforeAll(async () => {
  processor = await startProcessor([`--source-endpoint=${SAMPLE.folder}`, ...FLAGS]);
});
afterAll(async () => {
  expect(await processor.stop()).toBe(0);
});

async function start(at: Processor, request: Partial<StartProcessingRequest> = {}): Promise<string> {
  const control = connectControl(at.control);
  const sample = { startLedger: SAMPLE.first, endLedger: SAMPLE.last, batchSize: 50 };
  const { sessionId } = await control.startProcessing({ ...sample, ...request });
  control.close();
  return sessionId;
}

const tail = (...args: string[]): Promise<CliRun> => tailAt(processor, ...args);
const tailAt = (at: Processor, ...args: string[]): Promise<CliRun> =>
  cli(["tail", ...args], COMMANDS, { FLIGHT_ADDRESS: at.flight });

async function decoded(...flags: string[]): Promise<string> {
  const { exitCode, stdout } = await runCommand(["decode", SAMPLE.folder, "--format", "ndjson", ...flags]);
  expect(exitCode).toBe(0);
  return stdout;
}

/** What `go on with` names. */
function wayOn(err: string): string[] {
  return /^go on with (.*)$/m.exec(err)![1]!.split(" ");
}

const linesOf = (text: string) => text.split("\n").filter((line) => line !== "");

describe("cursors", () => {
  for (const [what, request] of [
    ["schema version 1", {}],
    ["schema version 2", { schemaVersion: 2 }],
    ["batches as large as they come", { batchSize: 0 }],
  ] as const) {
    for (const limit of [1, 37, 50]) {
      test(`${what}: read in pieces of ${limit}, every row comes once, as decode has it`, async () => {
        const session = await start(processor, request);
        const whole = await decoded("--schema-version", "schemaVersion" in request ? "2" : "1");
        const from = limit === 1 ? linesOf(whole).length - 12 : 0; // a call a row takes its time
        const first = ["--session", session, "--from", "start", "--limit", String(from || limit)];
        let { out, err } = await tail("--format", "ndjson", ...first);
        for (;;) {
          const next = await tail("--format", "ndjson", "--limit", String(limit), ...wayOn(err));
          expect(next.code, next.err).toBe(0);
          out += next.out;
          err = next.err;
          if (linesOf(next.out).length < limit) break;
        }
        expect(out === whole).toBe(true);
      });
    }
  }

  test("a partition's too", async () => {
    const session = await start(processor, { partitions: 3 });
    const part = ["--format", "ndjson", "--session", session, "--partition", "2"];
    const whole = await tail(...part, "--from", "start");
    const rows = linesOf(whole.out);
    expect(rows.length).toBeGreaterThan(100);
    const first = await tail(...part, "--from", "start", "--limit", "71");
    const rest = await tail("--format", "ndjson", ...wayOn(first.err));
    expect(first.out + rest.out === whole.out).toBe(true);
  });

  test("where a batch is cut, its beginning is named, and how many of its rows to leave out", async () => {
    const session = await start(processor);
    const { err } = await tail("--session", session, "--from", "start", "--limit", "71", "--format", "ndjson");
    expect(err).toMatch(/^71 rows; cursor \S+ and 21 rows\ngo on with --session \S+ --from \S+ --skip 21\n$/);
    const rest = await tail("--format", "ndjson", ...wayOn(err));
    expect(linesOf(rest.out)).toHaveLength(SAMPLE.rows - 71);
    const whole = await tail("--session", session, "--from", "start", "--format", "ndjson");
    expect(whole.err).toMatch(/^311 rows; cursor \S+\n$/);
    expect((await tail("--session", session, "--quiet", "--limit", "3")).err).toBe("");
    const behind = await tail("--session", session, "--from", "start", "--skip", "300", "--format", "ndjson");
    expect(behind.out).toBe(
      linesOf(whole.out)
        .slice(300)
        .map((line) => `${line}\n`)
        .join(""),
    );
  });

  test("where reading begins with the oldest batch that is held, inside a ledger", async () => {
    // A session that is over is read from its start, so this one waits at the tip.
    const session = await start(processor, { endLedger: 0 });
    const args = ["--session", session, "--format", "ndjson"];
    const whole = linesOf((await tail(...args, "--from", "start", "--limit", String(SAMPLE.rows))).out);
    const first = await tail(...args, "--limit", "7");
    const control = connectControl(processor.control);
    await control.stopProcessing({ sessionId: session });
    control.close();
    const rest = await tail("--format", "ndjson", ...wayOn(first.err));
    const rows = linesOf(first.out + rest.out);
    expect(rows.length).toBeLessThan(whole.length);
    expect(rows).toEqual(whole.slice(-rows.length));
    expect(linesOf(first.out)).toHaveLength(7);
    const over = await tail(...args);
    expect(linesOf(over.out)).toEqual(whole);
  });

  for (const signal of ["SIGTERM", "SIGKILL"] as const) {
    test(`${signal} of the server: the cursor is printed with the error, and goes on behind the last row`, async () => {
      const endless = { startLedger: 1000, endLedger: 0 };
      const serve = () =>
        startProcessor([`--source-endpoint=repeat:${SAMPLE.folder}`, "--shutdown-grace=100ms", ...FLAGS]);
      const dying = await serve();
      const session = await start(dying, endless);
      let [out, err, code] = ["", "", 0];
      let killed = false;
      const stdout = new Writable({
        write(chunk, _encoding, done) {
          out += chunk;
          if (!killed && out.length > 200_000) {
            killed = true;
            dying.kill(signal);
          }
          done();
        },
      });
      const stderr = new Writable({
        write(chunk, _encoding, done) {
          err += chunk;
          done();
        },
      });
      const interrupt = () => new AbortController().signal;
      const env = { FLIGHT_ADDRESS: dying.flight };
      const argv = ["tail", "--session", session, "--format", "ndjson", "--quiet"];
      code = await runCli(argv, COMMANDS, { env, stdout, stderr, interrupt });
      expect(code, err).toBe(1);
      expect(err).toMatch(/^\d+ rows; cursor \S+\ngo on with .*\ncontract-data-processor: .*\n$/);
      await dying.exited;
      const printed = linesOf(out);
      const again = await serve();
      try {
        const other = await start(again, endless);
        const next = wayOn(err).map((word) => (word === session ? other : word));
        const rest = await tailAt(again, "--format", "ndjson", "--limit", "200", ...next);
        const limit = String(printed.length + 200);
        const whole = await tailAt(
          again,
          "--format",
          "ndjson",
          "--session",
          other,
          "--from",
          "start",
          "--limit",
          limit,
        );
        expect(linesOf(whole.out).length).toBe(printed.length + 200);
        expect(out + rest.out === whole.out).toBe(true);
      } finally {
        await again.stop();
      }
    });
  }
});

describe("which session", () => {
  test("the newest, whatever its schema version", async () => {
    await start(processor);
    await start(processor, { schemaVersion: 2 });
    const { code, out } = await tail("--format", "ndjson");
    expect(code).toBe(0);
    expect(JSON.parse(linesOf(out)[0]!)).toHaveProperty("transaction_hash");
    await start(processor);
    expect(JSON.parse(linesOf((await tail("--format", "ndjson")).out)[0]!)).not.toHaveProperty("transaction_hash");
  });

  test("one with partitions asks for one of them", async () => {
    const session = await start(processor, { partitions: 4 });
    const { code, out, err } = await tail();
    expect([code, out]).toEqual([2, ""]);
    expect(err).toBe(
      `contract-data-processor: session ${session} is shared out to 4 partitions: read one of them with --partition N (0 to 3)\n`,
    );
    expect((await tail("--session", session)).err).toBe(err);
    expect((await tail("--partition", "3")).code).toBe(0);
  });

  test("the first to come, where there is none yet", async () => {
    const empty = await startProcessor([`--source-endpoint=${SAMPLE.folder}`, ...FLAGS]);
    try {
      const waiting = tailAt(empty, "--format", "ndjson");
      await Bun.sleep(200); // for the call to be there; it works out either way
      await start(empty, { schemaVersion: 2 });
      const { code, out, err } = await waiting;
      expect([code, linesOf(out).length], err).toEqual([0, SAMPLE.rows]);
    } finally {
      await empty.stop();
    }
  });

  test("one that is not there: no table is begun", async () => {
    const { code, out, err } = await tail("--session", "nope");
    expect([code, out]).toEqual([1, ""]);
    expect(err).toContain('"nope"');
  });
});

test.skipIf(!existsSync("/dev/full"))("a full disk", async () => {
  await start(processor);
  const command = ["bash", "-c", `"$0" "$@" tail > /dev/full`, ...PROGRAM];
  const { exitCode, stderr } = await runCommand([], { command, env: { FLIGHT_ADDRESS: processor.flight } });
  expect(stderr).toMatch(/^contract-data-processor: cannot write to standard output: ENOSPC.*\n$/);
  expect(exitCode).toBe(1);
});
