/**
 * A lake of the repeated sample behind a web server, as a process of its own that can be killed: prints its address.
 *
 *   bun test/support/source-process.ts LEDGER_FIRST LEDGER_LAST
 */
import { lakeKey } from "../../src/sources/lake/lake-layout.ts";
import { RepeatingSource } from "../../src/sources/repeating.ts";
import { PUBNET } from "./networks.ts";
import { SAMPLE } from "./processor.ts";
import { sampleChain } from "./sample-chain.ts";

const LAYOUT = { ledgersPerBatch: 1, batchesPerPartition: 64_000, extension: "zst" } as const;
const MANIFEST = { networkPassphrase: PUBNET, version: "1.0", compression: "zst", ledgersPerBatch: 1 };

const [first, last] = process.argv.slice(2).map(Number) as [number, number];
const source = await RepeatingSource.open(SAMPLE.folder);
const follow = await sampleChain(source);
const keys = new Map<string, number>();
for (let ledger = first; ledger <= last; ledger++) keys.set(`/${lakeKey(LAYOUT, ledger)}`, ledger);

async function file(ledger: number): Promise<Uint8Array<ArrayBuffer>> {
  for await (const { bytes } of source.read(ledger, ledger, new AbortController().signal)) {
    follow(bytes);
    const head = new DataView(new ArrayBuffer(12)); // of a LedgerCloseMetaBatch: its first ledger, its last, their number
    [ledger, ledger, 1].forEach((value, at) => void head.setUint32(4 * at, value));
    return new Uint8Array(Bun.zstdCompressSync(Buffer.concat([new Uint8Array(head.buffer), bytes]), { level: 1 }));
  }
  throw new Error(`no ledger ${ledger}`);
}

const server = Bun.serve({
  ...{ hostname: "127.0.0.1", port: 0 },
  async fetch(request) {
    const { pathname } = new URL(request.url);
    if (pathname === "/.config.json") return Response.json({ ...MANIFEST, batchesPerPartition: 64_000 });
    const ledger = keys.get(pathname);
    return ledger === undefined ? new Response(null, { status: 404 }) : new Response(await file(ledger));
  },
});
console.log(`127.0.0.1:${server.port}`);
