/** The decoder as a library: what the README shows, under Bun and under Node, and the options of decodeLedger. */
import { beforeAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { decodeLedger, XdrError } from "../../src/index.ts";
import { ledger58752000 } from "../fuzz/ledger-fixtures.ts";
import { PUBNET } from "../support/networks.ts";

const root = join(import.meta.dir, "../..");
const NODE_MAJOR_MIN = 20;
const BUILD_MS_MAX = 60_000; // the declarations come from the TypeScript compiler

function run(command: string, ...args: string[]): string {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd: root, encoding: "utf8" });
  if (status !== 0) throw new Error(`${command} ${args.join(" ")} ended with ${status}: ${stderr}`);
  return stdout;
}

function nodeMajor(): number {
  const { stdout } = spawnSync("node", ["--version"], { encoding: "utf8" });
  return Number(/^v(\d+)\./.exec(stdout ?? "")?.[1] ?? 0);
}

const hasNode = nodeMajor() >= NODE_MAJOR_MIN;
if (!hasNode) console.warn(`skipping the library under Node: node is not there, or older than ${NODE_MAJOR_MIN}`);

describe("the README's library section", () => {
  const snippet = join(root, ".cache", "library-snippet.mjs");

  beforeAll(() => {
    const section = /\n## As a library\n(.*?)\n## /s.exec(readFileSync(join(root, "README.md"), "utf8"))?.[1] ?? "";
    const shell = [...section.matchAll(/```sh\n(.*?)```/gs)].find(([, text]) => text!.includes("ledger.xdr"))?.[1];
    const [, code] = /```js\n(.*?)```/s.exec(section) ?? [];
    expect([shell, code]).toEqual([expect.any(String), expect.any(String)]);
    mkdirSync(join(root, ".cache"), { recursive: true });
    writeFileSync(snippet, code!);
    run("sh", "-c", shell!);
  });

  test("runs under Bun", () => {
    expect(run(process.execPath, snippet)).toStartWith("301 {");
  });

  test.skipIf(!hasNode)(
    "runs under Node, with the same rows",
    () => {
      run(process.execPath, "scripts/build-library.ts");
      const program = `${readFileSync(snippet, "utf8")}
      import { tableToIPC, Table } from "apache-arrow";
      console.log(Buffer.from(tableToIPC(new Table([batch]))).toString("base64"));`;
      writeFileSync(snippet.replace("snippet", "digest"), program);
      expect(run("node", snippet)).toStartWith("301 {");
      const [bun, node] = [process.execPath, "node"].map((command) =>
        run(command, snippet.replace("snippet", "digest")),
      );
      const last = (text: string): string => text.trim().split("\n").at(-1)!;
      expect(last(node!).length).toBeGreaterThan(100_000);
      expect(last(node!)).toBe(last(bun!));
    },
    BUILD_MS_MAX,
  );

  test.skipIf(!hasNode)(
    "has types for a TypeScript program",
    () => {
      const program = join(root, ".cache", "library-types.ts");
      writeFileSync(
        program,
        `import { decodeLedger, type RowFilter } from "../dist/lib/index.js";
       const filter: RowFilter = { durability: "persistent" };
       export const rows: number = decodeLedger(new Uint8Array(), { networkPassphrase: "", filter }).numRows;
       // @ts-expect-error: there is no such setting
       decodeLedger(new Uint8Array(), { networkPassphrase: "", compat: "rust" });`,
      );
      const options = ["--module", "nodenext", "--target", "es2022", "--strict", "--noEmit", "--skipLibCheck"];
      run("node_modules/.bin/tsc", "--ignoreConfig", ...options, "--types", "bun-types", program);
    },
    BUILD_MS_MAX,
  );
});

describe("decodeLedger", () => {
  const ledger = ledger58752000();

  test("takes columns, a filter and compat", () => {
    const batch = decodeLedger(ledger, {
      networkPassphrase: PUBNET,
      columns: ["deleted", "balance"],
      filter: { includeDeleted: false, balanceMin: 1n },
      compat: "go",
    });
    expect(batch.schema.fields.map((field) => field.name)).toEqual(["deleted", "balance"]);
    expect(batch.numRows).toBeGreaterThan(0);
    expect(batch.toArray().every((row) => !row.deleted)).toBe(true);
  });

  test("refuses what is not a ledger", () => {
    expect(() => decodeLedger(ledger.subarray(0, 1000), { networkPassphrase: PUBNET })).toThrow(XdrError);
  });

  test("gives no rows where there are none", () => {
    const batch = decodeLedger(ledger, { networkPassphrase: PUBNET, filter: { assetCodes: ["NOSUCH"] } });
    expect(batch.numRows).toBe(0);
    expect(batch.numCols).toBe(18);
  });
});
