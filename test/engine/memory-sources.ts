/** A lake of a memory case, read from elsewhere than its folder: a real store, an RPC server, or a service of grpc-go. */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ledgerHeader } from "../../src/ledger/header.ts";
import { parseLakeKey } from "../../src/sources/lake/lake-layout.ts";
import { storeServer } from "../clients/toolchain.ts";
import type { TemporaryLake } from "../sources/lake-fixture.ts";
import { GoSource } from "../support/go-source.ts";
import { PUBNET } from "../support/networks.ts";
import { ObjectStore, PUBLIC } from "../support/object-store.ts";
import { RpcServer } from "../support/rpc-server.ts";

const BATCH_HEAD_BYTES = 12; // of a file with one ledger: first, last, how many

interface ServedLake {
  /** For SOURCE_ENDPOINT. */
  endpoint: string;
  env: Record<string, string>;
  close(): Promise<void>;
}

/** How a lake can be served. */
export type LakeService = "s3" | "rpc" | "grpc";

/** Serves a lake of one ledger a file. @throws Error where this machine cannot run the store, or Go */
export async function serveLakeOver(over: LakeService, lake: TemporaryLake): Promise<ServedLake> {
  if (over === "grpc") return serveFirstLedger(lake);
  if (over === "rpc") {
    const server = new RpcServer(new LedgersOfLake(lake), PUBNET);
    return { endpoint: `rpc+${server.url}`, env: {}, close: async () => server[Symbol.dispose]() };
  }
  const program = await storeServer();
  if (program.missing !== undefined) throw new Error(program.missing);
  const store = await ObjectStore.start(program.command![0]!);
  await store.putFolder(lake.folder, `${PUBLIC}/lake`);
  const env = { AWS_ENDPOINT_URL_S3: store.endpoint };
  return { endpoint: `s3://${PUBLIC}/lake?unsigned=true`, env, close: () => store.stop() };
}

/** All ledgers from the one asked for on, each as the lake's first but for its number. */
async function serveFirstLedger(lake: TemporaryLake): Promise<ServedLake> {
  const ledgers = new LedgersOfLake(lake);
  const bytes = ledgers.get(Math.min(...ledgers.keys()));
  const file = join(lake.folder, "first-ledger.xdr");
  writeFileSync(file, bytes);
  const { header, offsets } = ledgerHeader(bytes);
  const { sequence, previousLedgerHash, hash, header: headerAt } = offsets;
  const places = [sequence, previousLedgerHash, hash, headerAt, headerAt + header.length];
  const source = await GoSource.start(["-file", file, "-renumber", places.join()]);
  if (source === undefined) throw new Error("there is no Go");
  return { endpoint: source.address, env: {}, close: async () => source[Symbol.dispose]() };
}

/** Read when they are asked for: together they are larger than the memory that is measured. */
class LedgersOfLake extends Map<number, Uint8Array> {
  constructor(private readonly lake: TemporaryLake) {
    super();
    for (const { name } of readdirSync(lake.folder, { recursive: true, withFileTypes: true })) {
      const key = parseLakeKey(name);
      if (key !== undefined) this.set(key.ledgerFirst, new Uint8Array());
    }
  }

  override get(ledger: number): Uint8Array {
    return Bun.zstdDecompressSync(readFileSync(this.lake.pathOf(ledger))).subarray(BATCH_HEAD_BYTES);
  }
}
