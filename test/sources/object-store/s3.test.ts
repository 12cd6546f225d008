/** Lakes in buckets, over a real store: the rows of the folder, whatever goes wrong on the way. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { COMMANDS } from "../../../src/main.ts";
import { Lake } from "../../../src/sources/lake/lake.ts";
import { parseS3Address } from "../../../src/sources/object-store/s3-address.ts";
import { CachedCredentials } from "../../../src/sources/object-store/s3-credentials.ts";
import { S3Storage } from "../../../src/sources/object-store/s3-storage.ts";
import { cli } from "../../cli/harness.ts";
import { storeServer } from "../../clients/toolchain.ts";
import { failureOf } from "../../support/failure.ts";
import { FaultyProxy } from "../../support/faulty-proxy.ts";
import { KEY, ObjectStore, PRIVATE, PUBLIC } from "../../support/object-store.ts";
import { SAMPLE } from "../../support/processor.ts";
import { TemporaryLake } from "../lake-fixture.ts";
import { decodeWith, expectFollowed, keyOf, rowsAndCursors } from "./lake-readings.ts";
import { expectFaultsBorne } from "./store-faults.ts";

const program = await storeServer();
if (program.missing !== undefined) console.warn(`skipping lakes in buckets: ${program.missing}`);

const PREFIX = "ledgers/pubnet";
const LEDGERS = SAMPLE.last - SAMPLE.first + 1;

/** A reader of the private bucket through `endpoint`, with short patience. */
function storage(endpoint: string, address = `s3://${PRIVATE}/${PREFIX}`, key = KEY): S3Storage {
  const parsed = parseS3Address(address, { AWS_ENDPOINT_URL_S3: endpoint });
  return new S3Storage(parsed, { retryMsMin: 5, waitMsMax: 500 }, new CachedCredentials(async () => key));
}

