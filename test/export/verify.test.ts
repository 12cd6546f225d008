/** `export verify`: whatever was done to an export is found. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { appendFileSync, cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { exportSample, madeFlags, madeLake, run } from "./support.ts";

const LEDGERS_MADE = 24;
const scratch = mkdtempSync(join(tmpdir(), "verify-"));
const place = (name: string): string => join(scratch, name);
const lake = madeLake(LEDGERS_MADE);

beforeAll(async () => {
  const made = await run("export", "parquet", ...madeFlags(lake, LEDGERS_MADE), "--to", place("made"));
  expect(made.code, made.err).toBe(0);
});

afterAll(() => {
  rmSync(scratch, { recursive: true, force: true });
  lake[Symbol.dispose]();
});

/** A copy of the made export, to be damaged. */
function copyOfMade(name: string): { folder: string; files: string[] } {
  cpSync(place("made"), place(name), { recursive: true });
  const files = readdirSync(place(name)).filter((file) => file.endsWith(".parquet"));
  return { folder: place(name), files };
}

describe("export verify", () => {
  const DAMAGE: Record<string, [kind: string, damage: (folder: string, file: string) => void]> = {
    altered: [
      "changed",
      (folder, file) => {
        const bytes = readFileSync(join(folder, file));
        bytes[bytes.length >> 1]! ^= 1;
        writeFileSync(join(folder, file), bytes);
      },
    ],
    truncated: [
      "changed",
      (folder, file) => writeFileSync(join(folder, file), readFileSync(join(folder, file)).subarray(1)),
    ],
    longer: ["changed", (folder, file) => appendFileSync(join(folder, file), "x")],
    missing: ["missing", (folder, file) => rmSync(join(folder, file))],
    added: ["added", (folder, file) => cpSync(join(folder, file), join(folder, `copy-${file}`))],
    "without a manifest": [
      "missing",
      (folder) => rmSync(join(folder, "_export", "chunks", "0000000004-0000000007.json")),
    ],
    "with a manifest of other ledgers": [
      "changed",
      (folder) => {
        const chunks = join(folder, "_export", "chunks");
        cpSync(join(chunks, "0000000008-0000000011.json"), join(chunks, "0000000004-0000000007.json"));
      },
    ],
    "of another chain": [
      "chain",
      (folder) => {
        const path = join(folder, "_export", "chunks", "0000000008-0000000011.json");
        writeFileSync(path, readFileSync(path, "utf8").replace(/("previous_ledger_hash": ")../, "$1zz"));
      },
    ],
  };

  test.each(Object.entries(DAMAGE))("finds an export %s", async (name, [kind, damage]) => {
    const { folder, files } = copyOfMade(name);
    damage(folder, files[1]!);
    const verified = await run("export", "verify", "--from", folder);
    expect(verified.code).toBe(1);
    expect(verified.out).toMatch(new RegExp(`^${kind}: `, "m"));
    expect(verified.out).toContain("finding");
    const asJson = await run("export", "verify", "--from", folder, "--format", "json");
    const lines = asJson.out
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(lines.at(-1).findings).toBe(lines.length - 1);
    expect(lines[0].kind).toBe(kind);
  });

  test.each([
    ["settings.json", '"chunk_ledgers": 4', '"chunk_ledgers": 0'],
    ["ranges/000000.json", '"ledger_last": 24', '"ledger_last": 1e99'],
    ["ranges/000000.json", "{", ""],
  ])("ends where %s has %s as %s", async (object, text, other) => {
    const { folder } = copyOfMade("unreadable");
    const path = join(folder, "_export", object);
    writeFileSync(path, readFileSync(path, "utf8").replace(text, other));
    const verified = await run("export", "verify", "--from", folder);
    rmSync(folder, { recursive: true });
    expect([verified.code, verified.err.trim().split("\n").length]).toEqual([1, 1]);
    expect(verified.err).toContain(object);
  });

  test("one digest stands for the export", async () => {
    const digest = async (name: string) =>
      / digest ([0-9a-f]{64})$/m.exec((await run("export", "verify", "--from", place(name))).out)![1];
    const { folder } = copyOfMade("digested");
    expect(await digest("digested")).toBe(await digest("made"));
    rmSync(folder, { recursive: true });
    expect((await exportSample(place("other"))).code).toBe(0);
    expect(await digest("other")).not.toBe(await digest("made"));
  });
});
