/** Files as people have them: pzstd's, an RPC server's answer, a lake one folder further down; a lake that tells no network. */
import { afterAll, describe, expect, test } from "bun:test";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { COMMANDS } from "../../src/main.ts";
import { cli } from "../cli/harness.ts";
import { SINGLE, TemporaryLake, tinyLedger } from "../sources/lake-fixture.ts";
import { ROOT, runCommand, SAMPLE } from "../support/processor.ts";

const folder = mkdtempSync(join(tmpdir(), "contract-data-files-"));
afterAll(() => rmSync(folder, { recursive: true }));
const LEDGER = join(ROOT, "test/fixtures/ledgers/58752000.xdr.zst");

async function decode(path: string): Promise<{ code: number; out: string; err: string }> {
  return await cli(["decode", path, "--format", "tsv"], COMMANDS);
}

function file(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

test("a zstd file that begins with a skippable frame, as pzstd writes it", async () => {
  const stored = new Uint8Array(await Bun.file(LEDGER).arrayBuffer());
  const skippable = [0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4];
  const plain = await decode(LEDGER);
  expect(await decode(file("pzstd.xdr.zst", new Uint8Array([...skippable, ...stored])))).toEqual(plain);
  expect(plain.out.split("\n").length).toBe(302);
});

describe("a saved answer of getLedgers", () => {
  const xdr = Buffer.from(Bun.zstdDecompressSync(require("node:fs").readFileSync(LEDGER))).toString("base64");
  const answer = (result: unknown) => JSON.stringify({ jsonrpc: "2.0", id: 1, ...(result as object) });

  test("is read", async () => {
    const path = file("answer.json", answer({ result: { ledgers: [{ sequence: 58752000, metadataXdr: xdr }] } }));
    expect(await decode(path)).toEqual(await decode(LEDGER));
  });

  test.each([
    ["cut off", answer({ result: { ledgers: [{ metadataXdr: xdr }] } }).slice(0, -9), "begins as JSON and is none"],
    [
      "an error",
      answer({ error: { code: -32600, message: "start ledger must be later" } }),
      "start ledger must be later",
    ],
    ["something else", answer({ result: { events: [] } }), "no answer of getLedgers"],
    ["without ledgers", answer({ result: { ledgers: [] } }), "has no ledger"],
    ["in JSON form", answer({ result: { ledgers: [{ metadataJson: {} }] } }), "ask for xdrFormat base64"],
    ["with a wrong value", answer({ result: { ledgers: [{ metadataXdr: "AAAA*" }] } }), "is no base64"],
  ])("%s is told as what it is", async (name, content, sentence) => {
    const { code, err } = await decode(file(`${name}.json`, content));
    expect([code, err]).toEqual([1, expect.stringContaining(sentence)]);
  });
});

test("a lake in a sub-folder is named in the error", async () => {
  const lake = join(folder, "up", "ledgers", "pubnet");
  mkdirSync(lake, { recursive: true });
  cpSync(SAMPLE.folder, lake, { recursive: true });
  const { code, err } = await decode(join(folder, "up"));
  expect([code, err]).toEqual([1, expect.stringContaining(`There is a lake in ${lake}: name that folder`)]);
  const serve = await runCommand(["serve", "--source-endpoint", join(folder, "up")]);
  expect([serve.exitCode, serve.stderr]).toEqual([1, expect.stringContaining(`There is a lake in ${lake}`)]);
});

test("serve asks for the network of a lake that does not tell it, and never takes testnet", async () => {
  using lake = new TemporaryLake(SINGLE, "none");
  lake.write(
    "FFFFFFFF--0-9/FFFFFFFA--5.xdr.zst",
    new Uint8Array(Bun.zstdCompressSync(new Uint8Array(Buffer.concat([batchHead(5), tinyLedger(5)])))),
  );
  const { exitCode, stderr } = await runCommand(["serve", "--source-endpoint", lake.folder]);
  expect([exitCode, stderr]).toEqual([1, expect.stringContaining("Set NETWORK_PASSPHRASE")]);
});

test("serve says what is wrong with a lake's first file where that keeps its network unknown", async () => {
  using lake = new TemporaryLake(SINGLE, "none");
  lake.write("FFFFFFFF--0-9/FFFFFFFA--5.xdr.zst", new TextEncoder().encode("not a ledger"));
  const { exitCode, stderr } = await runCommand(["serve", "--source-endpoint", lake.folder]);
  expect([exitCode, stderr]).toEqual([
    1,
    expect.stringMatching(/FFFFFFFA--5\.xdr\.zst: .*zstd.*Set NETWORK_PASSPHRASE/),
  ]);
});

function batchHead(ledger: number): Uint8Array {
  const head = new Uint8Array(12);
  const view = new DataView(head.buffer);
  for (const [at, value] of [ledger, ledger, 1].entries()) view.setUint32(4 * at, value);
  return head;
}
