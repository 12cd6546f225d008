/** A job in a bucket: leases, listings and manifests as a real store that speaks S3 has them. */
import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { storeServer } from "../clients/toolchain.ts";
import { madeFlags, madeLake } from "../export/support.ts";
import { KEY, ObjectStore, PRIVATE } from "../support/object-store.ts";
import { backfill, LEASE, rowsOf, spawnCommand, spawnWorker, worker } from "./support.ts";

const LEDGERS = 24;
const WHOLE = "_export/wholes/0000000001-0000000024.json";
const weed = await storeServer();
if (weed.missing !== undefined) console.warn(`skipping jobs in a bucket: ${weed.missing}`);
const scratch = mkdtempSync(join(tmpdir(), "backfill-bucket-"));
const lake = madeLake(LEDGERS);
afterAll(() => {
  rmSync(scratch, { recursive: true, force: true });
  lake[Symbol.dispose]();
});

test.skipIf(weed.missing !== undefined)(
  "workers, one of them killed, write to a bucket what one writes to a folder",
  async () => {
    const alone = join(scratch, "alone");
    const flags = [...madeFlags(lake, LEDGERS), ...LEASE];
    expect((await backfill("start", alone, ...flags)).code).toBe(0);
    expect((await worker(alone, lake.folder)).code).toBe(0);
    const store = await ObjectStore.start(weed.command![0]!);
    try {
      const env = {
        ...{ AWS_ACCESS_KEY_ID: KEY.accessKeyId, AWS_SECRET_ACCESS_KEY: KEY.secretAccessKey, AWS_REGION: "us-east-1" },
        AWS_ENDPOINT_URL_S3: store.endpoint,
      };
      const to = `s3://${PRIVATE}/rows`;
      expect(await spawnCommand(["backfill", "start", "--to", to, ...flags], env).exited).toBe(0);
      const killed = spawnWorker(to, lake.folder, env);
      while ((await store.names(`${PRIVATE}/rows/_export/chunks/`)).length === 0) await Bun.sleep(5);
      killed.kill("SIGKILL");
      const workers = [spawnWorker(to, lake.folder, env), spawnWorker(to, lake.folder, env)];
      expect(await Promise.all(workers.map(({ exited }) => exited))).toEqual([0, 0]);
      const whole = await store.get(`${PRIVATE}/rows/${WHOLE}`); // it has the sha256 of all manifests, and these of all files
      expect(Buffer.from(whole).toString("base64") === rowsOf(alone).get(WHOLE)).toBe(true);
      expect(await spawnCommand(["export", "verify", "--from", to], env).exited).toBe(0);
    } finally {
      await store.stop();
    }
  },
  120_000,
);
