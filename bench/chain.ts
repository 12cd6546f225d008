/**
 * `bun bench/chain.ts [--rounds 200]`: what the check of the chain of ledgers (VERIFY_CHAIN) adds to decoding them to
 * columns. Passes with and without it take turns in one process, and go first in turns, since their difference is far
 * smaller than that of two processes on a shared machine. The first quartiles of their CPU, user and system, are compared:
 * other work on the machine touches those least.
 */
import { parseArgs } from "node:util";
import { BatchEncoder } from "../src/columns/batch-encoder.ts";
import { LedgerChain } from "../src/ledger/chain.ts";
import { LedgerDecoder } from "../src/ledger/decoder.ts";
import { RowSet } from "../src/ledger/row-set.ts";
import { denseLedgers, PUBNET } from "./support/ledgers.ts";
import { Report } from "./support/report.ts";

const WARM_UP_ROUNDS = 50; // then what is hot is compiled …
const WARM_UP_CHECKS = 100_000; // … and so is the check, which is one call a ledger, as in a server of some hours
const LEDGERS_MAX = 32; // a pass is then short beside what else the machine does

const { values: flags } = parseArgs({ options: { rounds: { type: "string", default: "200" } } });

const report = new Report("chain");
const ledgers = denseLedgers().slice(0, LEDGERS_MAX);
const encoder = new BatchEncoder({ schemaVersion: 1, networkPassphrase: PUBNET });
const decoder = new LedgerDecoder({ networkPassphrase: PUBNET, compat: "default", ...encoder.decoderOptions });
const rows = new RowSet();
let body = new Uint8Array(1 << 20);

/** CPU microseconds of one pass over all ledgers. */
function pass(checks: boolean): number {
  const chain = new LedgerChain();
  const before = process.cpuUsage();
  for (const bytes of ledgers) {
    decoder.decode(bytes, rows);
    if (checks) chain.take(bytes, "object");
    const plan = encoder.plan(rows, 0, rows.length);
    if (plan.bodyBytes > body.length) body = new Uint8Array(2 * plan.bodyBytes);
    encoder.write(rows, plan, body);
    encoder.header(plan);
    rows.clear();
  }
  const { user, system } = process.cpuUsage(before);
  return user + system;
}

const rounds = Number(flags.rounds);
const warmUp = new LedgerChain();
for (let n = 0; n < WARM_UP_CHECKS; n++) warmUp.take(ledgers[0]!, "object");
const passes: { off: number[]; on: number[] } = { off: [], on: [] };
for (let round = -WARM_UP_ROUNDS; round < rounds; round++) {
  const checksFirst = round % 2 === 0;
  const [first, second] = [pass(checksFirst), pass(!checksFirst)];
  if (round < 0) continue;
  passes.on.push(checksFirst ? first : second);
  passes.off.push(checksFirst ? second : first);
}
const each = (all: number[]) => all.toSorted((a, b) => a - b)[all.length >> 2]! / ledgers.length;
const [off, on] = [each(passes.off), each(passes.on)];
const percent = (on / off - 1) * 100;
const xdrMb = ledgers.reduce((sum, bytes) => sum + bytes.length, 0) / ledgers.length / 1e6;
console.log(`${ledgers.length} ledgers of ${xdrMb.toFixed(2)} MB of XDR, ${rounds} rounds; CPU microseconds a ledger:`);
console.log(`  decoded to columns           ${off.toFixed(1).padStart(8)}`);
console.log(`  the same, the chain checked  ${on.toFixed(1).padStart(8)}, ${percent.toFixed(2)} % more`);
report.figure("the check of the chain", [percent]);
report.keep("CPU microseconds of a pass with the check", passes.on);
report.keep("CPU microseconds of a pass without it", passes.off);
process.exit(report.finish());
