/**
 * `make run` in a fresh clone with Node alone, with Bun alone, and with neither: `bun test/e2e/fresh-clone.ts`, a part of `make
 * soak`, since it installs all packages twice. What is committed is cloned.
 */
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { ROOT } from "../support/processor.ts";

const RUNTIMES = new Set(["node", "nodejs", "npm", "npx", "corepack", "bun", "bunx"]);
const RUN_MS_MAX = 600_000; // a slow registry

/** A folder for PATH with what is in the system's folders, but for the runtimes of JavaScript. */
export function toolsWithoutRuntimes(folder: string): string {
  mkdirSync(folder, { recursive: true });
  const places = new Map(
    ["/bin", "/usr/bin"].flatMap((place) => readdirSync(place).map((name) => [name, place] as const)),
  );
  for (const [name, place] of places) if (!RUNTIMES.has(name)) symlinkSync(join(place, name), join(folder, name));
  return folder;
}

/** Runs `make run` with that PATH and no other variables but the registry's; what it prints and its exit code. */
export function makeRun(cwd: string, path: string): { output: string; status: number | null } {
  const home = join(cwd, "..", "home");
  mkdirSync(home, { recursive: true });
  const registry = Object.entries(process.env).filter(([name]) => /^(npm_config_registry|HTTPS?_PROXY)$/i.test(name));
  const env = { ...Object.fromEntries(registry), HOME: home, PATH: path };
  const { stdout, stderr, status } = spawnSync("make", ["run"], { cwd, env, encoding: "utf8", timeout: RUN_MS_MAX });
  return { output: `${stdout}${stderr}`, status };
}

if (import.meta.main) {
  const scratch = mkdtempSync(join(tmpdir(), "contract-data-clone-"));
  const tools = toolsWithoutRuntimes(join(scratch, "tools"));
  const withOnly = (folder: string, ...programs: [name: string, path: string][]): string => {
    mkdirSync(join(scratch, folder));
    for (const [name, path] of programs) {
      if (name === "bun") copyFileSync(path, join(scratch, folder, name));
      else symlinkSync(path, join(scratch, folder, name));
    }
    return `${join(scratch, folder)}:${tools}`;
  };
  const cases: [name: string, path: string, wanted: RegExp][] = [
    ["neither", tools, /neither npm nor Bun is on the PATH/],
    ["Bun alone", withOnly("bun", ["bun", process.execPath]), /\n7 ledgers, 311 rows, /],
  ];
  const [node, npm] = ["node", "npm"].map((name) => Bun.which(name));
  if (node && npm)
    cases.push(["Node alone", withOnly("node", ["node", node], ["npm", npm]), /\n7 ledgers, 311 rows, /]);
  let failed = 0;
  for (const [name, path, wanted] of cases) {
    const clone = join(scratch, basename(name).replace(" ", "-"));
    spawnSync("git", ["clone", "--quiet", ROOT, clone], { stdio: "inherit" });
    const { output } = makeRun(clone, path);
    const found = wanted.exec(output)?.[0].trim();
    console.log(`== ${name}: ${found === undefined ? `FAILED\n${output}` : `ok, "${found}"`}`);
    if (found === undefined) failed += 1;
  }
  rmSync(scratch, { recursive: true, force: true });
  process.exit(failed === 0 ? 0 : 1);
}
