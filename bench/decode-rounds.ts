/**
 * The project's own decoder under measurement: the same conversation over standard input and output as the Go programs
 * have (bench/go/internal/harness), so that bench/decode.ts can run rounds of all of them in turn.
 */

import { createHash } from "node:crypto";
import { createInterface } from "node:readline";
import { RecordBatchReader } from "apache-arrow";
import { arrowSchema } from "../src/columns/arrow-schema.ts";
import { BatchEncoder } from "../src/columns/batch-encoder.ts";
import { encapsulate, encapsulatedSchema, STREAM_END } from "../src/columns/ipc.ts";
import { LedgerDecoder } from "../src/ledger/decoder.ts";
import { RowSet } from "../src/ledger/row-set.ts";
import { InflateBuffer, Inflater } from "../src/sources/file/inflate.ts";
import type { RowFilter } from "../src/vocabulary/row-filter.ts";
import { skipLedgerCloseMeta } from "../src/xdr/generated/skip.ts";
import { formatStrkey, STRKEY_CONTRACT } from "../src/xdr/strkey.ts";
import { readFrames } from "./support/frames.ts";
import { neutralText } from "./support/neutral-text.ts";
import type { Round } from "./support/peer.ts";

/** What a pass does: all rows and their columns, no row because a filter selects none, or the walk and nothing else. */
const WORK = (process.env.WORK ?? "columns") as "columns" | "no contract" | "no asset" | "walk";
const NO_ASSET_CODE = "NONE0000XYZ0";
const NO_CONTRACT = formatStrkey(new Uint8Array(32).fill(0xee), STRKEY_CONTRACT);
const FILTERS: Readonly<Record<string, RowFilter>> = {
  "no contract": { contractIds: [NO_CONTRACT] },
  "no asset": { assetCodes: [NO_ASSET_CODE] },
};
const BATCH_ROWS = Number(process.env.BATCH_ROWS); // of one record batch, at least
const BATCH_HEAD_BYTES = 12; // LedgerCloseMetaBatch: first, last, count
const INFLATED_BYTES_MAX = 1 << 30; // no lake file comes near
const SLOTS = 64; // inflated ledgers that wait for their batch

class OwnDecoder {
  private frames: Uint8Array[] = [];
  private isZstd = false;
  private decoder!: LedgerDecoder;
  private encoder!: BatchEncoder;
  private readonly rows = new RowSet();
  private body = new Uint8Array(1 << 20);
  private readonly inflater = new Inflater(INFLATED_BYTES_MAX);
  /** Rows point into their ledgers' bytes until they are written, so each waiting ledger has memory of its own. */
  private readonly slots = Array.from({ length: SLOTS }, () => new InflateBuffer());

  load(path: string, form: string, networkPassphrase: string): void {
    this.frames = readFrames(path);
    this.isZstd = form === "zstd";
    this.decoder = new LedgerDecoder({ networkPassphrase, compat: "default", filter: FILTERS[WORK] });
    this.encoder = new BatchEncoder({ schemaVersion: 1, networkPassphrase });
  }

  round(milliseconds: number): Round {
    const round = emptyRound();
    const cpu = process.cpuUsage();
    const begun = performance.now();
    while (round.passes === 0 || performance.now() - begun < milliseconds) {
      this.pass(round);
      round.passes++;
    }
    const { user, system } = process.cpuUsage(cpu);
    if (WORK !== "columns" && round.rows > 0) round.error = `${round.rows} rows, although there should be none`;
    return { ...round, wallNanos: (performance.now() - begun) * 1e6, cpuNanos: (user + system) * 1e3 };
  }

  digest(): Round {
    const round = emptyRound();
    const hash = createHash("sha256");
    const schema = encapsulatedSchema(arrowSchema(this.encoder));
    this.pass(round, (header, body) => {
      const stream = Buffer.concat([schema, encapsulate(header), body, STREAM_END]);
      for (const batch of RecordBatchReader.from(stream)) hash.update(neutralText(batch));
    });
    return { ...round, digest: hash.digest("hex") };
  }

  /** Decodes every frame once; `each` sees the record batches. */
  private pass(round: Round, each?: (header: Uint8Array, body: Uint8Array) => void): void {
    let waiting = 0;
    for (const frame of this.frames) {
      const ledger = this.isZstd ? this.inflate(frame, waiting) : frame;
      if (WORK === "walk") walk(ledger);
      else this.decoder.decode(ledger, this.rows);
      round.ledgers++;
      round.bytes += ledger.length;
      waiting++;
      if (WORK !== "columns") continue;
      if (this.rows.length < BATCH_ROWS && waiting < SLOTS) continue;
      this.flush(round, each);
      waiting = 0;
    }
    if (WORK === "columns") this.flush(round, each);
    else round.rows += this.rows.length;
  }

  private inflate(frame: Uint8Array, slot: number): Uint8Array {
    return this.inflater.inflate("frame", frame, "zstd", this.slots[slot]!).subarray(BATCH_HEAD_BYTES);
  }

  private flush(round: Round, each?: (header: Uint8Array, body: Uint8Array) => void): void {
    const { rows, encoder } = this;
    const plan = encoder.plan(rows, 0, rows.length);
    if (plan.bodyBytes > this.body.length) this.body = new Uint8Array(plan.bodyBytes * 2);
    encoder.write(rows, plan, this.body);
    const header = encoder.header(plan);
    round.rows += plan.rows;
    each?.(header, this.body.subarray(0, plan.bodyBytes));
    rows.clear();
  }
}

function walk(bytes: Uint8Array): void {
  const end = skipLedgerCloseMeta(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), 0, 0);
  if (end !== bytes.length) throw new Error(`the walk ended at byte ${end} of ${bytes.length}`);
}

function emptyRound(): Round {
  return { passes: 0, ledgers: 0, bytes: 0, rows: 0, wallNanos: 0, cpuNanos: 0 };
}

const own = new OwnDecoder();
for await (const line of createInterface({ input: process.stdin })) {
  const [command, path = "", form = "", ...passphrase] = line.split(" ");
  let answer = emptyRound();
  if (command === "load") own.load(path, form, passphrase.join(" "));
  else if (command === "round") answer = own.round(Number(path));
  else if (command === "digest") answer = own.digest();
  else answer.error = `unknown command "${command}"`;
  console.log(JSON.stringify(answer));
}
