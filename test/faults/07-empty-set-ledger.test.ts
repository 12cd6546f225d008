/** A ledger whose transaction set is empty by decision of the validators (protocol 28) has no rows, and the stream goes on. */
import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { headerSequence } from "../../src/sources/file/header-offsets.ts";
import { Lake } from "../../src/sources/lake/lake.ts";
import { RawLedgerSource } from "../../src/sources/raw-ledger/raw-ledger-grpc.ts";
import { RepeatingSource } from "../../src/sources/repeating.ts";
import type { LedgerSource } from "../../src/sources/source.ts";
import { type Bytes, buildLedger, concat, created, id, NETWORK, scSymbol, u32 } from "../ledger/build.ts";
import { batchOf, TemporaryLake } from "../sources/lake-fixture.ts";
import { RawLedgerServer } from "../sources/raw-ledger-service.ts";
import { link } from "../support/chain.ts";
import { localServer } from "../support/local-server.ts";
import { runCommand } from "../support/processor.ts";
import { until } from "../support/until.ts";

const scratch = mkdtempSync(path.join(tmpdir(), "empty-set-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const row = created({ contract: id(20), key: scSymbol("k"), val: scSymbol("v") });
/** Ledgers 100 and 102 with a row each, 101 with the empty set. */
const three: Bytes[] = [];
for (let sequence = 100, hash = id(0); sequence <= 102; sequence++) {
  const transactions = [{ operations: [[row]] }];
  const bytes = buildLedger(sequence === 101 ? { sequence, emptySet: true } : { sequence, transactions });
  hash = link(bytes, hash);
  three.push(bytes);
}
const ledger = (sequence: number): Bytes => three[sequence - 100]!;

function lake(): TemporaryLake {
  const made = new TemporaryLake(undefined, { networkPassphrase: NETWORK });
  for (let n = 100; n <= 102; n++) {
    const stored = Bun.zstdCompressSync(batchOf(n, n, ledger));
    made.write(path.relative(made.folder, made.pathOf(n)), new Uint8Array(stored));
  }
  return made;
}

async function decoded(input: string): Promise<number[]> {
  const args = ["decode", "--format", "ndjson", "--network-passphrase", NETWORK, input];
  const { exitCode, stdout, stderr } = await runCommand(args);
  expect({ exitCode, stderr: exitCode === 0 ? "" : stderr }).toEqual({ exitCode: 0, stderr: "" });
  const lines = stdout.trimEnd().split("\n");
  return lines.map((line) => Number(JSON.parse(line).ledger_sequence));
}

test("decode of a record-marked stream and of a lake", async () => {
  const file = path.join(scratch, "stream.xdr");
  writeFileSync(file, concat(...three.flatMap((bytes) => [u32(0x8000_0000 + bytes.length), bytes])));
  expect(await decoded(file)).toEqual([100, 102]);
  using made = lake();
  expect(await decoded(made.folder)).toEqual([100, 102]);
}, 120_000);

test("repeat: renumbers it like any other ledger", async () => {
  using made = lake();
  const source = await RepeatingSource.open(made.folder);
  const seen: number[] = [];
  for await (const { name, bytes } of source.read(200, 205, new AbortController().signal)) {
    seen.push(headerSequence(name, bytes));
  }
  expect(seen).toEqual([200, 201, 202, 203, 204, 205]);
});

async function sessionOver(source: LedgerSource): Promise<void> {
  const server = await localServer(source, { "network-passphrase": NETWORK });
  try {
    const { sessionId } = await server.control.startProcessing({ startLedger: 100 });
    await until(async () => {
      const { currentLedger, errorMessage } = await server.control.getStatus({ sessionId });
      expect(errorMessage).not.toContain("LEDGER_HEADER");
      return currentLedger === 102;
    }, "at ledger 102");
  } finally {
    await server.close();
  }
}

test("a session and a range over a lake go past it", async () => {
  using made = lake();
  const source = await Lake.open(made.folder);
  await sessionOver(source);
  const server = await localServer(source, { "network-passphrase": NETWORK });
  try {
    const ticket = Buffer.from(JSON.stringify({ start_ledger: 100, end_ledger: 102 }));
    const ledgers: unknown[] = [];
    let complete = 0;
    for await (const { metadata, table } of server.flight.doGet(ticket)) {
      complete = metadata.ledger_complete;
      for (const row of table) ledgers.push(Number(row.ledger_sequence));
    }
    expect([ledgers, complete]).toEqual([[100, 102], 102]);
  } finally {
    await server.close();
    await source.close();
  }
}, 120_000);

test("a session over raw-ledger gRPC goes past it", async () => {
  using service = await RawLedgerServer.start(async (call) => {
    for (const [i, bytes] of three.entries()) if (100 + i >= call.startLedger) await call.send(100 + i, bytes);
  });
  await sessionOver(new RawLedgerSource(service.address));
}, 120_000);
