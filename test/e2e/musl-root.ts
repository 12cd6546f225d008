/**
 * The musl binary, by the tests of bare-root.test.ts, in a root with nothing but musl, libstdc++ and libgcc:
 *
 *   bun test/e2e/musl-root.ts
 *
 * Debian 12's own musl 1.2.3 cannot run Bun, so a later one comes from Debian's archive, and the other two libraries are those that
 * a musllinux wheel brings. Needs root, curl, dpkg, pip and unzip.
 */
import { mkdtempSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";

const MUSL = "http://deb.debian.org/debian/pool/main/m/musl/musl_1.2.5-3_amd64.deb";
const WHEEL = ["numpy==2.5.5", "--platform=musllinux_1_2_x86_64", "--python-version=3.12"]; // it has libstdc++ and libgcc

const scratch = mkdtempSync(join(tmpdir(), "contract-data-musl-"));
process.on("exit", () => rmSync(scratch, { recursive: true, force: true }));

function run(...command: string[]): void {
  const { success, stderr } = Bun.spawnSync(command, { cwd: scratch, stdout: "ignore", stderr: "pipe" });
  if (success) return;
  console.error(`${command.join(" ")} failed: ${stderr}`);
  process.exit(1);
}

run("curl", "--fail", "--silent", "--show-error", "--max-time", "60", "-o", "musl.deb", MUSL);
run("dpkg", "-x", "musl.deb", "musl");
run("python3", "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", ...WHEEL);
run("sh", "-c", "unzip -q *.whl 'numpy.libs/*' && mkdir -p root/lib && cp numpy.libs/lib[sg]* root/lib/");
const lib = join(scratch, "root", "lib");
run("cp", "musl/usr/lib/x86_64-linux-musl/libc.so", join(lib, "ld-musl-x86_64.so.1"));
symlinkSync("ld-musl-x86_64.so.1", join(lib, "libc.musl-x86_64.so.1"));
const [found] = readdirSync(lib).filter((name) => name.startsWith("libstdc++"));
symlinkSync(basename(found!), join(lib, "libstdc++.so.6"));

const tests = Bun.spawnSync([process.execPath, "test", "--timeout=120000", "test/e2e/bare-root.test.ts"], {
  cwd: join(import.meta.dir, "..", ".."),
  env: { ...process.env, MUSL_ROOT: join(scratch, "root") },
  stdio: ["ignore", "inherit", "inherit"],
});
process.exit(tests.exitCode);
