/** What a batch's app_metadata says is what docs/flight.md says that it does. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { appMetadata } from "../../src/delivery/stream-part.ts";
import type { StreamOpening } from "../../src/threads/data-plane-messages.ts";
import { StreamCell } from "../../src/threads/stream-cell.ts";

test("every key is documented", () => {
  const page = readFileSync(join(import.meta.dir, "../../docs/flight.md"), "utf8");
  const section = /\n## Batches and cursors\n(.*?)\n## /s.exec(page)![1]!;
  const opening: StreamOpening = {
    stream: 1,
    kind: "session",
    id: "s",
    cell: StreamCell.create().memory,
    start: { ledger: 1, row: 0 },
    ledgerStart: 1,
    ledgerEnd: 0,
    networkPassphrase: "x",
    schemaVersion: 1,
    batchRows: 0,
    compression: "none",
    slotsMax: 1,
    partition: { index: 0, count: 2 },
    seekable: true,
    flushIntervalMs: 1000,
  };
  const bytes = appMetadata(opening, {
    stream: 1,
    span: 0,
    ledgerFirst: 1,
    ledgerLast: 2,
    ledgerComplete: 2,
    closedAtUnixSeconds: 1,
    rows: 3,
    next: { ledger: 3, row: 0 },
    skipped: [2],
    filterFrom: 1,
    headerBytes: 0,
    bodyBytes: 0,
  });
  const keys = Object.keys(JSON.parse(new TextDecoder().decode(bytes)) as object);
  expect(keys.length).toBe(10);
  for (const key of keys) expect(section).toContain(`\`${key}\``);
});
