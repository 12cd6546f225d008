/** Every ledger that the oracle has read, bit for bit, in both settings. */
import { describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { TsvWriter } from "../../src/columns/text.ts";
import { splitBatch } from "../../src/ledger/batch.ts";
import { LedgerDecoder } from "../../src/ledger/decoder.ts";
import type { LedgerSummary } from "../../src/ledger/decoder-options.ts";
import { detectNetwork } from "../../src/ledger/network.ts";
import { RowSet } from "../../src/ledger/row-set.ts";
import type { Compat } from "../../src/vocabulary/compat.ts";
import { LOAD_TEST, PASSPHRASES, PUBNET } from "../support/networks.ts";
import { filesUnder, hasShared, readGzipText, readLedgers, readText, records } from "./shared-ledgers.ts";

const writer = new TsvWriter();

/** Decodes ledgers of one network, each into a row set of its own, and joins their lines. */
function tsv(ledgers: Uint8Array[], compat: Compat, each?: (summary: LedgerSummary, lines: string) => void): string {
  let networkPassphrase: string | undefined;
  for (const bytes of ledgers) networkPassphrase ??= detectNetwork(bytes, PASSPHRASES);
  const decoder = new LedgerDecoder({ networkPassphrase: networkPassphrase ?? PUBNET, compat });
  const rows = new RowSet();
  let text = "";
  for (const bytes of ledgers) {
    rows.clear();
    const summary = decoder.decode(bytes, rows);
    const lines = Buffer.from(writer.write(rows)).toString();
    each?.(summary, lines);
    text += lines;
  }
  return text;
}

const mapLines = (text: string, change: (cells: string[]) => string[] | undefined): string =>
  text
    .split("\n")
    .slice(0, -1)
    .map((line) => change(line.split("\t")))
    .map((cells) => (cells === undefined ? "" : `${cells.join("\t")}\n`))
    .join("");

/** What the Go service gives: the golden lines without those of restored entries. */
const asGo = (golden: string): string => mapLines(golden, (cells) => (cells[15] === "4" ? undefined : cells));
/** The golden has no asset on the native asset's contract, the default setting does. */
const withoutNative = (text: string): string =>
  mapLines(text, (cells) => (cells[11] === "AssetTypeAssetTypeNative" ? cells.with(11, "") : cells));

function checkBoth(ledgers: Uint8Array[], golden: string): void {
  expect(tsv(ledgers, "go")).toBe(asGo(golden));
  expect(withoutNative(tsv(ledgers, "default"))).toBe(golden);
}

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

describe.skipIf(!hasShared)("golden rows", () => {
  for (const path of filesUnder("pubnet", ".xdr.zst")) {
    test(path, () => {
      const golden = path.includes("63092988") ? "" : readText(path.replace(".xdr.zst", ".tsv"));
      checkBoth([readLedgers(path)], golden);
    });
  }

  test("a file as Galexie wrote it", () => {
    const batch = [...splitBatch(readLedgers("pubnet/FCD285FF--53312000.xdr.zstd"))];
    expect(batch.map((ledger) => ledger.sequence)).toEqual([53312000]);
    checkBoth([batch[0]!.bytes], readText("pubnet/53312000.tsv"));
  });

  test("ledgers before Soroban have no rows", () => {
    const paths = filesUnder("classic", ".xdr");
    expect(paths.length).toBe(5);
    for (const path of paths) checkBoth([readLedgers(path)], "");
  });

  for (const path of filesUnder("edge", ".xdr")) {
    test(path, () => checkBoth([readLedgers(path)], readText(path.replace(".xdr", ".tsv"))));
  }

  test("stellar-core's unit tests", () => {
    const paths = filesUnder("core", ".xdr.zst");
    expect(paths.length).toBe(104);
    for (const path of paths) checkBoth(records(readLedgers(path)), readText(path.replace(".xdr.zst", ".tsv")));
  });

  for (const version of ["v23", "v25"]) {
    test(`load-test ledgers ${version}, with the oracle's counts`, () => {
      const path = `loadgen/load-test-ledgers-${version}`;
      const stats = readText(`${path}.stats.jsonl`).trim().split("\n");
      let n = 0;
      tsv(records(readLedgers(`${path}.xdr.zstd`)), "default", (summary, lines) => {
        const oracle = JSON.parse(stats[n++]!);
        expect({ ...summary, sha: sha256(lines) }).toMatchObject({
          ledgerSequence: oracle.Seq,
          protocolVersion: oracle.Proto,
          transactions: oracle.Txs,
          changes: oracle.Changes,
          contractDataChanges: oracle.CD,
          noncesDropped: oracle.Nonce,
          rows: oracle.Rows,
          sha: oracle.CanonSHA,
        });
      });
      expect(n).toBe(stats.length);
    });
  }

  test("the lake, ledger by ledger and as a whole, in both settings", () => {
    const oracle = new Map(
      readText("lake.per-ledger.csv")
        .trim()
        .split("\n")
        .slice(1)
        .map((line) => line.split(","))
        .map((cells) => [Number(cells[0]), { rows: Number(cells[6]), restored: Number(cells[10]), sha: cells[16] }]),
    );
    const whole = createHash("sha256");
    let rows = 0;
    // Names count down from the newest ledger, so the reverse of their order is ledger order.
    for (const path of filesUnder("lake", ".xdr.zst").reverse()) {
      const ledgers = [...splitBatch(readLedgers(path))].map((ledger) => ledger.bytes);
      const golden = tsv(ledgers, "default", (summary, lines) => {
        const { rows: count, sha } = oracle.get(summary.ledgerSequence)!;
        expect({ rows: summary.rows, sha: sha256(lines) }).toEqual({ rows: count, sha: sha! });
        rows += summary.rows;
      });
      whole.update(golden);
      expect(tsv(ledgers, "go")).toBe(asGo(golden));
    }
    const [rowsLine, hashLine] = readText("lake.sha256").split("\n");
    expect(`rows ${rows}`).toBe(rowsLine!);
    expect(`sha256_in_order ${whole.digest("hex")}`).toBe(hashLine!);
  }, 60_000);

  test("eight ledgers a file", () => {
    const ledgers = filesUnder("lake-lpf8", ".xdr.zst")
      .reverse()
      .flatMap((path) => [...splitBatch(readLedgers(path))]);
    expect(ledgers.length).toBe(16);
    const golden = readGzipText("lake-lpf8.tsv.gz");
    checkBoth(
      ledgers.map((ledger) => ledger.bytes),
      golden,
    );
  });

  test("expiration is the oracle's live-until", () => {
    const path = "loadgen/load-test-ledgers-v25";
    const lines = readGzipText(`${path}.first3000.jsonl.gz`).trim().split("\n");
    const oracle = lines.map((line) => JSON.parse(line).live_until_ledger_seq as number);
    const decoder = new LedgerDecoder({ networkPassphrase: LOAD_TEST, compat: "default" });
    const found: number[] = [];
    const rows = new RowSet();
    for (const bytes of records(readLedgers(`${path}.xdr.zstd`))) {
      rows.clear();
      decoder.decode(bytes, rows);
      found.push(...rows.liveUntil.subarray(0, rows.length));
      if (found.length >= oracle.length) break;
    }
    expect(found.slice(0, oracle.length)).toEqual(oracle);
    expect(oracle.some((ledger) => ledger > 0)).toBe(true);
  });
});
