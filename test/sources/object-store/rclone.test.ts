/** A second opinion on S3: `rclone serve s3` over the sample's folder. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { rclone } from "../../clients/toolchain.ts";
import { freePorts } from "../../support/object-store.ts";
import { SAMPLE } from "../../support/processor.ts";
import { until } from "../../support/until.ts";
import { decodeWith } from "./lake-readings.ts";

const program = await rclone();
if (program.missing !== undefined) console.warn(`skipping rclone's S3: ${program.missing}`);

const KEY = { AWS_ACCESS_KEY_ID: "testkey", AWS_SECRET_ACCESS_KEY: "testsecret" };
const scratch = mkdtempSync(join(tmpdir(), "rclone-"));

describe.skipIf(program.missing !== undefined)("rclone serve s3", () => {
  let server: Bun.Subprocess | undefined;
  let endpoint: string;

  beforeAll(async () => {
    cpSync(SAMPLE.folder, join(scratch, "buckets", "ledgers", "pubnet"), { recursive: true });
    await until(async () => {
      if (server === undefined || server.exitCode !== null) start(); // a port may be taken between looking and listening
      return (await fetch(endpoint).catch(() => undefined)) !== undefined;
    }, "rclone answers");
  }, 60_000);

  function start(): void {
    const [port] = freePorts(1);
    endpoint = `http://127.0.0.1:${port}`;
    const key = `${KEY.AWS_ACCESS_KEY_ID},${KEY.AWS_SECRET_ACCESS_KEY}`;
    const flags = ["--config", join(scratch, "none"), "--addr", `127.0.0.1:${port}`, "--auth-key", key];
    const command = [...program.command!, "serve", "s3", ...flags, join(scratch, "buckets")];
    server = Bun.spawn(command, { stdout: "ignore", stderr: "ignore" });
  }

  afterAll(async () => {
    server?.kill("SIGKILL");
    await server?.exited;
    rmSync(scratch, { recursive: true, force: true });
  });

  test("decode gives the rows of the folder", async () => {
    const folder = await decodeWith({}, SAMPLE.folder);
    expect(await decodeWith(KEY, `s3://ledgers/pubnet?endpoint=${endpoint}`)).toEqual(folder);
  }, 60_000);

  test.each([
    ["nobucket/x", {}, "there is no bucket nobucket at 127.0.0.1"],
    ["ledgers", {}, "There is a lake in s3://ledgers/pubnet"],
    ["ledgers/pubnet", { AWS_SECRET_ACCESS_KEY: "wrong" }, "403 SignatureDoesNotMatch"],
    ["ledgers/pubnet", { AWS_NO_SIGN_REQUEST: "true" }, "400 UnsupportedAlgorithm"], // where others answer 403
  ])("%s %p: %s", async (place, more, sentence) => {
    const { code, err } = await decodeWith({ ...KEY, ...more }, `s3://${place}?endpoint=${endpoint}`);
    expect([code, err]).toEqual([1, expect.stringContaining(sentence)]);
  });
});
