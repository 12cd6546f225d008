/**
 * The binary where a container puts it: alone in a read-only file system with the C library, as user 1000, with no HOME and
 * no /tmp, as PID 1; memory at /dev/shm is all that a container's engine adds. Needs root and Linux' namespaces; skipped elsewhere.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, chownSync, copyFileSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { PORTS, PROGRAM, ROOT, SAMPLE } from "../support/processor.ts";
import { until } from "../support/until.ts";

const USER = 1000; // as in deploy/Dockerfile
const root = mkdtempSync(join(tmpdir(), "contract-data-root-"));
const binary = join(root, "contract-data-processor");
afterAll(() => rmSync(root, { recursive: true, force: true }));

const canUnshare = Bun.spawnSync(["unshare", "--mount", "--pid", "--fork", "true"], { stderr: "ignore" }).success;
if (!canUnshare) {
  if (process.env.CI === "true") throw new Error("under CI: namespaces of Linux are not to be had");
  console.log("skipped: no namespaces of Linux for a read-only root");
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

describe.if(canUnshare)("alone in a read-only root, as user 1000", () => {
  beforeAll(() => {
    const [program, ...more] = PROGRAM;
    if (more.length === 0) copyFileSync(program!, binary);
    else expect(Bun.spawnSync([process.execPath, "scripts/build.ts", binary], { cwd: ROOT }).success).toBe(true);
    const libraries = Bun.spawnSync(["ldd", binary]).stdout.toString().match(/\/\S+/g) ?? [];
    for (const library of libraries) {
      mkdirSync(dirname(join(root, library)), { recursive: true });
      cpSync(library, join(root, library), { dereference: true });
    }
    for (const folder of ["proc", "state", "dev/shm"]) mkdirSync(join(root, folder), { recursive: true });
    chownSync(join(root, "state"), USER, USER);
    chmodSync(root, 0o755);
    cpSync(SAMPLE.folder, join(root, "lake"), { recursive: true });
  }, 60_000);

  test("the main job", async () => {
    const demo = inside(["demo"]);
    const [out, err] = await Promise.all([new Response(demo.stdout).text(), new Response(demo.stderr).text()]);
    expect([await demo.exited, err]).toEqual([0, ""]);
    expect(out).toContain("7 ledgers, 311 rows");
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
});
