/**
 * `make dist`: a binary for every platform into dist/release, with SHA256SUMS, a bill of materials (CycloneDX) and the
 * licences of what is inside.
 *
 *   bun scripts/dist.ts [TARGET…]     only those, by the names in release/targets.ts
 */
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import packageJson from "../package.json" with { type: "json" };
import { compileBinary } from "./binary.ts";
import { billOfMaterials, licenceTexts } from "./release/bill-of-materials.ts";
import { fileOf, TARGETS } from "./release/targets.ts";

const root = join(import.meta.dir, "..");
const out = join(root, "dist", "release");
const asked = process.argv.slice(2);
const unknown = asked.filter((name) => !TARGETS.some((target) => target.name === name));
if (unknown.length > 0) {
  console.error(`no target ${unknown.join(", ")}; there are ${TARGETS.map(({ name }) => name).join(", ")}`);
  process.exit(2);
}

rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });
const sums: string[] = [];

function sum(file: string): number {
  const bytes = readFileSync(join(out, file));
  sums.push(`${createHash("sha256").update(bytes).digest("hex")}  ${file}\n`);
  return bytes.length;
}

for (const target of TARGETS) {
  if (asked.length > 0 && !asked.includes(target.name)) continue;
  const file = fileOf(target, packageJson.version);
  compileBinary(join(out, file), target.bun);
  const tested = target.tested === undefined ? "compiled, not run" : `tested: ${target.tested}`;
  console.log(`${file}  ${(sum(file) / 1e6).toFixed(0)} MB  ${tested}`);
}
const bill = billOfMaterials(root);
writeFileSync(join(out, "sbom.cdx.json"), `${JSON.stringify(bill, null, 2)}\n`);
writeFileSync(join(out, "LICENSES.txt"), licenceTexts(root, bill));
for (const file of ["sbom.cdx.json", "LICENSES.txt"]) sum(file);
writeFileSync(join(out, "SHA256SUMS"), sums.join(""));
console.log(`SHA256SUMS  sbom.cdx.json (${bill.components.length} components)  LICENSES.txt`);
