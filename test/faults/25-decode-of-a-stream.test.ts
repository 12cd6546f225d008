/** decode reads a record-marked stream a ledger at a time: rows as ledgers come, memory flat. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { splitBatch } from "../../src/ledger/batch.ts";
import { link } from "../support/chain.ts";
import { ROOT, SAMPLE } from "../support/processor.ts";

const LEDGERS = 250; // of 1.28 MB: 320 MB
const RESIDENT_GROWTH_MB_MAX = 160; // far below the stream, far above what one ledger and its rows take

/** The dense sample ledger, its sequence number rising with each call, in a chain that holds. */
function risingLedgers(): () => Uint8Array {
  const file = join(SAMPLE.folder, "FC7F83FF--58752000-58815999/FC7F83FF--58752000.xdr.zst");
  const [ledger] = splitBatch(Bun.zstdDecompressSync(readFileSync(file)));
  const record = new Uint8Array(4 + ledger!.bytes.length);
  const view = new DataView(record.buffer);
  view.setUint32(0, 0x8000_0000 + ledger!.bytes.length);
  record.set(ledger!.bytes, 4);
  const at = Buffer.from(record).indexOf(Buffer.from(new Uint8Array(new Uint32Array([SAMPLE.last]).buffer).reverse()));
  let sequence = SAMPLE.last;
  let hash: Uint8Array = new Uint8Array(32);
  return () => {
    view.setUint32(at, sequence++);
    hash = link(record.subarray(4), hash);
    return record.slice();
  };
}

const residentMb = (pid: number) =>
  Number(/^VmHWM:\s*(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))![1]) / 1024;

test("320 MB through a pipe: the first row comes before the second ledger does, and memory stays flat", async () => {
  const next = risingLedgers();
  const main = join(ROOT, "src/main.ts");
  // By a shell: Bun.spawn's own streams are sockets, which cannot be opened by path.
  const child = Bun.spawn(["sh", "-c", 'cat | exec "$1" "$2" decode - --format ndjson', "sh", process.execPath, main], {
    stdin: "pipe",
    stdout: "pipe",
  });
  const reader = child.stdout.getReader();
  child.stdin.write(next());
  child.stdin.flush();
  const first = await reader.read();
  expect(new TextDecoder().decode(first.value).slice(0, 20)).toStartWith('{"contract_id":');
  const pid = decoderOf(child.pid);
  const before = residentMb(pid);
  let lines = count(first.value!);
  const counting = (async () => {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      lines += count(value);
    }
  })();
  for (let i = 1; i < LEDGERS; i++) {
    child.stdin.write(next());
    await child.stdin.flush();
  }
  const grown = residentMb(pid) - before;
  child.stdin.end();
  await counting;
  expect(await child.exited).toBe(0);
  expect(lines).toBe(LEDGERS * 301);
  expect(grown).toBeLessThan(RESIDENT_GROWTH_MB_MAX);
}, 120_000);

/** The process that decodes, among the shell's: the shell itself became it. */
function decoderOf(shell: number): number {
  const listed = Bun.spawnSync(["ps", "-eo", "pid=,ppid=,args="]).stdout.toString().split("\n");
  const rows = listed.map((line) => /^ *(\d+) +(\d+) (.*)$/.exec(line)).filter((row) => row !== null);
  const own = rows.find(
    (row) => row[3]!.includes("decode -") && (Number(row[1]) === shell || Number(row[2]) === shell),
  );
  return Number(own![1]);
}

function count(bytes: Uint8Array): number {
  let lines = 0;
  for (const byte of bytes) if (byte === 0x0a) lines++;
  return lines;
}
