/** What becomes of the record of sessions when the disk is full, is read-only, or was written to half: real processes. */
import { afterAll, describe, expect, test } from "bun:test";
import { chmodSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ControlClient, connectControl } from "../../src/control/client.ts";
import { CodedError } from "../../src/error.ts";
import { GetStatusResponse_Status as Status } from "../../src/grpc/generated/control.ts";
import { STORE_FILE } from "../../src/sessions/store.ts";
import { failureOf } from "../support/failure.ts";
import { PORTS, PROGRAM, runCommand, SAMPLE, startProcessor } from "../support/processor.ts";

const scratch = mkdtempSync(join(tmpdir(), "contract-data-disk-"));
afterAll(() => {
  rmSync(scratch, { recursive: true, force: true });
});

const FILE_BLOCKS_MAX = 800; // of 512 bytes: some twenty commits
const STARTS_MAX = 2000;

const flags = (folder: string) => [
  `--source-endpoint=repeat:${SAMPLE.folder}`,
  "--include-deleted",
  "--worker-count=1",
  "--channel-buffer-size=4",
  "--sessions-max=1000",
  "--checkpoint-interval=1h",
  "--log-level=error",
  `--data-dir=${folder}`,
];

/** Runs the executable where no file may grow over FILE_BLOCKS_MAX, as on a full disk. */
const LIMITED = ["sh", "-c", `trap "" XFSZ; ulimit -f ${FILE_BLOCKS_MAX}; exec "$@"`, "sh", ...PROGRAM];

async function listed(control: ControlClient): Promise<string[]> {
  const { sessions } = await control.listSessions({ pageSize: 1000 });
  return sessions.map(({ sessionId }) => sessionId).sort();
}

test("a disk that is full: changes are refused, nothing of them is made, all else goes on, and nothing is lost", async () => {
  const folder = join(scratch, "full");
  let server = await startProcessor(flags(folder), { command: LIMITED });
  let control = connectControl(server.control);
  const running = (await control.startProcessing({ startLedger: 100 })).sessionId;
  const extra: string[] = [];
  for (let n = 0; n < 12; n++) extra.push((await control.startProcessing({ startLedger: 100 })).sessionId);
  const acknowledged = [running, ...extra];
  let refusal: CodedError | undefined;
  while (refusal === undefined && acknowledged.length < STARTS_MAX) {
    try {
      const request = { startLedger: 100, endLedger: 100, labels: new Map([["pad", "x".repeat(256)]]) };
      acknowledged.push((await control.startProcessing(request)).sessionId);
    } catch (thrown) {
      refusal = CodedError.from(thrown);
    }
  }
  expect(refusal?.toRecord()).toMatchObject({ code: "UNAVAILABLE", reason: "STATE_NOT_WRITTEN" });
  expect(refusal!.message).toContain("DATA_DIR has room");
  // Commits of one page may still fit where one of several did not, and a small one where a larger one did not.
  let stopped = 0;
  for (const sessionId of extra) {
    const full = await control.stopProcessing({ sessionId }).then(
      () => false,
      (thrown: unknown) => CodedError.from(thrown).reason === "STATE_NOT_WRITTEN",
    );
    if (!full) stopped += 1;
  }
  expect(stopped).toBeLessThan(extra.length);
  acknowledged.sort();

  expect(await listed(control)).toEqual(acknowledged);
  for (const call of [
    () => control.stopProcessing({ sessionId: running }),
    () => control.configureFilters({ assetCodes: ["USDC"] }),
    () => control.configureFilters({ sessionId: running, assetCodes: ["USDC"] }),
    () => control.deleteSession({ sessionId: running, force: true }),
  ]) {
    expect((await failureOf(call())).toRecord()).toMatchObject({ code: "UNAVAILABLE", reason: "STATE_NOT_WRITTEN" });
  }
  const { session } = await control.getSession({ sessionId: running });
  expect(session!.status).toBe(Status.RUNNING);
  expect(session!.filterHistory).toHaveLength(1);
  expect(await listed(control)).toEqual(acknowledged);
  control.close();
  server.kill("SIGKILL");
  await server.exited;

  server = await startProcessor(flags(folder));
  control = connectControl(server.control);
  expect(await listed(control)).toEqual(acknowledged);
  for (const sessionId of extra.slice(0, stopped)) {
    expect((await control.getStatus({ sessionId })).status).toBe(Status.STOPPED);
  }
  expect((await control.getSession({ sessionId: running })).session!.filterHistory).toHaveLength(1);
  expect((await control.stopProcessing({ sessionId: running })).session!.status).toBe(Status.STOPPED);
  control.close();
  expect(await server.stop()).toBe(0);
}, 120_000);

