/** The tests' RPC server over the ledgers of a lake folder, as a process of its own: prints its address. */
import { splitBatch } from "../../src/ledger/batch.ts";
import { Lake } from "../../src/sources/lake/lake.ts";
import { PUBNET } from "../../test/support/networks.ts";
import { RpcServer } from "../../test/support/rpc-server.ts";

const lake = await Lake.open(process.argv[2]!);
const range = (await lake.ledgerRange())!;
const ledgers = new Map<number, Uint8Array>();
for await (const { bytes } of lake.read(range.ledgerFirst, range.ledgerLast, new AbortController().signal)) {
  for (const { sequence, bytes: ledger } of splitBatch(new Uint8Array(Bun.zstdDecompressSync(bytes)))) {
    ledgers.set(sequence, ledger.slice());
  }
}
console.log(new RpcServer(ledgers, PUBNET).url);
