/** A gRPC source is held back by a reader that pauses: what it has sent is what was taken, and the window. */
import { afterAll, expect, test } from "bun:test";
import { WINDOW_BYTES } from "../../src/grpc/stream-client/server-stream.ts";
import { RawLedgerStream } from "../../src/sources/raw-ledger/raw-ledger-stream.ts";
import { environmentAccess } from "../../src/sources/source-access.ts";
import { Certificates, hasOpenssl } from "../support/certificates.ts";
import { GoSource } from "../support/go-source.ts";

const LEDGER_BYTES = 1_800_000;
const LEDGERS = 60; // a client that grants window for what was not taken lets the source send more with each
const PAUSE_MS = 30;
const STALL_MS_MAX = 60_000;

const certificates = hasOpenssl() ? new Certificates() : undefined;
afterAll(() => certificates?.remove());

test.each([
  ["plain", undefined],
  ...(certificates === undefined ? [] : [["over TLS", certificates.issue("server")] as const]),
])(
  "a Go source has never sent more than the window beyond what was taken, %s",
  async (_what, pair) => {
    const flags = pair === undefined ? [] : ["-cert", pair.cert, "-key", pair.key];
    using source = await GoSource.start(["-size", String(LEDGER_BYTES), ...flags]);
    if (source === undefined) return;
    const { peer } = environmentAccess(certificates === undefined ? {} : { SOURCE_CA_FILE: certificates.ca.cert });
    const stream = new RawLedgerStream(source.address, 1, { ...peer, isSecure: pair !== undefined });
    try {
      let aheadMost = 0;
      for (let taken = 1; taken <= LEDGERS; taken++) {
        const event = await stream.next(STALL_MS_MAX);
        if (event.kind !== "ledger") throw new Error(`ledger ${taken}: ${event.kind}`);
        expect(event.ledger.sequence).toBe(taken);
        event.release();
        await Bun.sleep(PAUSE_MS); // long enough for the source to send what it may
        aheadMost = Math.max(aheadMost, source.sent - taken);
      }
      // One message is cut by the window's end, and one is with grpc-go, which has counted it.
      const aheadMax = Math.ceil(WINDOW_BYTES / LEDGER_BYTES) + 2;
      expect(aheadMost).toBeGreaterThan(0);
      expect(aheadMost).toBeLessThanOrEqual(aheadMax);
    } finally {
      stream.close();
    }
  },
  120_000,
);