const isRoot = process.getuid?.() === 0;
/** Root may write everywhere, unless it gives that up. */
const PLAIN = isRoot ? ["setpriv", "--bounding-set=-dac_override,-dac_read_search", ...PROGRAM] : PROGRAM;
const mayCheck = !isRoot || Bun.which("setpriv") !== null;

describe("a DATA_DIR that cannot be written to is refused by name", () => {
  const serve = (folder: string) => ["serve", ...PORTS, ...flags(folder)];

  test.skipIf(!mayCheck)(
    "a folder, with a record in it and without",
    async () => {
      const folder = join(scratch, "read-only");
      const server = await startProcessor(flags(folder));
      await server.stop();
      const empty = mkdtempSync(join(scratch, "empty-"));
      for (const path of [folder, empty, join(empty, "below")]) {
        if (path === folder) chmodSync(join(folder, STORE_FILE), 0o444);
        if (path !== join(empty, "below")) chmodSync(path, 0o555);
        const refused = await runCommand(serve(path), { command: PLAIN });
        expect([refused.exitCode, refused.stderr]).toEqual([2, expect.stringContaining(path)]);
        expect(refused.stderr).toMatch(/cannot be read and written to|cannot be made one/);
      }
      chmodSync(folder, 0o755);
      chmodSync(empty, 0o755);
    },
    60_000,
  );

  test("a file", async () => {
    const file = join(scratch, "file");
    writeFileSync(file, "");
    const refused = await runCommand(serve(file));
    expect([refused.exitCode, refused.stderr]).toEqual([2, expect.stringContaining(`DATA_DIR is ${file}`)]);
  }, 30_000);
});

test("a log that ends in the middle of a commit is that of a crash; one with a hole is refused, and recover keeps the rest", async () => {
  const folder = join(scratch, "torn");
  let server = await startProcessor(flags(folder));
  let control = connectControl(server.control);
  const ids: string[] = [];
  for (let n = 0; n < 5; n++) ids.push((await control.startProcessing({ startLedger: 100 + n })).sessionId);
  control.close();
  server.kill("SIGKILL");
  await server.exited;
  const wal = join(folder, `${STORE_FILE}-wal`);
  const whole = readFileSync(wal);
  truncateSync(wal, whole.length - 1000);

  // What the last frame held may be a note that nobody was told of; a session that was acknowledged has more after it.
  server = await startProcessor(flags(folder));
  control = connectControl(server.control);
  expect(await listed(control)).toEqual([...ids].sort());
  control.close();
  server.kill("SIGKILL");
  await server.exited;

  const hole = readFileSync(wal);
  hole[32 + 24 + 2000]! ^= 1; // in the first frame's page, with others behind it
  writeFileSync(wal, hole);
  const refused = await runCommand(["serve", ...PORTS, ...flags(folder)]);
  expect([refused.exitCode, refused.stderr]).toEqual([1, expect.stringContaining("frame 1 is damaged")]);
  expect(refused.stderr).toContain("recover");
  const recovered = await runCommand(["recover", "--data-dir", folder]);
  expect(recovered.stdout).toMatch(/\d+ sessions kept/);
  server = await startProcessor(flags(folder));
  expect(await server.stop()).toBe(0);
}, 120_000);
