/** The library as another program gets it: packed by npm, put where npm install would put it, imported under Node. */
import { afterAll, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import packageJson from "../../package.json" with { type: "json" };
import { ledger58752000 } from "../fuzz/ledger-fixtures.ts";
import { PUBNET } from "../support/networks.ts";

const root = join(import.meta.dir, "../..");
const NODE_MAJOR_MIN = 20;
const PACK_MS_MAX = 60_000; // the declarations come from the TypeScript compiler

const scratch = mkdtempSync(join(tmpdir(), "contract-data-package-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

function run(cwd: string, command: string, ...args: string[]): string {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, encoding: "utf8" });
  if (status !== 0) throw new Error(`${command} ${args.join(" ")} ended with ${status}: ${stderr}`);
  return stdout;
}

const version = /^v(\d+)\./.exec(spawnSync("node", ["--version"], { encoding: "utf8" }).stdout ?? "")?.[1];
const hasNode = Number(version ?? 0) >= NODE_MAJOR_MIN && spawnSync("npm", ["--version"]).status === 0;
if (!hasNode) console.warn(`skipping the package: npm is not there, or node is older than ${NODE_MAJOR_MIN}`);

test.skipIf(!hasNode)(
  "a program that installs the packed library decodes a ledger, with types, and needs only what the package names",
  () => {
    run(root, "npm", "pack", "--offline", "--loglevel=error", "--pack-destination", scratch);
    const [archive] = readdirSync(scratch).filter((name) => name.endsWith(".tgz"));
    expect(archive).toBe(`${packageJson.name}-${packageJson.version}.tgz`);

    // Without a registry: what npm install unpacks, beside the dependencies that the package names and no others.
    const modules = join(scratch, "program", "node_modules");
    const installed = join(modules, packageJson.name);
    mkdirSync(installed, { recursive: true });
    run(scratch, "tar", "-xzf", archive!, "--strip-components=1", "-C", installed);
    for (const name of Object.keys(packageJson.dependencies)) {
      mkdirSync(dirname(join(modules, name)), { recursive: true });
      symlinkSync(join(root, "node_modules", name), join(modules, name));
    }

    const program = join(scratch, "program");
    writeFileSync(join(program, "ledger.xdr"), ledger58752000());
    writeFileSync(
      join(program, "program.mjs"),
      `import { readFileSync } from "node:fs";
       import { decodeLedger } from "contract-data-processor";
       const batch = decodeLedger(readFileSync("ledger.xdr"), { networkPassphrase: ${JSON.stringify(PUBNET)} });
       console.log(batch.numRows, batch.numCols);`,
    );
    expect(run(program, "node", "program.mjs")).toBe("301 18\n");
    expect(run(program, process.execPath, "program.mjs")).toBe("301 18\n");
    const types = readFileSync(join(installed, packageJson.exports["."].types), "utf8");
    expect(types).toContain("decodeLedger");
  },
  PACK_MS_MAX,
);
