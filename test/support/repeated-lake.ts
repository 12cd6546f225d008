/**
 * A web server over a lake that is nowhere: given ledgers over and over under new numbers, one a file. Their chain holds. A file is
 * two frames of zstd: the head, which is made when it is asked for, and the rest, which is compressed once.
 */
import { ledgerHeader } from "../../src/ledger/header.ts";
import { type LakeLayout, lakeKey } from "../../src/sources/lake/lake-layout.ts";
import { link } from "./chain.ts";

const LAYOUT: LakeLayout = { ledgersPerBatch: 1, batchesPerPartition: 64_000, extension: "zst" };
const BATCH_HEAD_BYTES = 12; // first ledger, last ledger, count (LedgerCloseMetaBatch)

interface Template {
  /** Batch head and ledger, up to the end of its header. */
  head: Uint8Array;
  rest: Uint8Array;
}

export class RepeatedLake implements Disposable {
  private readonly numbers = new Map<string, number>();
  private readonly templates: Template[];
  /** Of the ledger before each, by its place from the first one. */
  private readonly before: Uint8Array[] = [];
  private readonly server: Bun.Server<undefined>;

  constructor(
    ledgers: readonly Uint8Array[],
    private readonly networkPassphrase: string,
    private readonly first: number,
    count: number,
  ) {
    this.templates = ledgers.map(templateOf);
    let hash: Uint8Array = new Uint8Array(32);
    for (let at = 0; at < count; at++) {
      this.numbers.set(`/${lakeKey(LAYOUT, first + at)}`, first + at);
      this.before.push(hash);
      hash = link(this.head(first + at).subarray(BATCH_HEAD_BYTES), hash).slice();
    }
    this.server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: (request) => this.answer(request) });
  }

  get address(): string {
    return `127.0.0.1:${this.server.port}`;
  }

  /** A source; through a proxy where its address is given. */
  source(address = this.address): string {
    return `http://${address}/?ledger=${this.first}`;
  }

  [Symbol.dispose](): void {
    void this.server.stop(true);
  }

  /** Valid until the next one. */
  private head(ledger: number): Uint8Array {
    const { head } = this.templates[(ledger - this.first) % this.templates.length]!;
    const view = new DataView(head.buffer);
    view.setUint32(0, ledger);
    view.setUint32(4, ledger);
    view.setUint32(8, 1);
    const { offsets } = ledgerHeader(head.subarray(BATCH_HEAD_BYTES));
    view.setUint32(BATCH_HEAD_BYTES + offsets.sequence, ledger);
    return head;
  }

  private answer(request: Request): Response {
    const { pathname } = new URL(request.url);
    if (pathname === "/.config.json") return Response.json(this.manifest());
    const ledger = this.numbers.get(pathname);
    if (ledger === undefined) return new Response("not here", { status: 404 });
    const headers = { "last-modified": new Date(0).toUTCString() };
    if (request.method === "HEAD") return new Response(null, { headers });
    const head = this.head(ledger);
    link(head.subarray(BATCH_HEAD_BYTES), this.before[ledger - this.first]!);
    const { rest } = this.templates[(ledger - this.first) % this.templates.length]!;
    return new Response(Buffer.concat([Bun.zstdCompressSync(head), rest]), { headers });
  }

  private manifest(): Record<string, unknown> {
    const { ledgersPerBatch, batchesPerPartition, extension } = LAYOUT;
    const { networkPassphrase } = this;
    return { networkPassphrase, version: "1.0", compression: extension, ledgersPerBatch, batchesPerPartition };
  }
}

function templateOf(ledger: Uint8Array): Template {
  const { header } = ledgerHeader(ledger);
  const end = header.byteOffset - ledger.byteOffset + header.length;
  const head = new Uint8Array(BATCH_HEAD_BYTES + end);
  head.set(ledger.subarray(0, end), BATCH_HEAD_BYTES);
  return { head, rest: Bun.zstdCompressSync(ledger.subarray(end)) };
}
