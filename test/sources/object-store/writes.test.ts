/** Objects that are written where there are none, and read in parts: the same in a folder and in every kind of bucket. */
import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FolderStorage, type WritableStorage } from "../../../src/sources/lake/lake-storage.ts";
import { parseGsAddress } from "../../../src/sources/object-store/gs-address.ts";
import { GsStorage } from "../../../src/sources/object-store/gs-storage.ts";
import { parseS3Address } from "../../../src/sources/object-store/s3-address.ts";
import { CachedCredentials } from "../../../src/sources/object-store/s3-credentials.ts";
import { S3Storage } from "../../../src/sources/object-store/s3-storage.ts";
import { googleStoreServer, storeServer } from "../../clients/toolchain.ts";
import { failureOf } from "../../support/failure.ts";
import { GoogleStore } from "../../support/google-store.ts";
import { KEY, ObjectStore, PRIVATE, PUBLIC } from "../../support/object-store.ts";

const BUCKET = "written";
const scratch = mkdtempSync(join(tmpdir(), "written-"));
const ends: Array<() => Promise<void>> = [];
afterAll(async () => {
  rmSync(scratch, { recursive: true, force: true });
  for (const end of ends) await end();
});

const programs = { "an S3 bucket": await storeServer(), "a Google bucket": await googleStoreServer() };

const s3 = (endpoint: string, bucket: string, key = KEY): S3Storage =>
  new S3Storage(
    parseS3Address(`s3://${bucket}/some/place`, { AWS_ENDPOINT_URL_S3: endpoint }),
    { retryMsMin: 5 },
    new CachedCredentials(async () => key),
  );

const KINDS: Record<string, () => Promise<WritableStorage>> = {
  "a folder": async () => new FolderStorage(join(scratch, "some", "place")),
  "an S3 bucket": async () => {
    const store = await ObjectStore.start(programs["an S3 bucket"].command![0]!);
    ends.push(() => store.stop());
    await store.put(`${PUBLIC}/there`, new Uint8Array(1));
    await store.put(`${PRIVATE}/there`, new Uint8Array(1)); // which makes the bucket
    return s3(store.endpoint, PRIVATE);
  },
  "a Google bucket": async () => {
    const store = await GoogleStore.start(programs["a Google bucket"].command![0]!, BUCKET);
    ends.push(() => store.stop());
    return new GsStorage(parseGsAddress(`gs://${BUCKET}/some/place`, { STORAGE_EMULATOR_HOST: store.endpoint }));
  },
};

describe.each(Object.entries(KINDS))("%s", (kind, open) => {
  const missing = kind in programs ? programs[kind as keyof typeof programs].missing : undefined;
  if (missing !== undefined) console.warn(`skipping writes to ${kind}: ${missing}`);

  test.skipIf(missing !== undefined)(
    "an object is written once, whoever comes first, and read in parts",
    async () => {
      const storage = await open();
      const key = "part 1/ü+(a)'b.parquet";
      const contents = Array.from({ length: 8 }, (_, index) => new Uint8Array(100_000).fill(index + 1));
      const written = await Promise.all(contents.map((bytes) => storage.putIfAbsent(key, bytes)));
      expect(written.filter((isNew) => isNew)).toHaveLength(1);
      const winner = contents[written.indexOf(true)]!;
      const object = (await storage.get(key))!;
      expect(await object.bytes()).toEqual(winner);
      await object.close();
      expect(await storage.list("part 1")).toEqual(["ü+(a)'b.parquet"]);
      expect(await storage.getRange(key, 99_990, 100)).toEqual(winner.subarray(99_990));
      expect(await storage.getRange(key, 5, 3)).toEqual(winner.subarray(5, 8));
      expect(await storage.getRange(key, 100_000, 3)).toHaveLength(0);
      expect(await storage.getRange(key, 5, 0)).toHaveLength(0);
      expect(await storage.getRange("part 1/nothing", 0, 3)).toBeUndefined();
      for (const content of contents.slice(0, 2)) {
        await storage.replace("part 2/renewed", content);
        const renewed = (await storage.get("part 2/renewed"))!;
        expect(await renewed.bytes()).toEqual(content);
        await renewed.close();
      }
      expect(await storage.list("part 2")).toEqual(["renewed"]);
      storage.close();
    },
    120_000,
  );
});

test.skipIf(programs["an S3 bucket"].missing !== undefined)(
  "who may not write is told",
  async () => {
    const store = await ObjectStore.start(programs["an S3 bucket"].command![0]!);
    ends.push(() => store.stop());
    await store.put(`${PRIVATE}/there`, new Uint8Array(1));
    const stranger = s3(store.endpoint, PRIVATE, { accessKeyId: KEY.accessKeyId, secretAccessKey: "wrong" });
    const { code, reason } = await failureOf(stranger.putIfAbsent("x", new Uint8Array(1)));
    expect([code, reason]).toEqual(["PERMISSION_DENIED", "STORE_DENIED"]);
  },
  120_000,
);