describe.skipIf(program.missing !== undefined)("lakes in buckets", () => {
  let store: ObjectStore;

  beforeAll(async () => {
    store = await ObjectStore.start(program.command![0]!);
    for (const bucket of [PRIVATE, PUBLIC]) await store.putFolder(SAMPLE.folder, `${bucket}/${PREFIX}`);
  }, 120_000);

  afterAll(() => store.stop());

  const environment = (more: Record<string, string> = {}) => ({
    AWS_ENDPOINT_URL_S3: store.endpoint,
    AWS_ACCESS_KEY_ID: KEY.accessKeyId,
    AWS_SECRET_ACCESS_KEY: KEY.secretAccessKey,
    ...more,
  });

  test("decode gives the rows of the folder, with a key and from a public bucket without one", async () => {
    const folder = await cli(["decode", "--format", "tsv", SAMPLE.folder], COMMANDS);
    expect(folder.out.split("\n").length).toBeGreaterThan(300);
    expect(await decodeWith(environment(), `s3://${PRIVATE}/${PREFIX}`)).toEqual(folder);
    const unsigned = `s3://${PUBLIC}/${PREFIX}/?unsigned=true`;
    expect(await decodeWith({ AWS_ENDPOINT_URL_S3: store.endpoint }, unsigned)).toEqual(folder);
  }, 60_000);

  test("a session and a range give the rows of the folder", async () => {
    const rows = await rowsAndCursors(await Lake.open(SAMPLE.folder));
    expect(rows.length).toBeGreaterThan(LEDGERS);
    expect(await rowsAndCursors(await Lake.at(storage(store.endpoint)))).toEqual(rows);
  }, 60_000);

  test("a growing lake is followed", async () => {
    using made = new TemporaryLake().putAll(100, 102);
    await store.putFolder(made.folder, `${PRIVATE}/growing`);
    const lake = await Lake.at(storage(store.endpoint, `s3://${PRIVATE}/growing`), { followPollMs: 10 });
    await expectFollowed(lake, (ledger) => store.put(`${PRIVATE}/growing/${keyOf(made, ledger)}`, made.put(ledger)));
  }, 60_000);

  test("a partition of many files is not listed whole for its ends", async () => {
    using made = new TemporaryLake({ ledgersPerBatch: 1, batchesPerPartition: 64_000, extension: "zst" }).putAll(
      64_000,
      64_005,
    );
    await store.putFolder(made.folder, `${PRIVATE}/large`);
    const lake = await Lake.at(storage(store.endpoint, `s3://${PRIVATE}/large`));
    expect(await lake.ledgerRange()).toEqual({ ledgerFirst: 64_000, ledgerLast: 64_005 });
  });

  describe("what is wrong is said", () => {
    const cases: [string, () => string, Record<string, string>, string][] = [
      ["no such bucket", () => "s3://nobucket/x", {}, "there is no bucket nobucket at 127.0.0.1"],
      ["no lake", () => `s3://${PRIVATE}/nothing`, {}, "no lake here"],
      [
        "the folder above a lake",
        () => `s3://${PRIVATE}/ledgers`,
        {},
        `There is a lake in s3://${PRIVATE}/ledgers/pubnet`,
      ],
      [
        "a wrong key",
        () => `s3://${PRIVATE}/${PREFIX}`,
        { AWS_SECRET_ACCESS_KEY: "wrong" },
        "403 SignatureDoesNotMatch",
      ],
      ["a bucket that is not public", () => `s3://${PRIVATE}/${PREFIX}?unsigned=true`, {}, "the bucket is not public"],
      ["an unknown option", () => `s3://${PRIVATE}/x?color=1`, {}, "only region, endpoint, unsigned are known"],
      ["no bucket's name", () => "s3:///x", {}, '"" is no bucket\'s name'],
    ];
    test.each(cases)("%s", async (_what, address, more, sentence) => {
      const { code, err } = await decodeWith(environment(more), address());
      const exit = /is no source|: write s3:/.test(err) ? 2 : 1; // the address itself is wrong
      expect([code, err]).toEqual([exit, expect.stringContaining(sentence)]);
    });

    test("no credentials", async () => {
      const nobody = new CachedCredentials(() => Promise.reject(new Error("none")));
      const parsed = parseS3Address(`s3://${PRIVATE}/x`, { AWS_ENDPOINT_URL_S3: store.endpoint });
      const { reason, message } = await failureOf(Lake.at(new S3Storage(parsed, {}, nobody)));
      expect([reason, message]).toEqual(["CREDENTIALS_NOT_FOUND", expect.stringContaining("AWS_ACCESS_KEY_ID")]);
    });

    test("a store that is not there", async () => {
      const { code, reason } = await failureOf(Lake.at(storage("http://127.0.0.1:1")));
      expect([code, reason]).toEqual(["UNAVAILABLE", "STORE_UNAVAILABLE"]);
    });
  });

  test("faults at the socket: the same ledgers, in time", async () => {
    const open = (endpoint: string) => Lake.at(storage(endpoint, `s3://${PUBLIC}/${PREFIX}?unsigned=true`));
    await expectFaultsBorne(store.endpoint, open);
  }, 1_800_000);

  test("a file that is missing and comes later is waited for at the tip", async () => {
    let missing = 3;
    using proxy = new FaultyProxy(store.endpoint, (request) =>
      request.includes(`--${SAMPLE.last}.xdr`) && missing-- > 0 ? "404" : "none",
    );
    const lake = await Lake.at(storage(proxy.endpoint, `s3://${PUBLIC}/${PREFIX}?unsigned=true`), { followPollMs: 10 });
    const stop = new AbortController();
    let last = 0;
    for await (const object of lake.read(SAMPLE.first, 0, stop.signal)) {
      last = object.ledgerLast;
      if (last === SAMPLE.last) stop.abort();
    }
    expect([last, missing]).toEqual([SAMPLE.last, expect.any(Number)]);
  }, 60_000);
});
