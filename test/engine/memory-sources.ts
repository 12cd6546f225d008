/** A lake of a memory case, read from elsewhere than its folder: a real store, or an RPC server. */
import { readdirSync, readFileSync } from "node:fs";
import { parseLakeKey } from "../../src/sources/lake/lake-layout.ts";
import { storeServer } from "../clients/toolchain.ts";
import type { TemporaryLake } from "../sources/lake-fixture.ts";
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

/** Serves a lake of one ledger a file. @throws Error where this machine cannot run the store */
export async function serveLakeOver(over: "s3" | "rpc", lake: TemporaryLake): Promise<ServedLake> {
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
