/** Sessions at the tip of one lake share its follower: they ask by name, and do not list partitions each for itself. */
import { expect, spyOn, test } from "bun:test";
import { promises as fs } from "node:fs";
import { until } from "../support/until.ts";
import { lakeOfLinks, serveLake } from "./lakes-at-the-tip.ts";

const [FIRST, FILES, SESSIONS] = [64_000, 4_000, 16];
const WATCHED_MS = 6_000; // longer than what once lay between two listings of each session
const LISTINGS_MAX = 8; // two listings of the lake: root and partition for each end

test("16 sessions at the tip list the lake as seldom as one does, and see a new file", async () => {
  using lake = lakeOfLinks(FIRST, FILES);
  const { server } = await serveLake(lake);
  const listings = spyOn(fs, "readdir");
  try {
    const last = FIRST + FILES - 1;
    const ids: string[] = [];
    for (let count = 0; count < SESSIONS; count++) {
      ids.push((await server.control.startProcessing({ startLedger: last })).sessionId);
    }
    const all = async (ledger: number) => {
      for (const sessionId of ids)
        if ((await server.control.getStatus({ sessionId })).currentLedger < ledger) return false;
      return true;
    };
    await until(() => all(last), "all are at the tip");
    await Bun.sleep(WATCHED_MS);
    const calls = listings.mock.calls.filter(([folder]) => String(folder).startsWith(lake.folder));
    expect(calls.length).toBeLessThanOrEqual(LISTINGS_MAX);
    lake.put(last + 1);
    await until(() => all(last + 1), "all have the new ledger");
    lake.put(last + 3); // a gap of one: names tell it
    await until(
      async () =>
        (await server.control.getStatus({ sessionId: ids[0]! })).errorMessage.includes(`ledger ${last + 2} is missing`),
      "the gap is told",
    );
    lake.put(last + 2);
    await until(() => all(last + 3), "all have the late ledger");
  } finally {
    listings.mockRestore();
    await server.close();
  }
}, 120_000);
