/** Lakes in buckets of Google Cloud Storage, over fake-gcs-server: the rows of the folder, with credentials and without. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Lake } from "../../../src/sources/lake/lake.ts";
import { parseGsAddress } from "../../../src/sources/object-store/gs-address.ts";
import { GsStorage } from "../../../src/sources/object-store/gs-storage.ts";
import { googleStoreServer } from "../../clients/toolchain.ts";
import { failureOf } from "../../support/failure.ts";
import { GoogleLogin } from "../../support/google-login.ts";
import { GoogleStore } from "../../support/google-store.ts";
import { SAMPLE } from "../../support/processor.ts";
import { TemporaryLake } from "../lake-fixture.ts";
import { decodeWith, expectFollowed, keyOf, rowsAndCursors } from "./lake-readings.ts";
import { expectFaultsBorne } from "./store-faults.ts";

const program = await googleStoreServer();
if (program.missing !== undefined) console.warn(`skipping lakes in Google's buckets: ${program.missing}`);

const BUCKET = "ledgers";
const PREFIX = "lakes/pubnet";

/** A reader without credentials, with short patience. */
function storage(endpoint: string, prefix = PREFIX): GsStorage {
  const address = parseGsAddress(`gs://${BUCKET}/${prefix}`, { STORAGE_EMULATOR_HOST: endpoint });
  return new GsStorage(address, { retryMsMin: 5, waitMsMax: 500 });
}

