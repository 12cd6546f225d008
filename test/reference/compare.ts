/**
 * Compares `decode --dataset ttl` with the reference, file by file:
 *
 *   bun test/reference/compare.ts [--network-passphrase PASSPHRASE] FILE…
 */
import { join } from "node:path";
import { reference } from "./reference.ts";

const MAIN = join(import.meta.dir, "../../src/main.ts");
const given = process.argv.slice(2);
const network = given[0] === "--network-passphrase" ? given.splice(0, 2) : [];
let rows = 0;
let failed = 0;
for (const file of given) {
  const decode = [process.execPath, MAIN, "decode", "--dataset", "ttl", "--format", "tsv", "--verify-chain", "off"];
  const { stdout, stderr, exitCode } = Bun.spawnSync([...decode, ...network, file], { stdout: "pipe", stderr: "pipe" });
  const expected = reference("rows", [file]);
  const own = stdout.toString();
  rows += expected.split("\n").length - 1;
  if (exitCode === 0 && own === expected) continue;
  failed += 1;
  const at = own.split("\n").findIndex((line, i) => line !== expected.split("\n")[i]);
  console.error(`${file}: row ${at} differs, or ${stderr.toString()}`);
}
console.log(`${given.length} files, ${rows} rows, ${failed} differ`);
process.exit(failed === 0 && given.length > 0 ? 0 : 1);
