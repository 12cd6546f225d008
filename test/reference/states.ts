/**
 * Folds both datasets, as sessions give them, and compares what is there, live and expired, with a fold by the reference.
 *
 *   bun test/reference/states.ts [--network-passphrase PASSPHRASE] [FILE…]
 *
 * Without files it makes a chained lake of 200 ledgers, and reads it by a session of both with 1, 2 and 4 workers.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { NETWORK } from "../ledger/build.ts";
import { Fold } from "../support/fold.ts";
import { LivingWorld } from "../support/living-world.ts";
import { localServer } from "../support/local-server.ts";
import { ManyContractsSource } from "../support/many-contracts.ts";
import { reference } from "./reference.ts";

const FIRST = 1000;
const LAST = 1199;
const MAIN = join(import.meta.dir, "../../src/main.ts");

/** Rows of `decode`, as objects with the value as bytes. */
function decoded(files: readonly string[], network: readonly string[], dataset: "contract_data" | "ttl") {
  const version = dataset === "ttl" ? [] : ["--schema-version", "2"];
  const words = ["decode", "--dataset", dataset, ...version, "--format", "ndjson", "--verify-chain", "off", ...network];
  const { stdout, stderr, exitCode } = Bun.spawnSync([process.execPath, MAIN, ...words, ...files]);
  if (exitCode !== 0) throw new Error(stderr.toString());
  const lines = stdout.toString().split("\n").filter(Boolean);
  return lines.map((line) => {
    const row = JSON.parse(line);
    return { ...row, val_xdr: Buffer.from(row.val_xdr ?? "", "base64") };
  });
}

function compare(what: string, own: readonly string[], expected: string): boolean {
  const lines = expected.split("\n").filter(Boolean);
  const words = Object.entries(Object.groupBy(lines, (line) => line.split("\t")[3]!));
  const isSame = own.join("\n") === lines.join("\n");
  const counts = words.map(([word, each]) => `${each!.length} ${word}`).join(", ");
  console.log(`${what}: ${lines.length} entries (${counts}) ${isSame ? "are the same" : "DIFFER"}`);
  return isSame;
}

async function chained(): Promise<boolean> {
  const world = new LivingWorld(FIRST, 20_251_128);
  const folder = mkdtempSync(join(tmpdir(), "contract-data-states-"));
  const files: string[] = [];
  for (let sequence = FIRST; sequence <= LAST; sequence++) {
    files.push(join(folder, `${sequence}.xdr`));
    writeFileSync(files.at(-1)!, world.ledger(sequence));
  }
  const expected = reference("state", files);
  rmSync(folder, { recursive: true });
  let isSame = true;
  for (const workers of ["1", "2", "4"]) {
    const source = new ManyContractsSource(true, (sequence) => world.ledger(sequence));
    const server = await localServer(source, { "network-passphrase": NETWORK, "worker-count": workers });
    const request = { startLedger: FIRST, endLedger: LAST, datasets: ["contract_data", "ttl"], schemaVersion: 2 };
    const { sessionId: session } = await server.control.startProcessing(request);
    const fold = new Fold();
    for (const dataset of ["contract_data", "ttl"] as const) {
      const ticket = Buffer.from(JSON.stringify({ session, dataset, from: "start" }));
      for await (const { table } of server.flight.doGet(ticket)) {
        for (const row of table.toArray()) {
          if (dataset === "ttl") fold.ttl({ ...row.toJSON() });
          else fold.data({ ...row.toJSON() });
        }
      }
    }
    await server.close();
    isSame = compare(`a chained lake, ${workers} workers`, fold.lines(LAST), expected) && isSame;
  }
  return isSame;
}

const given = process.argv.slice(2);
const network = given[0] === "--network-passphrase" ? given.splice(0, 2) : [];
if (given.length === 0) process.exit((await chained()) ? 0 : 1);
const fold = new Fold();
const data = decoded(given, network, "contract_data");
for (const row of data) fold.data(row);
const ttl = decoded(given, network, "ttl");
for (const row of ttl) fold.ttl(row);
const expected = reference("state", given);
const last = Number(process.env.LAST_LEDGER ?? [...data, ...ttl].at(-1)?.ledger_sequence ?? 0);
process.exit(compare(`${given.length} files`, fold.lines(last), expected) ? 0 : 1);
