/** An answer that does not come is asked for a second time; seldom, and nobody reads twice. */
import { expect, test } from "bun:test";
import { Lake } from "../../src/sources/lake/lake.ts";
import { parseWebAddress } from "../../src/sources/object-store/web-address.ts";
import { WebStorage } from "../../src/sources/object-store/web-storage.ts";
import { Stragglers } from "../../src/sources/stragglers.ts";
import { FolderServer } from "../support/folder-server.ts";
import { until } from "../support/until.ts";
import { TemporaryLake } from "./lake-fixture.ts";

test("an object whose answer hangs is asked for again long before its timeout", async () => {
  using folder = new TemporaryLake().putAll(100, 159);
  const asked = new Map<string, number>();
  let givenUp = 0;
  using server = new FolderServer(folder.folder, (request) => {
    const count = (asked.get(request.url) ?? 0) + 1;
    asked.set(request.url, count);
    if (!request.url.includes("--150.xdr") || count > 1) return undefined;
    request.signal.addEventListener("abort", () => {
      givenUp += 1;
    });
    return new Promise<Response>(() => {});
  });
  const lake = await Lake.at(new WebStorage(parseWebAddress(`${server.endpoint}/`), { waitMsMax: 60_000 }));
  const seen: number[] = [];
  for await (const { ledgerFirst } of lake.read(100, 159, new AbortController().signal)) seen.push(ledgerFirst);
  expect(seen).toEqual(Array.from({ length: 60 }, (_, index) => 100 + index));
  expect([...asked].find(([url]) => url.includes("--150.xdr"))?.[1]).toBe(2);
  await until(() => givenUp === 1, "the first request is given up");
}, 30_000); // within the first one's 60 s

test("late is what takes four medians, and second requests are one in 20", () => {
  const stragglers = new Stragglers();
  expect(stragglers.lateMs).toBe(2_000);
  for (let count = 0; count < 8; count++) stragglers.came(10);
  expect(stragglers.lateMs).toBe(250);
  for (let count = 0; count < 64; count++) stragglers.came(100);
  expect(stragglers.lateMs).toBe(400);
  let seconds = 0;
  for (let count = 0; count < 1_000; count++) {
    stragglers.came(100);
    while (stragglers.take()) seconds += 1;
  }
  expect(seconds).toBeGreaterThan(49);
  expect(seconds).toBeLessThan(54);
});
