/** Every output of flake.nix evaluates, against a stand-in for nixpkgs (nix/evaluate.nix). Nothing is built. */
import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import packageJson from "../../package.json" with { type: "json" };
import { ROOT } from "../support/processor.ts";

const SYSTEMS = ["aarch64-darwin", "aarch64-linux", "x86_64-darwin", "x86_64-linux"];
const NAME = "contract-data-processor";
const home = mkdtempSync(join(tmpdir(), "contract-data-nix-"));
afterAll(() => rmSync(home, { recursive: true, force: true }));

const nix = Bun.which("nix-instantiate");
if (nix === null) {
  if (process.env.CI === "true") throw new Error("under CI: nix-instantiate is not there (Debian's nix-bin)");
  console.log("skipped: no nix-instantiate to read flake.nix with (Debian's nix-bin)");
}

interface Derivation {
  path: string;
  arguments: Record<string, unknown>;
}
interface Outputs {
  packages: Record<string, Record<string, Derivation>>;
  apps: Record<string, Record<string, { program: string }>>;
  devShells: Record<string, { default: Derivation }>;
  checks: Record<string, Record<string, Derivation>>;
  formatter: Record<string, Derivation>;
}

function outputs(): Outputs {
  // Nix wants a store to write into, though nothing is written.
  const places = { HOME: home, NIX_CONF_DIR: home, NIX_STATE_DIR: join(home, "state"), NIX_LOG_DIR: join(home, "log") };
  const run = Bun.spawnSync([nix!, "--eval", "--strict", "--json", join(import.meta.dir, "nix/evaluate.nix")], {
    env: { ...process.env, ...places, NIX_STORE_DIR: join(home, "store") },
    stdout: "pipe",
    stderr: "pipe",
  });
  if (!run.success) throw new Error(run.stderr.toString());
  return JSON.parse(run.stdout.toString()) as Outputs;
}

test.if(nix !== null)(
  "flake.nix has its outputs for four systems, and they say what make and the container say",
  () => {
    const { packages, apps, devShells, checks, formatter } = outputs();
    for (const of of [packages, apps, devShells, checks, formatter]) expect(Object.keys(of)).toEqual(SYSTEMS);
    for (const system of SYSTEMS) {
      const names = Object.keys(packages[system]!);
      expect(names).toEqual([NAME, "default", ...(system.endsWith("linux") ? ["docker"] : [])]);
      expect(packages[system]!.default).toEqual(packages[system]![NAME]!);
      const program = apps[system]!.default!.program;
      expect(program).toBe(`${packages[system]!.default!.path}/bin/${NAME}`);
      expect(checks[system]!.demo!.arguments.script).toContain("7 ledgers, 311 rows");
    }
    const built = packages["x86_64-linux"]!.default!.arguments;
    expect(built).toMatchObject({ pname: NAME, version: packageJson.version, dontStrip: true });
    expect(built.buildPhase).toContain("scripts/build.ts");
    const { config } = packages["x86_64-linux"]!.docker!.arguments as { config: Record<string, unknown> };
    const container = readFileSync(join(ROOT, "deploy", "Dockerfile"), "utf8");
    for (const line of config.Env as string[])
      if (!line.includes("/nix/store")) expect(container).toContain(`ENV ${line}`);
    expect(config).toMatchObject({
      User: "1000:1000",
      Healthcheck: { Test: ["CMD", `/bin/${NAME}`, "health", "--live"] },
    });
    expect(Object.keys(config.ExposedPorts as object).sort()).toEqual(["50054/tcp", "8089/tcp", "8816/tcp"]);
  },
);
