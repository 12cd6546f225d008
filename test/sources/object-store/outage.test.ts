/** A store that is away for a while, seen from a client of a live session: it waits, then goes on, and no row is lost or doubled. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { connectControl } from "../../../src/control/client.ts";
import { FlightClient } from "../../../src/flight-client/client.ts";
import { storeServer } from "../../clients/toolchain.ts";
import { buildLedger, created, id, scU32 } from "../../ledger/build.ts";
import { FaultyProxy } from "../../support/faulty-proxy.ts";
import { ObjectStore, PUBLIC } from "../../support/object-store.ts";
import { startProcessor } from "../../support/processor.ts";
import { until } from "../../support/until.ts";
import { batchOf, TemporaryLake } from "../lake-fixture.ts";
import { keyOf } from "./lake-readings.ts";

const OUTAGE_MS = 12_000; // longer than the tries of one request
const [FIRST, BEFORE, LAST] = [100, 110, 125];

const program = await storeServer();
if (program.missing !== undefined) console.warn(`skipping the outage of a store: ${program.missing}`);

let store: ObjectStore;
beforeAll(async () => {
  if (program.missing === undefined) store = await ObjectStore.start(program.command![0]!);
}, 120_000);
afterAll(() => store?.stop());

/** A file of one ledger with one row, whose key is its sequence. */
function fileOf(ledger: number): Uint8Array {
  const change = created({ contract: id(1), key: scU32(ledger), val: scU32(ledger) });
  const build = (sequence: number) => buildLedger({ sequence, transactions: [{ operations: [[change]] }] });
  return Bun.zstdCompressSync(batchOf(ledger, ledger, build));
}

test.skipIf(program.missing !== undefined)(
  "12 s without the store, in a live session",
  async () => {
    using lake = new TemporaryLake();
    await store.putFolder(lake.folder, `${PUBLIC}/live`);
    const put = (ledger: number) => store.put(`${PUBLIC}/live/${keyOf(lake, ledger)}`, fileOf(ledger));
    for (let ledger = FIRST; ledger <= BEFORE; ledger++) await put(ledger);
    let isAway = false;
    using proxy = new FaultyProxy(store.endpoint, () => (isAway ? "refused" : "none"));
    const processor = await startProcessor(
      [`--source-endpoint=s3://${PUBLIC}/live?unsigned=true`, "--network-passphrase=test", "--worker-count=2"],
      { env: { AWS_ENDPOINT_URL_S3: proxy.endpoint } },
    );
    const control = connectControl(processor.control);
    const flight = new FlightClient(processor.flight);
    const leave = new AbortController();
    const rows: number[] = [];
    try {
      const { sessionId } = await control.startProcessing({ startLedger: FIRST });
      const ticket = Buffer.from(JSON.stringify({ session: sessionId, from: "start" }));
      const reading = (async () => {
        for await (const { table } of flight.doGet(ticket, leave.signal))
          for (const row of table) rows.push(Number(row.ledger_sequence));
      })();
      reading.catch(() => {}); // it is left, or the test has failed
      await until(() => rows.at(-1) === BEFORE, "the rows before");

      isAway = true;
      const awayAt = performance.now();
      for (let ledger = BEFORE + 1; ledger <= LAST; ledger++) await put(ledger); // its writer reaches the store
      const status = () => control.getStatus({ sessionId });
      const waits = async () =>
        (await status()).errorMessage.includes(`waiting for ledger ${BEFORE + 1}: s3://${PUBLIC}`);
      await until(waits, "it waits");
      await Bun.sleep(OUTAGE_MS - (performance.now() - awayAt));
      expect(rows.at(-1)).toBe(BEFORE);

      isAway = false;
      await until(() => rows.at(-1) === LAST, "the rows behind");
      await until(async () => (await status()).errorMessage === "", "it waits no more");
      expect(rows).toEqual(Array.from({ length: LAST - FIRST + 1 }, (_, index) => FIRST + index));
    } finally {
      leave.abort();
      control.close();
      flight.close();
      expect(await processor.stop()).toBe(0);
    }
  },
  180_000,
);
