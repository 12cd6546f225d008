/** `decode` as a user runs it, on the real ledgers of the fixtures. */
import { afterAll, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { tableFromIPC } from "apache-arrow";
import { HeldLedgers } from "../../src/cli/input-network.ts";
import { AssetContract } from "../../src/ledger/asset-contract.ts";
import { networkId } from "../../src/ledger/network.ts";
import { openLedgerInput } from "../../src/sources/file/ledger-file.ts";
import {
  accountAddress,
  balance,
  buildLedger,
  concat,
  created,
  id,
  ledgerKey,
  NETWORK,
  scAddress,
  scI128,
  scInstance,
  scInstanceKey,
  scSymbol,
  scVec,
  u32,
} from "../ledger/build.ts";
import { LOAD_TEST, PUBNET, TESTNET } from "../support/networks.ts";
import { PROGRAM, ROOT, runCommand, SAMPLE } from "../support/processor.ts";
import { sharedFolder } from "../support/shared.ts";

const FIXTURES = join(ROOT, "test", "fixtures", "ledgers");
const SHARED = sharedFolder("ledgers");
const LEDGER = join(FIXTURES, "58752000.xdr.zst");
const scratch = mkdtempSync(join(tmpdir(), "contract-data-decode-"));

afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const golden = (name: string) => readFileSync(join(FIXTURES, name), "utf8");
const withoutRestored = (tsv: string) =>
  tsv
    .split("\n")
    .filter((line) => line.split("\t")[15] !== "4")
    .join("\n");

async function tsv(path: string, env: Record<string, string> = {}, flags: string[] = []): Promise<string> {
  const run = await runCommand(["decode", "--format", "tsv", ...flags, path], { env });
  expect(run.stderr, path).toBe("");
  expect(run.exitCode, path).toBe(0);
  return run.stdout;
}

describe("rows equal the oracle's, byte for byte", () => {
  for (const name of [
    "58752000.xdr.zst",
    "FCD285FF--53312000.xdr.zstd",
    "ledgers-base64.txt.gz",
    "load-test-ledgers.xdr.zstd",
  ]) {
    test(`${name}, in both settings`, async () => {
      const expected = golden(`${name.replace(/\.(xdr|txt)\..*$/, "")}.tsv`);
      expect(await tsv(join(FIXTURES, name))).toBe(expected);
      expect(await tsv(join(FIXTURES, name), { COMPAT: "go" })).toBe(withoutRestored(expected));
    });
  }

  test("the sample lake", async () => {
    expect(await tsv(SAMPLE.folder)).toBe(readFileSync(join(ROOT, "sample", "lake.tsv"), "utf8"));
  });

  test.skipIf(SHARED === undefined)(
    "the pubnet, classic and edge files, and the lake",
    async () => {
      for (const folder of ["pubnet", "classic", "edge"]) {
        for (const name of readdirSync(join(SHARED!, folder))) {
          if (!/\.xdr(\.zst)?$/.test(name)) continue;
          const stem = join(SHARED!, folder, name.replace(/\.xdr(\.zst)?$/, ""));
          const expected = existsSync(`${stem}.tsv`) ? readFileSync(`${stem}.tsv`, "utf8") : "";
          const native = (text: string) => text.replaceAll("\tAssetTypeAssetTypeNative\t", "\t\t");
          expect(native(await tsv(join(SHARED!, folder, name))), name).toBe(expected);
          expect(await tsv(join(SHARED!, folder, name), { COMPAT: "go" }), name).toBe(withoutRestored(expected));
        }
      }
      const lake = gunzipSync(readFileSync(join(SHARED!, "lake.tsv.gz"))).toString("latin1");
      expect((await tsv(join(SHARED!, "lake"))) === lake).toBe(true);
      expect((await tsv(join(SHARED!, "lake"), { COMPAT: "go" })) === withoutRestored(lake)).toBe(true);
    },
    60_000,
  );
});

describe("what a ledger is kept in does not matter", () => {
  const xdr = Bun.zstdDecompressSync(readFileSync(LEDGER));
  const expected = golden("58752000.tsv");
  const marked = Buffer.alloc(4 + xdr.length);
  marked.writeUInt32BE((0x80000000 | xdr.length) >>> 0);
  marked.set(xdr, 4);
  const batch = Buffer.alloc(12 + xdr.length);
  batch.writeUInt32BE(58752000, 0);
  batch.writeUInt32BE(58752000, 4);
  batch.writeUInt32BE(1, 8);
  batch.set(xdr, 12);
  for (const [name, content] of Object.entries({
    raw: xdr,
    gzip: gzipSync(xdr),
    base64: Buffer.from(`${Buffer.from(xdr).toString("base64")}\n`),
    "a batch": batch,
    "a record-marked stream": marked,
    "a record-marked stream in zstd": Bun.zstdCompressSync(marked),
  })) {
    test(name, async () => {
      const path = join(scratch, name.replaceAll(" ", "-"));
      writeFileSync(path, content);
      expect(await tsv(path)).toBe(expected);
    });
  }
});

describe("formats", () => {
  test("ndjson has the columns of schema version 1 by name", async () => {
    const run = await runCommand(["decode", "--format", "ndjson", LEDGER]);
    const rows = run.stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(rows.length).toBe(301);
    expect(Object.keys(rows[0]).length).toBe(18);
    expect(rows.map((row) => row.val_xdr)).toEqual(
      golden("58752000.tsv")
        .trimEnd()
        .split("\n")
        .map((line) => line.split("\t")[19]),
    );
  });

  test("arrow is an IPC stream with the same rows", async () => {
    const path = join(scratch, "rows.arrows");
    const child = Bun.spawn([...PROGRAM, "decode", "--format", "arrow", LEDGER], {
      stdout: Bun.file(path),
      env: { ...process.env, CI: "" },
    });
    expect(await child.exited).toBe(0);
    const table = tableFromIPC(readFileSync(path));
    expect(table.numRows).toBe(301);
    expect(table.schema.metadata.get("network_passphrase")).toBe(PUBNET);
    expect([...table.getChild("ledger_key_hash")!]).toEqual(
      golden("58752000.tsv")
        .trimEnd()
        .split("\n")
        .map((line) => line.split("\t")[17] as string),
    );
  });

  test("table is for people, with a count at the end", async () => {
    const run = await runCommand(["decode", "--format", "table", LEDGER]);
    expect(run.stdout).toContain("ledger  contract");
    expect(run.stdout.trimEnd().endsWith("301 rows")).toBe(true);
  });

  test("table shows tokens' balances, exactly, and their kind; in schema version 1 it has no kind", async () => {
    const path = join(scratch, "token.xdr");
    const key = scVec([scSymbol("Balance"), scAddress(accountAddress(id(7)))]);
    const changes = [
      created({ key, val: scI128(10n ** 19n) }),
      created({ key: scInstanceKey, val: scInstance(id(3), []) }),
    ];
    writeFileSync(path, buildLedger({ transactions: [{ operations: [changes] }] }));
    const table = async (...flags: string[]) =>
      (await runCommand(["decode", "--format", "table", "--network-passphrase", NETWORK, path, ...flags])).stdout;
    const two = (await table("--schema-version", "2")).split("\n");
    expect(two[2]).toMatch(/ GADQO…OZPI {2}10000000000000000000 {2}token /);
    expect(two[3]).toContain(" wasm ");
    expect((await table("--schema-version", "2", "--balances")).split("\n")[3]).toBe("1 row");
    const one = (await table()).split("\n");
    expect(one[2]).not.toContain("token");
    expect(one[3]).toContain(" wasm ");
  });

  test("filters select only what they name", async () => {
    const contract = golden("58752000.tsv").split("\n")[0]!.split("\t")[6]!;
    const expected = golden("58752000.tsv")
      .split("\n")
      .filter((line) => line.split("\t")[6] === contract).length;
    const rows = (await tsv(LEDGER, {}, ["--contract-id", contract])).trimEnd().split("\n");
    expect(rows.length).toBe(expected);
  });
});

describe("bad input ends with exit code 1, one line that says where, and no row", () => {
  const xdr = Bun.zstdDecompressSync(readFileSync(LEDGER));

  async function refused(name: string, content: Uint8Array, flags: string[] = []): Promise<string> {
    const path = join(scratch, name);
    writeFileSync(path, content);
    const run = await runCommand(["decode", "--format", "tsv", ...flags, path]);
    expect(run.exitCode, run.stderr).toBe(1);
    expect(run.stdout).toBe("");
    expect(run.stderr.trimEnd().split("\n").length).toBe(1);
    expect(run.stderr).toContain(name);
    return run.stderr;
  }

  test("a truncated ledger", async () => {
    const message = await refused("cut.xdr", xdr.subarray(0, 400_000));
    expect(message).toMatch(/byte \d+/);
    expect(message).toContain("LedgerCloseMeta.v1");
  });

  test("a ledger with an unknown union arm", async () => {
    const changed = new Uint8Array(xdr);
    changed.fill(0xee, changed.length - 60_000, changed.length - 59_936);
    const message = await refused("arm.xdr", changed);
    expect(message).toMatch(/byte \d+/);
  });

  test("a truncated zstd file", async () => {
    expect(await refused("cut.xdr.zst", readFileSync(LEDGER).subarray(0, 60_000))).toMatch(/byte \d+/);
  });

  test("garbage", async () => {
    await refused(
      "garbage",
      new Uint8Array(1000).map((_, index) => (index * 7919) >> 3),
    );
  });

  test("an empty file, and one that is not there", async () => {
    await refused("empty", new Uint8Array(0));
    const run = await runCommand(["decode", join(scratch, "nowhere")]);
    expect(run.exitCode).toBe(1);
    expect(run.stderr).toContain("nowhere");
  });

  test("a ledger of another network", async () => {
    const message = await refused("other.xdr", xdr, ["--network-passphrase", TESTNET]);
    expect(message).toContain(TESTNET);
    expect(message).toContain(PUBNET);
  });
});

describe("the network of ledgers without transactions", () => {
  const LOAD_TEST_FILE = join(FIXTURES, "load-test-ledgers.xdr.zstd");
  const native = new Uint8Array(new AssetContract(networkId(LOAD_TEST)).native.buffer);
  const evicted = buildLedger({
    sequence: 81,
    evicted: [ledgerKey({ key: balance(id(7), 1n).key, contract: native })],
  });
  const empty = buildLedger({ sequence: 80 });

  /** A record-marked stream of these ledgers, in a file. */
  function stream(name: string, ledgers: Uint8Array[]): string {
    const path = join(scratch, name);
    const mark = (bytes: Uint8Array) => u32((0x80000000 | bytes.length) >>> 0);
    writeFileSync(path, concat(...ledgers.flatMap((bytes) => [mark(bytes), bytes])));
    return path;
  }

  async function loadTestLedgers(): Promise<Uint8Array[]> {
    const ledgers: Uint8Array[] = [];
    for await (const { bytes } of (await openLedgerInput(LOAD_TEST_FILE)).ledgers) ledgers.push(bytes.slice());
    return ledgers;
  }

  const decode = (...args: string[]) => runCommand(["decode", ...args]);
  const version2 = ["--schema-version", "2", "--format", "ndjson"];

  test("the first ledger with a transaction tells it, also for rows that come before", async () => {
    const path = stream("begins-empty", [empty, evicted, ...(await loadTestLedgers())]);
    const { stdout, stderr } = await decode(path, ...version2);
    expect(stderr).toBe("");
    const rows = stdout.trimEnd().split("\n");
    const { stdout: others } = await decode(LOAD_TEST_FILE, ...version2);
    expect(rows.slice(1).join("\n")).toBe(others.trimEnd());
    expect(JSON.parse(rows[0]!)).toMatchObject({ change_type: "evicted", asset_type: "AssetTypeAssetTypeNative" });
    const arrows = join(scratch, "begins-empty.arrows");
    const child = Bun.spawn([...PROGRAM, "decode", "--format", "arrow", path], {
      stdout: Bun.file(arrows),
      env: { ...process.env, CI: "" },
    });
    expect(await child.exited).toBe(0);
    expect(tableFromIPC(readFileSync(arrows)).schema.metadata.get("network_passphrase")).toBe(LOAD_TEST);
  });

  test("where none tells it, rows and Arrow's schema ask for it, and nothing else does", async () => {
    const bare = stream("bare", [empty]);
    expect(await decode(bare, "--format", "tsv")).toEqual({ exitCode: 0, stdout: "", stderr: "" });
    const withRows = stream("with-rows", [empty, evicted]);
    expect(await decode(withRows, "--format", "ndjson")).toEqual({ exitCode: 0, stdout: "", stderr: "" }); // no row of version 1
    for (const args of [
      [bare, "--format", "arrow"],
      [withRows, ...version2],
      [withRows, LOAD_TEST_FILE, ...version2],
    ]) {
      const { exitCode, stdout, stderr } = await decode(...args);
      expect([exitCode, stdout], args.join(" ")).toEqual([1, ""]);
      expect(stderr).toContain("name it with --network-passphrase");
      const named = await decode(...args, "--network-passphrase", LOAD_TEST);
      expect(named.exitCode, named.stderr).toBe(0);
    }
  });

  test("held ledgers have a limit, with both numbers in its error", () => {
    const held = new HeldLedgers(100);
    const ledger = { path: "file", ledgerIndex: 3, byteOffset: 0, bytes: new Uint8Array(60) };
    held.add(ledger);
    expect(() => held.add(ledger)).toThrow(/120 B, over max 100 B.*--network-passphrase/);
    const taken = new HeldLedgers(100);
    for (let round = 0; round < 3; round++) {
      taken.add(ledger);
      expect(taken.take()).toEqual([ledger]);
    }
    taken.end("file");
  });

  test("an Arrow stream has one network; text may have several", async () => {
    const { exitCode, stderr } = await decode(LEDGER, LOAD_TEST_FILE, "--format", "arrow");
    expect(exitCode).toBe(1);
    expect(stderr).toContain(`of the network "${LOAD_TEST}"`);
    expect(stderr).toContain(`of "${PUBNET}"`);
    expect((await decode(LEDGER, LOAD_TEST_FILE, "--format", "tsv")).stdout).toBe(
      golden("58752000.tsv") + golden("load-test-ledgers.tsv"),
    );
  });
});

test("- is standard input", async () => {
  const run = await runCommand(["decode", "--format", "tsv", "-"], { stdin: readFileSync(LEDGER) });
  expect([run.exitCode, run.stderr]).toEqual([0, ""]);
  expect(run.stdout).toBe(golden("58752000.tsv"));
});
