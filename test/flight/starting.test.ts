/** The Flight port is open before sessions are restored: until then it says so, and never that a session is unknown. */
import { afterAll, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FlightDescriptor_DescriptorType as DescriptorType } from "../../src/grpc/generated/flight.ts";
import { failureMessage } from "../support/failure.ts";
import { flightCalls, readRows } from "../support/flight-rows.ts";
import { GatedSource } from "../support/gated-source.ts";
import { localServer } from "../support/local-server.ts";
import { SAMPLE } from "../support/processor.ts";
import { until } from "../support/until.ts";

const scratch = mkdtempSync(join(tmpdir(), "contract-data-starting-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** A port that is free now. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return port;
}

/** The sample's lake as a public bucket, which answers nobody while it is held. */
class SlowBucket implements Disposable {
  private gate = Promise.withResolvers<void>();
  private readonly server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: (request) => this.answer(request) });
  readonly address = `s3://bucket?unsigned=true&endpoint=http://127.0.0.1:${this.server.port}`;

  constructor() {
    this.release();
  }

  hold(): void {
    this.gate = Promise.withResolvers<void>();
  }

  release(): void {
    this.gate.resolve();
  }

  [Symbol.dispose](): void {
    void this.server.stop(true);
  }

  private async answer({ url }: Request): Promise<Response> {
    await this.gate.promise;
    const { pathname, searchParams } = new URL(url);
    const prefix = searchParams.get("prefix");
    if (prefix === null) {
      const file = join(SAMPLE.folder, pathname.slice("/bucket/".length));
      return existsSync(file) ? new Response(Bun.file(file)) : new Response(null, { status: 404 });
    }
    const entries = readdirSync(join(SAMPLE.folder, prefix), { withFileTypes: true }).map((entry) =>
      entry.isDirectory()
        ? `<CommonPrefixes><Prefix>${prefix}${entry.name}/</Prefix></CommonPrefixes>`
        : `<Contents><Key>${prefix}${entry.name}</Key></Contents>`,
    );
    return new Response(`<ListBucketResult>${entries.join("")}</ListBucketResult>`);
  }
}

test("a client that comes while sessions are being restored is told to try again, and then gets its session", async () => {
  const source = await GatedSource.open();
  using bucket = new SlowBucket();
  const flags = { "data-dir": join(scratch, "state"), sources: `second=${bucket.address}` };
  const before = await localServer(source, flags);
  // Restoring goes in order, and the first session's source is not there for a while.
  const range = { startLedger: SAMPLE.first, endLedger: SAMPLE.last };
  const slow = (await before.control.startProcessing({ ...range, source: "second" })).sessionId;
  const session = (await before.control.startProcessing({ startLedger: 100, endLedger: 120 })).sessionId;
  const first = await readRows(`127.0.0.1:${before.processor.addresses.flight.port}`, { session, from: "start" });
  expect(first.error).toBeUndefined();
  await before.close();

  bucket.hold();
  const port = await freePort();
  const starting = localServer(source, { ...flags, "flight-address": `127.0.0.1:${port}` });
  const flight = `127.0.0.1:${port}`;
  const get = async (ticket: object | string) => {
    const { error, rows } = await readRows(flight, ticket);
    return error === undefined ? `${rows.length} rows` : `${error.code} ${error.reason}`;
  };
  await until(async () => (await get({ session })) === "UNAVAILABLE STARTING", "the port is open");
  for (const ticket of [{ session }, { session: slow }, "contract-data-stream", { start_ledger: 100, end_ledger: 101 }])
    expect(await get(ticket), JSON.stringify(ticket)).toBe("UNAVAILABLE STARTING");
  const calls = flightCalls(flight);
  const descriptor = { type: DescriptorType.PATH, path: ["contract", "data", session] };
  for (const call of [calls.getFlightInfo(descriptor), calls.getSchema(descriptor), calls.pollFlightInfo(descriptor)])
    expect(await failureMessage(call)).toContain("still starting");
  bucket.release();
  const after = await starting;
  expect(await get({ session, from: "start" })).toBe(`${first.rows.length} rows`);
  expect(await get({ session: slow, from: "start" })).toBe(`${SAMPLE.rows} rows`);
  expect((await calls.getFlightInfo({ type: 1, path: ["contract", "data"] })).totalRecords).toBe(first.rows.length);
  calls.close();
  await after.close();
  await source.close();
}, 60_000);
