/** Lakes behind plain web servers: the rows of the folder by names alone, whatever the server is like. */
import { afterAll, describe, expect, test } from "bun:test";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { COMMANDS } from "../../../src/main.ts";
import { Lake } from "../../../src/sources/lake/lake.ts";
import { parseWebAddress } from "../../../src/sources/object-store/web-address.ts";
import { WebStorage } from "../../../src/sources/object-store/web-storage.ts";
import { cli } from "../../cli/harness.ts";
import { failureOf } from "../../support/failure.ts";
import { FaultyProxy, type StoreFault } from "../../support/faulty-proxy.ts";
import { FolderServer, plainAnswer } from "../../support/folder-server.ts";
import { localServer } from "../../support/local-server.ts";
import { SAMPLE } from "../../support/processor.ts";
import { randomFrom, seedOf } from "../../support/random.ts";
import { TemporaryLake } from "../lake-fixture.ts";
import { readAll } from "../local-lake-support.ts";
import { decodeWith, expectFollowed, ledgersOf, rowsAndCursors } from "./lake-readings.ts";
import { expectFaultsBorne } from "./store-faults.ts";

const HINT = `?ledger=${SAMPLE.last}`;
const expected = await ledgersOf(await Lake.open(SAMPLE.folder));

const scratch = mkdtempSync(join(tmpdir(), "web-lakes-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** The lake at an address, with short patience. */
function lakeAt(address: string, options = {}): Promise<Lake> {
  return Lake.at(new WebStorage(parseWebAddress(address), { retryMsMin: 5, waitMsMax: 500 }), options);
}

describe("the rows of the folder", () => {
  test("decode, with a slash at the end and without, with a password and a key", async () => {
    const folder = await decodeWith({}, SAMPLE.folder);
    expect(folder.out.split("\n").length).toBeGreaterThan(300);
    using plain = new FolderServer(SAMPLE.folder);
    for (const path of ["", "/", "//"])
      expect(await decodeWith({}, `${plain.endpoint}${path}${HINT}`), path).toEqual(folder);
    const basic = `Basic ${Buffer.from("me:p@ss").toString("base64")}`;
    using kept = new FolderServer(SAMPLE.folder, ({ url, headers }) =>
      headers.get("authorization") === basic && new URL(url).searchParams.get("sig") === "a/b+c="
        ? undefined
        : new Response(null, { status: 401 }),
    );
    const login = kept.endpoint.replace("//", "//me:p%40ss@");
    expect(await decodeWith({}, `${login}/${HINT}&sig=a%2Fb%2Bc%3D`)).toEqual(folder);
  }, 60_000);

  test("a range gives rows and cursors of the folder", async () => {
    using server = new FolderServer(SAMPLE.folder);
    const rows = await rowsAndCursors(await Lake.open(SAMPLE.folder));
    expect(await rowsAndCursors(await lakeAt(server.endpoint))).toEqual(rows);
  }, 60_000);

  test("a lake without a manifest, by the layout in its address", async () => {
    const folder = join(scratch, "bare");
    cpSync(SAMPLE.folder, folder, { recursive: true });
    rmSync(join(folder, ".config.json"));
    using server = new FolderServer(folder);
    const lake = await lakeAt(`${server.endpoint}/?ledgersPerFile=1&filesPerPartition=64000&extension=zstd`);
    expect(await ledgersOf(lake)).toEqual(expected);
    const { reason, message } = await failureOf(lakeAt(server.endpoint));
    expect([reason, message]).toEqual(["LAKE_NOT_FOUND", expect.stringContaining("?ledgersPerFile=1&filesPerPart")]);
  });

  test("a session on one of SOURCES", async () => {
    using server = new FolderServer(SAMPLE.folder);
    const sources = `web=${server.endpoint}/?ledger=${SAMPLE.last}&sig=a=b`;
    const processor = await localServer(await Lake.open(SAMPLE.folder), { sources });
    const range = { startLedger: SAMPLE.first, endLedger: SAMPLE.last, source: "web" };
    const { sessionId } = await processor.control.startProcessing(range);
    const ticket = Buffer.from(JSON.stringify({ session: sessionId, from: "start" }));
    let rows = 0;
    for await (const { table } of processor.flight.doGet(ticket)) rows += table.numRows;
    expect(rows).toBe(SAMPLE.rows);
    await processor.close();
  }, 60_000);

  test("a growing lake is followed", async () => {
    using made = new TemporaryLake().putAll(100, 102);
    using server = new FolderServer(made.folder);
    await expectFollowed(await lakeAt(server.endpoint, { followPollMs: 10 }), async (ledger) => void made.put(ledger));
  }, 60_000);

  test("a reader with a given range asks for nothing but its objects", async () => {
    using server = new FolderServer(SAMPLE.folder);
    await ledgersOf(await lakeAt(server.endpoint));
    expect(server.requests.length).toBe(expected.length + 1);
  });
});

describe("ends", () => {
  test("both, from a ledger in the address or the one asked for", async () => {
    using made = new TemporaryLake({ ledgersPerBatch: 4, batchesPerPartition: 10, extension: "zst" }).putAll(400, 559);
    using server = new FolderServer(made.folder);
    const range = { ledgerFirst: 400, ledgerLast: 559 };
    expect(await (await lakeAt(`${server.endpoint}?ledger=500`)).ledgerRange()).toEqual(range);
    const lake = await lakeAt(server.endpoint);
    expect((await failureOf(readAll(lake, 560, 600))).message).toContain("holds ledgers 400 to 559: end there");
    expect(await lake.ledgerLatest()).toBe(559);
  });

  test("before, after, in between and far away", async () => {
    using made = new TemporaryLake().putAll(1030, 1300);
    for (const ledger of [1100, 1101, 1102]) made.remove(ledger);
    using server = new FolderServer(made.folder);
    const read = async (first: number, last: number) => {
      const { reason, message } = await failureOf(readAll(await lakeAt(server.endpoint), first, last));
      return `${reason}: ${message}`;
    };
    expect(await read(950, 1010)).toMatch(/^LEDGER_BEFORE_SOURCE: .*holds ledgers 1030 to 1300/);
    expect(await read(1290, 1400)).toMatch(/^LEDGER_AFTER_SOURCE: .*holds ledgers 1030 to 1300/);
    expect(await read(1090, 1110)).toMatch(/^LEDGER_MISSING: ledger 1100 is missing: .*1030 to 1300/);
    expect(await read(90_000_000, 90_000_001)).toMatch(
      /^LEDGER_AFTER_SOURCE: .*name one that it holds with \?ledger=N/,
    );
    // At the tip too: the hole shows, though nothing can be listed.
    const tip = await lakeAt(server.endpoint, { followPollMs: 2, lateFileMsMax: 100 });
    expect((await failureOf(readAll(tip, 1098, 0))).reason).toBe("LEDGER_MISSING");
  }, 60_000);

  test("where nothing is found, it is not looked for again and again", async () => {
    using made = new TemporaryLake().putAll(1030, 1040);
    using server = new FolderServer(made.folder);
    const lake = await lakeAt(server.endpoint, { followPollMs: 2 });
    await readAll(lake, 90_000_000, 0, AbortSignal.timeout(1_000));
    for (let times = 0; times < 20; times++) expect(await lake.ledgerLatest()).toBeUndefined();
    const wide = server.requests.filter((request) => request.includes("--1."));
    expect(wide.length).toBeLessThan(10);
    // What a reader finds is known from then on.
    await readAll(lake, 1033, 1034);
    expect(await lake.ledgerLatest()).toBe(1040);
  });

  test("gaps: with a start, with one in the address, and what to do without", async () => {
    using server = new FolderServer(SAMPLE.folder);
    const sound = { code: 0, out: `ledgers ${SAMPLE.first} to ${SAMPLE.last}: nothing is wrong\n`, err: "" };
    expect(await cli(["gaps", server.endpoint + HINT], COMMANDS)).toEqual(sound);
    expect(await cli(["gaps", server.endpoint, "--start-ledger", String(SAMPLE.first)], COMMANDS)).toEqual(sound);
    const { code, err } = await cli(["gaps", `${server.endpoint}/?sig=secret`], COMMANDS);
    expect([code, err]).toEqual([1, expect.stringContaining("name one that the lake holds by --start-ledger")]);
    expect(err).not.toContain("secret");
  });
});

describe("servers that are like this", () => {
  test("a page, with 200, for what is not there", async () => {
    const page = () => new Response("<!doctype html>", { headers: { "content-type": "text/html; charset=utf-8" } });
    using server = new FolderServer(SAMPLE.folder, (_, file) => (file === undefined ? page() : undefined));
    const lake = await lakeAt(server.endpoint);
    expect(await ledgersOf(lake)).toEqual(expected);
    expect((await failureOf(ledgersOf(lake, SAMPLE.first, SAMPLE.last + 1))).reason).toBe("LEDGER_AFTER_SOURCE");
    using pages = new FolderServer(SAMPLE.folder, page);
    expect((await failureOf(lakeAt(pages.endpoint))).reason).toBe("LAKE_NOT_FOUND");
  });

  test.each([405, 501])("no HEAD, but %d", async (status) => {
    using server = new FolderServer(SAMPLE.folder, ({ method }) =>
      method === "HEAD" ? new Response(null, { status }) : undefined,
    );
    const lake = await lakeAt(server.endpoint + HINT);
    expect(await lake.ledgerRange()).toEqual({ ledgerFirst: SAMPLE.first, ledgerLast: SAMPLE.last });
    expect(server.requests.filter((request) => request.startsWith("HEAD")).length).toBeLessThanOrEqual(8); // those that were under way
  });

  test("403 for what is not there, as S3 says to who may not list", async () => {
    using server = new FolderServer(SAMPLE.folder, (_, file) =>
      file === undefined ? new Response("<Code>AccessDenied</Code>", { status: 403 }) : undefined,
    );
    const lake = await lakeAt(server.endpoint);
    const { reason } = await failureOf(ledgersOf(lake, SAMPLE.first, SAMPLE.last + 1));
    expect(reason).toBe("LEDGER_AFTER_SOURCE");
  });

  test("redirects are followed, the password stays with its host", async () => {
    const seen: (string | null)[] = [];
    using mirror = new FolderServer(SAMPLE.folder, ({ headers }) => {
      seen.push(headers.get("authorization"));
      return undefined;
    });
    using server = new FolderServer(SAMPLE.folder, ({ url, headers }) => {
      if (headers.get("authorization") === null) return new Response(null, { status: 401 });
      const { pathname } = new URL(url);
      if (pathname.startsWith("/old/")) return Response.redirect(pathname.slice(4), 301);
      return Response.redirect(mirror.endpoint + pathname, 302);
    });
    const lake = await lakeAt(`${server.endpoint.replace("//", "//me:secret@")}/old`);
    expect(await ledgersOf(lake)).toEqual(expected);
    expect(new Set(seen)).toEqual(new Set([null]));
  });

  const refusals: [string, (request: Request, file: string | undefined) => Response | undefined, string, RegExp][] = [
    ["a circle", ({ url }) => Response.redirect(url, 302), "STORE_REFUSED", /sends on more than 5 times/],
    ["a way out of http", () => Response.redirect("ftp://x/", 302), "STORE_REFUSED", /to what is no http address/],
    [
      "compression",
      () => new Response(gzipSync("{}"), { headers: { "content-encoding": "gzip", "content-type": "text/plain" } }),
      "STORE_REFUSED",
      /sends it in "gzip", though asked not to/,
    ],
    [
      "no length",
      () => new Response(new ReadableStream({ pull: (body) => body.enqueue(new Uint8Array(10)) })),
      "STORE_REFUSED",
      /must send Content-Length/,
    ],
    ["401", () => new Response(null, { status: 401 }), "STORE_DENIED", /check the user and password, or the key/],
    ["403", () => new Response(null, { status: 403 }), "STORE_DENIED", /check the user and password, or the key/],
    ["400", () => new Response(null, { status: 400 }), "STORE_REFUSED", /the server answers 400: check the address/],
    ["503", () => new Response(null, { status: 503 }), "STORE_UNAVAILABLE", /the server answers 503/],
  ];
  test.each(refusals)("%s is said, and no key", async (_what, odd, reason, sentence) => {
    using server = new FolderServer(SAMPLE.folder, odd);
    const address = `${server.endpoint.replace("//", "//me:secret@")}/lake?sig=secret`;
    const error = await failureOf(lakeAt(address));
    expect([error.reason, error.message]).toEqual([reason, expect.stringMatching(sentence)]);
    expect(error.message).toContain(`${server.endpoint}/lake/`);
    expect(JSON.stringify([error.message, error.stack])).not.toContain("secret");
  });

  test("a file that its server calls zstd, or sends in no type", async () => {
    using server = new FolderServer(SAMPLE.folder, (_, file) =>
      file === undefined ? undefined : plainAnswer(file, { "content-encoding": file.endsWith("zst") ? "zstd" : "" }),
    );
    expect(await ledgersOf(await lakeAt(server.endpoint))).toEqual(expected);
  });

  test("nothing listens, or what does speaks no HTTP: neither the error nor its causes have the key", async () => {
    using odd = Bun.listen({
      hostname: "127.0.0.1",
      port: 0,
      socket: { data: (socket) => void socket.end("SSH-2.0-x\r\n\r\n") },
    });
    for (const port of [1, odd.port]) {
      const error = await failureOf(lakeAt(`http://me:secret@127.0.0.1:${port}/x?sig=secret`));
      expect([port, error.reason]).toEqual([port, "STORE_UNAVAILABLE"]);
      for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) {
        expect(JSON.stringify({ ...cause, message: cause.message, stack: cause.stack })).not.toContain("secret");
      }
    }
  });

  test("the manifest is gone while a reader waits: it is told, and goes on when it is back", async () => {
    using made = new TemporaryLake().putAll(100, 102);
    let gone = false;
    using server = new FolderServer(made.folder, () => (gone ? new Response(null, { status: 404 }) : undefined));
    const lake = await lakeAt(server.endpoint, { followPollMs: 2 });
    expect(await lake.ledgerLatest()).toBeUndefined();
    await readAll(lake, 100, 102);
    gone = true;
    expect((await failureOf(readAll(lake, 103, 0))).reason).toBe("FILE_NOT_FOUND");
    gone = false;
    made.put(103);
    expect((await readAll(lake, 103, 103)).length).toBe(1);
  });
});

test("faults at the socket: the same ledgers, in time", async () => {
  using server = new FolderServer(SAMPLE.folder);
  await expectFaultsBorne(server.endpoint, (endpoint) => lakeAt(endpoint));
}, 1_800_000);

test("a manifest that is refused once is no lake that is missing", async () => {
  using server = new FolderServer(SAMPLE.folder);
  using proxy = new FaultyProxy(server.endpoint, (request) => (request === "GET /.config.json" ? "403" : "none"));
  expect((await failureOf(lakeAt(proxy.endpoint))).reason).toBe("STORE_DENIED");
});

test.each(["stalled", "drip"] as const)(
  "an answer that is %s holds the others no longer than its timeout",
  async (fault) => {
    using server = new FolderServer(SAMPLE.folder);
    let asked = 0;
    using proxy = new FaultyProxy(server.endpoint, (request) =>
      request.startsWith("GET ") && request.includes(`--${SAMPLE.first + 2}.xdr`) && asked++ === 0 ? fault : "none",
    );
    const lake = await lakeAt(proxy.endpoint);
    const begun = performance.now();
    expect(await ledgersOf(lake)).toEqual(expected);
    expect(asked).toBe(2);
    expect(performance.now() - begun).toBeLessThan(9_000); // by default a head alone has 10 s
  },
  60_000,
);

test("ends through faults are the right ones, or none are told", async () => {
  using server = new FolderServer(SAMPLE.folder);
  const seed = seedOf();
  let found = 0;
  for (let run = 0; run < 10; run++) {
    const random = randomFrom(seed + run);
    const faults: StoreFault[] = [...Array<StoreFault>(10).fill("none"), "refused", "429", "503", "cut"];
    using proxy = new FaultyProxy(server.endpoint, () => faults[Math.floor(random() * faults.length)]!);
    const impatient = { retryMsMin: 1, waitMsMax: 500, triesMax: run % 2 === 0 ? 1 : 12 };
    const storage = new WebStorage(parseWebAddress(proxy.endpoint + HINT), impatient);
    const range = await Lake.at(storage)
      .then((lake) => lake.ledgerRange())
      .catch((thrown) => thrown as Error);
    if (range instanceof Error) expect(range, `SEED=${seed} run ${run}`).toMatchObject({ code: "UNAVAILABLE" });
    else expect(range, `SEED=${seed} run ${run}`).toEqual({ ledgerFirst: SAMPLE.first, ledgerLast: SAMPLE.last });
    if (!(range instanceof Error)) found += 1;
  }
  expect(found, `SEED=${seed}`).toBe(5); // of some hundred requests some are broken, and every second run has one try
}, 120_000);

test("an object that is missing and comes later is waited for at the tip", async () => {
  using server = new FolderServer(SAMPLE.folder);
  let missing = 3;
  using proxy = new FaultyProxy(server.endpoint, (request) =>
    request.includes(`--${SAMPLE.last}.xdr`) && missing-- > 0 ? "404" : "none",
  );
  const lake = await lakeAt(proxy.endpoint, { followPollMs: 10 });
  const stop = new AbortController();
  let last = 0;
  for await (const object of lake.read(SAMPLE.first, 0, stop.signal)) {
    last = object.ledgerLast;
    if (last === SAMPLE.last) stop.abort();
  }
  expect(last).toBe(SAMPLE.last);
}, 60_000);

test.each([
  ["https://u:secret@host/x#f", "https://host/x: it has a #fragment"],
  ["https://host/x?ledgersPerFile=1&sig=secret", "ledgersPerFile and filesPerPartition go together"],
  ["https://host/x?ledgersPerFile=0&filesPerPartition=1", 'ledgersPerFile is "0"'],
  ["https://host/x?extension=gz", 'extension is "gz", not zst or zstd'],
  ["https://host:99999/secret", "the lake's address: it is no http(s) address"],
  ["https://u:%@host/x", "a % that begins no escape"],
])("%s is refused in a sentence", async (address, sentence) => {
  const { code, err } = await decodeWith({}, address);
  expect([code, err]).toEqual([2, expect.stringContaining(sentence)]);
  expect(err).not.toContain("secret");
});
