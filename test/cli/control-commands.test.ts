/** start, stop, status, metrics and filters against a real control server. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { CommandEntry } from "../../src/cli/command.ts";
import type { RunningServer } from "../../src/control/server.ts";
import { HealthState } from "../../src/grpc/health-state.ts";
import { startMemoryServer } from "../control/memory-server.ts";
import { MemorySessions } from "../control/memory-sessions.ts";
import { type CliRun, cli } from "./harness.ts";

const COMMANDS: readonly CommandEntry[] = [
  { name: "start", summary: "", load: () => import("../../src/cli/start.ts") },
  { name: "stop", summary: "", load: () => import("../../src/cli/stop.ts") },
  { name: "status", summary: "", load: () => import("../../src/cli/status.ts") },
  { name: "metrics", summary: "", load: () => import("../../src/cli/metrics.ts") },
  { name: "filters", summary: "", load: () => import("../../src/cli/filters.ts") },
  { name: "sessions", summary: "", load: () => import("../../src/cli/sessions.ts") },
  { name: "watch", summary: "", load: () => import("../../src/cli/watch.ts") },
  { name: "resume", summary: "", load: () => import("../../src/cli/resume.ts") },
  { name: "delete", summary: "", load: () => import("../../src/cli/delete.ts") },
];

const sessions = new MemorySessions();
let server: RunningServer;
let address: string;

beforeAll(async () => {
  server = await startMemoryServer(sessions, new HealthState([]));
  address = `127.0.0.1:${server.port}`;
});
afterAll(async () => {
  await server.close();
});

const run = (...args: string[]): Promise<CliRun> => cli([...args, "--address", address], COMMANDS);

async function started(...args: string[]): Promise<string> {
  const { code, out, err } = await run("start", "--start-ledger", "5", ...args);
  expect([code, err]).toEqual([0, ""]);
  return out.trim();
}

describe("start", () => {
  test("prints the session's id and nothing else", async () => {
    const id = await started("--end-ledger", "9", "--batch-size", "100");
    expect(id).toMatch(/^[0-9a-f-]{36}$/);
    expect(sessions.get(id).request).toEqual({ ledgerStart: 5, ledgerEnd: 9, batchRows: 100 });
  });

  test("--known-asset, several times or with commas", async () => {
    const [a, b, c] = ["USDC", "EURC", "AQUA"].map(
      (code) => `${code}:GA5ZSEJYB37JRC5AVCIA5MOP4RHTM335X2KGX3IHOJAPP5RE34K4KZVN`,
    );
    const id = await started("--known-asset", `${a},${b}`, "--known-asset", c!);
    expect(sessions.get(id).request.knownAssets).toEqual([a!, b!, c!]);
    const { code, err } = await run("start", "--start-ledger", "5", "--known-asset", `${a},USDC`);
    expect(code).toBe(2);
    expect(err).toContain("entry[1]");
    expect(err).toContain('"USDC" is neither native nor CODE:G…: there is no ":G…" in it');
  });

  test("--partitions", async () => {
    expect(sessions.get(await started("--partitions", "4")).request.partitions).toBe(4);
    expect((await run("start", "--start-ledger", "5", "--partitions", "17")).err).toContain("over PARTITIONS_MAX 16");
    expect((await run("start", "--start-ledger", "5", "--partitions", "0")).code).toBe(2);
  });

  test("--json", async () => {
    const { out } = await run("start", "--start-ledger", "5", "--json");
    expect(JSON.parse(out)).toEqual({
      success: true,
      message: expect.any(String),
      session_id: expect.any(String),
      already_started: false,
    });
  });

  test("a range that cannot be is told before anything is sent", async () => {
    expect((await run("start")).code).toBe(2);
    expect((await run("start", "--start-ledger", "0")).err).toContain("from 1 to 4294967295");
    const { code, err } = await run("start", "--start-ledger", "9", "--end-ledger", "8");
    expect(code).toBe(2);
    expect(err).toContain("--end-ledger 8 is before --start-ledger 9");
  });
});

describe("status", () => {
  test("as a table and as JSON", async () => {
    const id = await started("--end-ledger", "9");
    sessions.update(id, { ledgerCurrent: 7, entriesProcessed: 1_234_567 });
    expect((await run("status", id)).out).toBe(
      `session  ${id}\nstatus   RUNNING\nledger   7 of 9\nrows     1,234,567\n`,
    );
    expect(JSON.parse((await run("status", id, "--json")).out)).toEqual({
      session_id: id,
      status: "RUNNING",
      current_ledger: 7,
      target_ledger: 9,
      entries_processed: 1_234_567,
      error_message: "",
      error_reason: "",
    });
  });

  test("--watch goes on until the session completes, with a line for every change", async () => {
    const id = await started();
    // Each question finds the next state, however long it takes.
    const changes = [
      { ledgerCurrent: 6, entriesProcessed: 10 },
      {},
      { state: "STOPPED", message: "completed" },
    ] as const;
    let asked = 0;
    sessions.onGet = () => {
      const change = changes[asked++ - 1];
      if (change) sessions.sessions.set(id, { ...sessions.sessions.get(id)!, ...change });
    };
    const { code, out } = await run("status", id, "--watch", "--interval", "50ms");
    sessions.onGet = () => {};
    expect(code).toBe(0);
    expect(out.trimEnd().split("\n")).toEqual([
      "RUNNING  ledger none yet  0 rows",
      "RUNNING  ledger 6  10 rows",
      "STOPPED  ledger 6  10 rows  completed",
    ]);
  });

  test("--watch of a session that fails ends with 1", async () => {
    const id = await started();
    const error = { code: "DATA_LOSS", reason: "XDR", message: "ledger 6 ends at byte 9" } as const;
    sessions.update(id, { state: "ERROR", error });
    const { code, out } = await run("status", id, "--watch");
    expect(code).toBe(1);
    expect(out).toContain("ledger 6 ends at byte 9");
    expect(JSON.parse((await run("status", id, "--json")).out)).toMatchObject({ error_reason: "XDR" });
  });

  test("--watch ends at an interrupt, and on a terminal renews one line", async () => {
    const id = await started();
    const interrupt = AbortSignal.timeout(150);
    const argv = ["status", id, "--watch", "--address", address];
    const { code, out } = await cli(argv, COMMANDS, {}, { interrupt, isTTY: true });
    expect(code).toBe(0);
    expect(out).toBe("\r\x1b[2KRUNNING  ledger none yet  0 rows\n");
  });

  test("an unknown session", async () => {
    expect(await run("status", "nope")).toEqual({
      code: 1,
      out: "",
      err: "contract-data-processor: there is no session nope\n",
    });
    expect((await run("status")).code).toBe(2);
  });
});

test("stop, twice", async () => {
  const id = await started();
  for (let time = 0; time < 2; time++) {
    expect(await run("stop", id)).toEqual({ code: 0, out: "cancelled at ledger 0\n", err: "" });
  }
});

test("metrics", async () => {
  const id = await started();
  sessions.update(id, { entriesProcessed: 1001, bytesProcessed: 5_000_000, ratePerSecond: 12.4, updatedUnixMs: 0 });
  const { out } = await run("metrics", id);
  expect(out).toContain("rows                 1,001\n");
  expect(out).toContain("XDR bytes            5,000,000\n");
  expect(JSON.parse((await run("metrics", id, "--json")).out)).toEqual({
    contracts_processed: 1001,
    entries_skipped: 0,
    batches_created: 0,
    bytes_processed: 5_000_000,
    processing_rate: 12.4,
    last_update_time: 0,
    overall_rate: 0,
    current_ledger: 0,
    tip_ledger: 0,
    lag_ledgers: 0,
    lag_seconds: 0,
    errors: 0,
    ledgers_processed: 0,
    batch_bytes: 0,
    rows_delivered: 0,
    bytes_delivered: 0,
    clients: 0,
    retained_bytes: 0,
    ledgers_skipped: 0,
  });
});

describe("filters", () => {
  test("of one session, replaced and patched; the answer names the ledger", async () => {
    const id = await started("--asset-code", "AQUA", "--include-deleted");
    expect(sessions.get(id).request.filter).toEqual({ assetCodes: ["AQUA"], includeDeleted: true });
    const replaced = await run("filters", "--session", id, "--asset-code", "USDC", "--min-balance", "17");
    expect(replaced).toEqual({ code: 0, out: `the filters hold for session ${id} from ledger 15\n`, err: "" });
    const patched = await run(
      "filters",
      "--session",
      id,
      "--patch",
      "--asset-code",
      "EURC",
      "--remove",
      "asset-code=USDC",
      "--balances",
      "--modified-after-ledger",
      "12",
      "--json",
    );
    expect(JSON.parse(patched.out).applied).toEqual([
      {
        session_id: id,
        from_ledger: 25,
        filters: {
          contract_ids: [],
          asset_codes: ["EURC"],
          asset_issuers: [],
          balance_holders: [],
          include_deleted: false,
          min_balance: "17",
          key_types: [],
          durability: "",
          change_types: [],
          modified_after_ledger: 12,
          balances: true,
        },
      },
    ]);
  });

  test("without a session they are the default too", async () => {
    const { out } = await run("filters", "--include-deleted");
    expect(out).toStartWith("the filters hold for new sessions, session ");
    expect(sessions.defaultFilter).toEqual({ includeDeleted: true });
  });

  test("nothing given changes nothing: a session's are shown, --clear removes them", async () => {
    const id = await started("--asset-code", "AQUA", "--include-deleted");
    await run("filters", "--asset-code", "USDC");
    const bare = await run("filters");
    expect([bare.code, bare.out]).toEqual([2, ""]);
    expect(bare.err).toContain("--clear");
    expect(sessions.defaultFilter).toEqual({ assetCodes: ["USDC"], includeDeleted: false });
    const shown = await run("filters", "--session", id);
    expect(shown).toEqual({
      code: 0,
      out: `session ${id} from ledger 15: asset_codes USDC, without removed entries\n`,
      err: "",
    });
    const json = JSON.parse((await run("filters", "--session", id, "--json")).out);
    expect(json).toMatchObject({ session_id: id, from_ledger: 15, filters: { asset_codes: ["USDC"] } });
    expect((await run("filters", "--session", id)).out).toBe(shown.out);
    await run("filters", "--session", id, "--balances");
    expect((await run("filters", "--session", id)).out).toContain(": balances, without removed entries\n");
    expect((await run("filters", "--clear", "--session", id)).out).toContain("from ledger 35");
    expect((await run("filters", "--session", id)).out).toContain("from ledger 35: everything, without");
    expect((await run("filters", "--clear", "--include-deleted")).code).toBe(0);
    expect(sessions.defaultFilter).toEqual({ includeDeleted: true });
    expect((await run("filters", "--session", "nope")).err).toContain("there is no session nope");
  });

  test("what makes no sense is told before anything is sent", async () => {
    for (const [flags, said] of [
      [["--clear", "--patch", "--asset-code", "USDC"], "--clear"],
      [["--clear", "--asset-code", "USDC"], "--clear"],
      [["--remove", "asset-code=USDC"], "need --patch"],
      [["--patch"], "something to change"],
      [["--patch", "--include-deleted", "--exclude-deleted"], "opposites"],
      [["--patch", "--remove", "colour=red"], "asset-code"],
    ] as const) {
      const { code, err } = await run("filters", ...flags);
      expect(code).toBe(2);
      expect(err).toContain(said);
    }
  });

  test("what the server refuses is an error", async () => {
    const { code, err } = await run("filters", "--contract-id", "CABC");
    expect(code).toBe(2);
    expect(err).toContain("not a C");
  });
});

describe("sessions", () => {
  test("lists newest first, by label and state, and shows one", async () => {
    const first = await started("--label", "job=a", "--label", "team=x", "--compression", "zstd");
    const second = await started("--label", "job=b");
    sessions.update(first, { state: "STOPPED", message: "completed", entriesProcessed: 1234 });
    const { out } = await run("sessions");
    expect(out.indexOf(second)).toBeLessThan(out.indexOf(first));
    const byLabel = await run("sessions", "--label", "job=a");
    expect(byLabel.out).toBe(
      `${first}  STOPPED   ledger none yet  1,234 rows  0/s  0 clients  job=a,team=x  completed\n`,
    );
    expect((await run("sessions", "--status", "stopped", "--label", "job=b")).out).toBe("");
    const { out: one } = await run("sessions", first);
    for (const line of [
      `session           ${first}`,
      "checkpoint        ledger 8, 2023-11-14T22:13:20.000Z",
      "filters from 5    everything, with removed entries",
      "client 127.0.0.1:5  1 rows",
      "label job         a",
    ]) {
      expect(one.replaceAll(/ {2,}/g, " ")).toContain(line.replaceAll(/ {2,}/g, " "));
    }
    const json = JSON.parse((await run("sessions", first, "--json")).out);
    expect(json).toMatchObject({
      session_id: first,
      status: "STOPPED",
      request: { start_ledger: 5, compression: "COMPRESSION_ZSTD", labels: { job: "a", team: "x" } },
      metrics: { contracts_processed: 1234 },
      checkpoint: { ledger: 8, row: 3 },
    });
  });
});

test("resume and delete", async () => {
  const id = await started();
  expect((await run("delete", id)).err).toContain("stop it first");
  await run("stop", id);
  expect((await run("resume", id)).out).toBe("session is STARTING\n");
  sessions.update(id, { state: "STOPPED" });
  expect((await run("delete", id)).out).toBe("session deleted\n");
  expect((await run("status", id)).code).toBe(1);
});

test("stop --drop and --deadline reach the server", async () => {
  await run("stop", await started(), "--drop");
  expect(sessions.stopOptions).toEqual({ mode: "drop", deadlineMs: 0 });
  await run("stop", await started(), "--deadline", "1m30s");
  expect(sessions.stopOptions).toEqual({ mode: "drain", deadlineMs: 90_000 });
});

describe("watch", () => {
  test("ends with the session, and with 1 when it failed", async () => {
    const id = await started();
    const watching = run("watch", id, "--interval", "50ms");
    while (sessions.watchCount === 0) await Bun.sleep(5);
    sessions.update(id, { state: "STOPPING" });
    sessions.update(id, { state: "STOPPED", message: "completed at ledger 9" });
    const { code, out } = await watching;
    expect(code).toBe(0);
    expect(
      out
        .trimEnd()
        .split("\n")
        .map((line) => line.split("  ")[1]),
    ).toEqual(["RUNNING ", "STOPPING", "STOPPED "].map((s) => s.trim()));
    const failing = await started();
    sessions.update(failing, { state: "ERROR", error: { code: "DATA_LOSS", reason: "XDR", message: "ledger 6" } });
    expect((await run("watch", failing, "--json")).code).toBe(1);
  });

  test("of all sessions ends at an interrupt", async () => {
    const interrupt = new AbortController();
    const watching = cli(["watch", "--address", address], COMMANDS, {}, { interrupt: interrupt.signal });
    while (sessions.watchCount === 0) await Bun.sleep(5);
    const id = await started();
    sessions.update(id, { state: "STOPPED" });
    await Bun.sleep(50);
    interrupt.abort();
    const { code, out } = await watching;
    expect(code).toBe(0);
    expect(out).toContain(`${id}  STOPPED`);
  });
});

describe("where the server is", () => {
  test("GRPC_ADDRESS, also in the form that servers listen with", async () => {
    const id = await started();
    const env = { GRPC_ADDRESS: `:${server.port}` };
    expect((await cli(["status", id], COMMANDS, env)).code).toBe(0);
  });

  test("no server there: one line that says what to do", async () => {
    const gone = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
    gone.stop(true);
    const { code, err } = await cli(["status", "x", "--address", `127.0.0.1:${gone.port}`], COMMANDS);
    expect(code).toBe(1);
    expect(err).toStartWith(
      `contract-data-processor: cannot reach the control server at 127.0.0.1:${gone.port}: is it running?`,
    );
    expect(err.trimEnd().split("\n")).toHaveLength(1);
  });

  test("an address that is none", async () => {
    expect((await cli(["status", "x", "--address", "nowhere"], COMMANDS)).code).toBe(2);
    const { code, err } = await cli(["status", "x"], COMMANDS, { GRPC_ADDRESS: "nowhere" });
    expect(code).toBe(2);
    expect(err).toContain("GRPC_ADDRESS");
  });
});