describe.skipIf(program.missing !== undefined)("lakes in Google's buckets", () => {
  let store: GoogleStore;
  let login: GoogleLogin;
  const nobody = mkdtempSync(join(tmpdir(), "no-login-"));

  beforeAll(async () => {
    store = await GoogleStore.start(program.command![0]!, BUCKET);
    await store.putFolder(SAMPLE.folder, BUCKET, PREFIX);
    login = new GoogleLogin(store.endpoint);
  }, 120_000);

  afterAll(async () => {
    login[Symbol.dispose]();
    await store.stop();
    rmSync(nobody, { recursive: true, force: true });
  });

  test("decode gives the rows of the folder: from an emulator, a public bucket, and with default credentials", async () => {
    const folder = await decodeWith({}, SAMPLE.folder);
    const place = `gs://${BUCKET}/${PREFIX}`;
    const host = store.endpoint.slice("http://".length); // as Google's libraries have it, with a scheme and without
    for (const STORAGE_EMULATOR_HOST of [host, `${store.endpoint}/`])
      expect(await decodeWith({ STORAGE_EMULATOR_HOST }, `${place}/`)).toEqual(folder);
    expect(await decodeWith({}, `${place}?unsigned=true&endpoint=${store.endpoint}`)).toEqual(folder);
    expect(await decodeWith({ GS_NO_SIGN_REQUEST: "true" }, `${place}?endpoint=${store.endpoint}`)).toEqual(folder);
    const env = { GOOGLE_APPLICATION_CREDENTIALS: login.file };
    expect(await decodeWith(env, `${place}?endpoint=${login.endpoint}`)).toEqual(folder);
    expect(login.tokens).toBe(1);
  }, 60_000);

  test("a range gives rows and cursors of the folder", async () => {
    const rows = await rowsAndCursors(await Lake.open(SAMPLE.folder));
    expect(await rowsAndCursors(await Lake.at(storage(store.endpoint)))).toEqual(rows);
  }, 60_000);

  test("a growing lake is followed", async () => {
    using made = new TemporaryLake().putAll(100, 102);
    await store.putFolder(made.folder, BUCKET, "growing");
    const lake = await Lake.at(storage(store.endpoint, "growing"), { followPollMs: 10 });
    await expectFollowed(lake, (ledger) => store.put(BUCKET, `growing/${keyOf(made, ledger)}`, made.put(ledger)));
  }, 60_000);

  test("a partition over several pages, and both its ends", async () => {
    const layout = { ledgersPerBatch: 1, batchesPerPartition: 64_000, extension: "zst" } as const;
    using made = new TemporaryLake(layout).putAll(64_000, 65_100);
    await store.putFolder(made.folder, BUCKET, "large");
    const reader = storage(store.endpoint, "large");
    expect(await (await Lake.at(reader)).ledgerRange()).toEqual({ ledgerFirst: 64_000, ledgerLast: 65_100 });
    const [folder] = (await reader.list("")).filter((name) => !name.startsWith("."));
    expect((await reader.list(folder!)).length).toBe(1_101);
  }, 60_000);

  describe("what is wrong is said", () => {
    const at = (prefix: string, options = "") => `gs://${BUCKET}/${prefix}?endpoint=${login.endpoint}${options}`;
    const cases: [string, () => string, Record<string, string>, string][] = [
      ["no such bucket", () => `gs://nobucket/x?endpoint=${login.endpoint}`, {}, "there is no bucket nobucket at 127."],
      ["no lake", () => at("nothing"), {}, "no lake here"],
      ["the folder above a lake", () => at("lakes"), {}, `There is a lake in gs://${BUCKET}/lakes/pubnet`],
      ["a bucket that is not public", () => at(PREFIX, "&unsigned=true"), {}, "Anonymous caller does not have"],
      [
        "no credentials",
        () => at(PREFIX),
        {
          GOOGLE_APPLICATION_CREDENTIALS: "",
          HOME: nobody,
          CLOUDSDK_CONFIG: nobody,
          METADATA_SERVER_DETECTION: "none",
        },
        "no Google credentials (Could not load the default credentials",
      ],
      [
        "a credentials file that is not there",
        () => at(PREFIX),
        { GOOGLE_APPLICATION_CREDENTIALS: "/nowhere.json" },
        "set GOOGLE_APPLICATION_CREDENTIALS to a credentials file, or run gcloud auth",
      ],
      ["an unknown option", () => at("x", "&color=1"), {}, "only endpoint, unsigned are known"],
      ["no bucket's name", () => "gs:///x", {}, '"" is no bucket\'s name'],
      ["an endpoint that is none", () => `gs://${BUCKET}/x?endpoint=http://:`, {}, "is no URL"],
    ];
    test.each(cases)(
      "%s",
      async (_what, address, more, sentence) => {
        const env = { GOOGLE_APPLICATION_CREDENTIALS: login.file, ...more };
        const { code, err } = await decodeWith(env, address());
        const exit = /: write gs:/.test(err) ? 2 : 1; // the address itself is wrong
        expect([code, err]).toEqual([exit, expect.stringContaining(sentence)]);
      },
      30_000,
    );

    test("credentials without rights, and a listing that is none", async () => {
      const error = { code: 403, message: "x@y.com does not have storage.objects.list access." };
      using refusing = Bun.serve({
        hostname: "127.0.0.1",
        port: 0,
        fetch: () => Response.json({ error }, { status: 403 }),
      });
      const denied = await failureOf(Lake.at(storage(`http://127.0.0.1:${refusing.port}`)));
      expect([denied.reason, denied.message]).toEqual([
        "STORE_DENIED",
        expect.stringContaining("x@y.com does not have"),
      ]);
      for (const body of ["<html>", "null", "7"]) {
        using odd = Bun.serve({
          hostname: "127.0.0.1",
          port: 0,
          fetch: ({ url }) => (url.includes("/storage/v1/") ? new Response(body) : new Response("", { status: 404 })),
        });
        expect((await failureOf(Lake.at(storage(`http://127.0.0.1:${odd.port}`)))).reason).toBe("STORE_UNAVAILABLE");
      }
    });
  });

  test("faults at the socket: the same ledgers, in time", async () => {
    await expectFaultsBorne(store.endpoint, (endpoint) => Lake.at(storage(endpoint)));
  }, 1_800_000);
});
