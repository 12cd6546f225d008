/** `gaps` over copies of the sample, each with something wrong in it. */
import { afterAll, describe, expect, test } from "bun:test";
import { cpSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ledgerHeader } from "../../src/ledger/header.ts";
import { COMMANDS } from "../../src/main.ts";
import { SAMPLE } from "../support/processor.ts";
import { cli } from "./harness.ts";

const scratch = mkdtempSync(join(tmpdir(), "gaps-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const FOLDER = "FC807DFF--58688000-58751999";
const fileOf = (ledger: number) => `${FOLDER}/${(0xffffffff - ledger).toString(16).toUpperCase()}--${ledger}.xdr.zst`;
let copies = 0;

function copy(change: (lake: string) => void = () => {}): string {
  const lake = join(scratch, String(copies++));
  cpSync(SAMPLE.folder, lake, { recursive: true });
  change(lake);
  return lake;
}

/** Rewrites one ledger of a lake. */
function rewrite(lake: string, ledger: number, change: (xdr: Uint8Array) => void): void {
  const file = join(lake, fileOf(ledger));
  const xdr = new Uint8Array(Bun.zstdDecompressSync(readFileSync(file)));
  change(xdr);
  writeFileSync(file, Bun.zstdCompressSync(xdr));
}

async function gaps(...args: string[]) {
  const { code, out, err } = await cli(["gaps", "--format", "json", ...args], COMMANDS);
  const lines = out
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  return { code, err, findings: lines.slice(0, -1), totals: lines.at(-1) };
}

test("a sound lake", async () => {
  expect(await gaps(SAMPLE.folder)).toEqual({
    code: 0,
    err: "",
    findings: [],
    totals: { ledgerFirst: SAMPLE.first, ledgerLast: SAMPLE.last, findings: 0 },
  });
  const { out } = await cli(["gaps", SAMPLE.folder], COMMANDS);
  expect(out).toBe(`ledgers ${SAMPLE.first} to ${SAMPLE.last}: nothing is wrong\n`);
});

describe("what is wrong", () => {
  const hole = (lake: string) => {
    for (const ledger of [58751996, 58751997]) rmSync(join(lake, fileOf(ledger)));
  };
  const falsified = (lake: string) =>
    rewrite(lake, 58751996, (xdr) => {
      xdr[12 + ledgerHeader(xdr.subarray(12)).offsets.previousLedgerHash]! ^= 1;
    });
  const damaged = (lake: string) => writeFileSync(join(lake, fileOf(58751996)), "not zstd");
  const renamed = (lake: string) => renameSync(join(lake, fileOf(58751996)), join(lake, fileOf(58751995)));
  const stranger = (lake: string) => writeFileSync(join(lake, FOLDER, "FFFFFFFA--5.xdr.zst"), "");
  test.each([
    ["a hole", hole, [["missing", 58751996, 58751997]]],
    [
      "a falsified header",
      falsified,
      [
        ["wrong hash", 58751996, 58751996],
        ["broken chain", 58751996, 58751996],
      ],
    ],
    ["a damaged object", damaged, [["damaged", 58751996, 58751996]]],
    [
      "an object under another name",
      renamed,
      [
        ["wrong ledger", 58751995, 58751995],
        ["missing", 58751996, 58751996],
      ],
    ],
    ["an object in another partition's folder", stranger, [["out of place", 58751994, 58751994]]],
  ] as const)("%s", async (_what, change, expected) => {
    const { code, findings, totals } = await gaps(copy(change));
    expect([code, totals?.findings]).toEqual([1, expected.length]);
    expect(findings.map(({ kind, ledgerFirst, ledgerLast }) => [kind, ledgerFirst, ledgerLast])).toEqual(
      expected.map((each) => [...each]),
    );
    for (const { object, detail } of findings)
      expect([object, detail]).toEqual([expect.any(String), expect.any(String)]);
  });
});

test("a range without the fault, no lake, and a range that runs backwards", async () => {
  const lake = copy((folder) => rmSync(join(folder, fileOf(58751996))));
  expect((await gaps(lake, "--start-ledger", "58751997")).code).toBe(0);
  expect((await cli(["gaps", scratch], COMMANDS)).err).toContain("no lake here");
  const backwards = await cli(["gaps", lake, "--end-ledger", "5"], COMMANDS);
  expect([backwards.code, backwards.err]).toEqual([2, expect.stringContaining("--end-ledger 5 is before ledger")]);
});
