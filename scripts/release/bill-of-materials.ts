/**
 * What is inside of a binary: a CycloneDX document made from the lock file, and the licences' texts. (`npm sbom` leaves out
 * what a development package depends on too, protobufjs among them.)
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const LICENCE_FILE = /^(licen[cs]e|copying|notice)(\.|-|$)/i;
const MODULES = "node_modules/";

/** The parts of CycloneDX 1.5 that are used here. */
export interface Bill {
  $schema: string;
  bomFormat: "CycloneDX";
  specVersion: "1.5";
  version: 1;
  metadata: { component: { type: "application"; name: string; version: string } };
  components: Component[];
}

interface Component {
  type: "library" | "framework";
  "bom-ref": string;
  name: string;
  version: string;
  purl: string;
  licenses: [{ expression: string }];
  hashes?: { alg: "SHA-512"; content: string }[];
}

/** A package of the lock file. */
interface Locked {
  version: string;
  license?: string;
  integrity?: string;
  dev?: boolean;
  optional?: boolean;
  devOptional?: boolean;
}

/**
 * Every package that the binaries are made of, and Bun. The same lock file gives the same document: it has no time of its
 * making and no random number.
 * @throws Error for a package that names no licence
 */
export function billOfMaterials(root: string): Bill {
  const { packages } = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")) as {
    packages: Record<string, Locked>;
  };
  const components = new Map<string, Component>();
  for (const [path, locked] of Object.entries(packages)) {
    const isBun = path === `${MODULES}bun`;
    if (path === "" || (!isBun && (locked.dev || locked.optional || locked.devOptional))) continue;
    const name = path.slice(path.lastIndexOf(MODULES) + MODULES.length);
    const component = componentOf(name, locked, isBun ? "framework" : "library");
    components.set(component.purl, component);
  }
  const { name, version } = JSON.parse(
    readFileSync(join(root, "package.json"), "utf8"),
  ) as Bill["metadata"]["component"];
  return {
    $schema: "http://cyclonedx.org/schema/bom-1.5.schema.json",
    bomFormat: "CycloneDX",
    specVersion: "1.5",
    version: 1,
    metadata: { component: { type: "application", name, version } },
    components: [...components.values()].sort((a, b) => (a.purl < b.purl ? -1 : 1)),
  };
}

function componentOf(name: string, { version, license, integrity }: Locked, type: Component["type"]): Component {
  if (license === undefined) throw new Error(`${name} ${version} names no licence in package-lock.json`);
  const purl = `pkg:npm/${name.replace("@", "%40")}@${version}`;
  const sha512 = integrity?.startsWith("sha512-") ? integrity.slice("sha512-".length) : undefined;
  return {
    type,
    "bom-ref": purl,
    name,
    version,
    purl,
    licenses: [{ expression: license }],
    ...(sha512 === undefined
      ? {}
      : { hashes: [{ alg: "SHA-512", content: Buffer.from(sha512, "base64").toString("hex") }] }),
  };
}

/** One text with the licence of each package, in the order of their names. Packages without a file are named with their licence. */
export function licenceTexts(root: string, bill: Bill): string {
  const parts = bill.components.map(({ name, version, licenses: [{ expression }] }) => {
    const heading = `${"=".repeat(80)}\n${name} ${version}: ${expression}\n`;
    return [heading, ...textsOf(join(root, "node_modules", name))].join("\n");
  });
  return `What the binaries of Contract Data Processor are made of, with its licences. Bun's own parts, JavaScriptCore (LGPL-2.1)\namong them, are listed at https://bun.com/docs/project/licensing.\n\n${parts.join("\n")}`;
}

function textsOf(folder: string): string[] {
  let names: string[];
  try {
    names = readdirSync(folder);
  } catch {
    return [];
  }
  return names
    .filter((name) => LICENCE_FILE.test(name))
    .sort()
    .map((name) => readFileSync(join(folder, name), "utf8").replaceAll("\r\n", "\n").trim());
}
