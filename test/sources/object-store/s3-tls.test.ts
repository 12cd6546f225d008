/** A bucket whose store has a certificate of a private authority, and asks readers for one. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { parseSourceEndpoint } from "../../../src/config/source-endpoint.ts";
import { Lake } from "../../../src/sources/lake/lake.ts";
import { openSource } from "../../../src/sources/open.ts";
import { environmentAccess } from "../../../src/sources/source-access.ts";
import { storeServer } from "../../clients/toolchain.ts";
import { Certificates, hasOpenssl } from "../../support/certificates.ts";
import { failureOf } from "../../support/failure.ts";
import { KEY, ObjectStore, PRIVATE, PUBLIC } from "../../support/object-store.ts";
import { SAMPLE } from "../../support/processor.ts";
import { decodeWith, rowsAndCursors } from "./lake-readings.ts";

const isThere = hasOpenssl();
const program = await storeServer();
if (program.missing !== undefined) console.warn(`skipping buckets over TLS: ${program.missing}`);

describe.skipIf(!isThere || program.missing !== undefined)("a bucket over TLS", () => {
  const certificates = new Certificates();
  const { cert, key } = certificates.issue("client");
  const TRUST = { S3_CA_FILE: certificates.ca.cert };
  const OWN = { ...TRUST, S3_CERT_FILE: cert, S3_KEY_FILE: key };
  let store: ObjectStore;

  beforeAll(async () => {
    const own = { ...certificates.issue("store"), clientCa: certificates.ca.cert };
    store = await ObjectStore.start(program.command![0]!, own);
    for (const bucket of [PRIVATE, PUBLIC]) await store.putFolder(SAMPLE.folder, `${bucket}/lake`);
  }, 120_000);

  afterAll(async () => {
    await store.stop();
    certificates.remove();
  });

  const place = (bucket: string, more = "") => `s3://${bucket}/lake?endpoint=${store.endpoint}${more}`;

  test("decode gives the rows of the folder, signed and unsigned", async () => {
    const folder = await decodeWith({}, SAMPLE.folder);
    const keys = { AWS_ACCESS_KEY_ID: KEY.accessKeyId, AWS_SECRET_ACCESS_KEY: KEY.secretAccessKey };
    expect(await decodeWith({ ...OWN, ...keys }, place(PRIVATE))).toEqual(folder);
    expect(await decodeWith(OWN, place(PUBLIC, "&unsigned=true"))).toEqual(folder);
  }, 60_000);

  test("a range gives the rows and cursors of the folder", async () => {
    const endpoint = parseSourceEndpoint(place(PUBLIC, "&unsigned=true"))!;
    const lake = (await openSource(endpoint, environmentAccess(OWN))) as Lake;
    expect(await rowsAndCursors(lake)).toEqual(await rowsAndCursors(await Lake.open(SAMPLE.folder)));
  }, 60_000);

  test.each<[string, Record<string, string>, string]>([
    ["an unknown authority", {}, "name a file with the authority's certificate in S3_CA_FILE"],
    ["no certificate of the reader's own", TRUST, "set S3_CERT_FILE and S3_KEY_FILE"],
  ])("%s is said at once", async (_what, env, sentence) => {
    const begun = performance.now();
    const endpoint = parseSourceEndpoint(place(PUBLIC, "&unsigned=true"))!;
    const { code, reason, message } = await failureOf(openSource(endpoint, environmentAccess(env)));
    expect([code, reason, message]).toEqual(["UNAVAILABLE", "SOURCE_TLS", expect.stringContaining(sentence)]);
    expect(message).toStartWith(`s3://${PUBLIC}/lake/: TLS: `);
    expect(performance.now() - begun).toBeLessThan(5_000); // it is not asked again and again
  });
});
