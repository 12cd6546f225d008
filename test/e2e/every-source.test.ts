/**
 * The same 200 ledgers by every kind of source, in a server process: the rows of the folder, and cursors that mean the
 * same at each of them.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type ControlClient, connectControl } from "../../src/control/client.ts";
import { goClient, googleStoreServer, storeServer } from "../clients/toolchain.ts";
import { LakeOf, REAL_FIRST, RecordFile, realLedgers } from "../sources/join/join-parts.ts";
import { Fifo, record } from "../sources/meta/meta-fixture.ts";
import { Certificates, contentOf, hasOpenssl } from "../support/certificates.ts";
import { readRows } from "../support/flight-rows.ts";
import { FolderServer } from "../support/folder-server.ts";
import { GoSource } from "../support/go-source.ts";
import { GoogleStore } from "../support/google-store.ts";
import { PUBNET } from "../support/networks.ts";
import { KEY, ObjectStore, PRIVATE, PUBLIC } from "../support/object-store.ts";
import { type Processor, startProcessor } from "../support/processor.ts";
import { randomFrom, seedOf } from "../support/random.ts";
import { RpcServer } from "../support/rpc-server.ts";

const COUNT = 200;
const LAST = REAL_FIRST + COUNT - 1;
const SEAMS = 10;
const BUCKET = "ledgers";
const SOURCES = ["s3", "unsigned", "gs", "web", "rpc", "raw", "meta"];

const programs = { store: await storeServer(), google: await googleStoreServer(), go: await goClient() };
const missing = Object.values(programs).flatMap((program) => program.missing ?? []);
if (missing.length > 0) console.log(`skipped: every source beside the others: ${missing.join("; ")}`);

/** Says of which rows it is, and how many: a difference of thousands of rows tells nobody anything. */
const digest = (rows: readonly string[]) => `${rows.length} rows ${Bun.hash(rows.join("\n"))}`;

/** The same place with the session gone that it was written for. */
const placeOf = (cursor: string) => cursor.replace(/[0-9a-f-]{36}/, "");

describe.skipIf(missing.length > 0 || !hasOpenssl())("every source", () => {
  const certificates = new Certificates();
  const tls = certificates.issue("server");
  const seed = seedOf();
  const ends: Array<() => unknown> = [() => certificates.remove()];
  const closing = <T extends Disposable>(part: T): T => {
    ends.push(() => part[Symbol.dispose]());
    return part;
  };
  let fifo: Fifo;
  let stream: Uint8Array;
  let server: Processor;
  let control: ControlClient;
  let expected: { rows: string[]; cursor: string; id: string };

  beforeAll(async () => {
    const ledgers = await realLedgers(COUNT);
    const all = [...ledgers.values()];
    const whole = closing(new LakeOf(ledgers).add(REAL_FIRST, LAST));
    const store = await ObjectStore.start(programs.store.command![0]!);
    ends.push(() => store.stop());
    for (const bucket of [PRIVATE, PUBLIC]) await store.putFolder(whole.folder, `${bucket}/pubnet`);
    const google = await GoogleStore.start(programs.google.command![0]!, BUCKET);
    ends.push(() => google.stop());
    await google.putFolder(whole.folder, BUCKET, "pubnet");
    const web = closing(new FolderServer(whole.folder, undefined, contentOf(tls)));
    const rpc = closing(new RpcServer(ledgers, PUBNET, undefined, contentOf(tls)));
    const records = closing(new RecordFile(all));
    const flags = ["-records", records.path, "-first", String(REAL_FIRST)];
    const raw = closing((await GoSource.start([...flags, "-cert", tls.cert, "-key", tls.key]))!);
    fifo = closing(new Fifo());
    stream = Buffer.concat(all.map(record));
    const sources = [
      `s3=s3://${PRIVATE}/pubnet`,
      `unsigned=s3://${PUBLIC}/pubnet?unsigned=true`,
      `gs=gs://${BUCKET}/pubnet`,
      `web=${web.endpoint}`,
      `rpc=rpc+${rpc.url}`,
      `raw=grpcs://${raw.address}`,
      `meta=meta:${fifo.path}`,
    ];
    const random = randomFrom(seed);
    for (let index = 0; index < SEAMS; index++) {
      const seam = REAL_FIRST + 1 + Math.floor(random() * (COUNT - 2));
      const past = closing(new LakeOf(ledgers, [1, 8][index % 2]).add(REAL_FIRST, seam - 1));
      const tip = index % 3 === 0 ? `grpcs://${raw.address}` : `rpc+${rpc.url}`;
      sources.push(`seam${index}=${past.folder}|${tip}`);
    }
    server = await startProcessor([`--source-endpoint=${whole.folder}`, "--include-deleted"], {
      env: {
        SOURCES: sources.join(","),
        SOURCE_CA_FILE: certificates.ca.cert,
        AWS_ENDPOINT_URL_S3: store.endpoint,
        AWS_ACCESS_KEY_ID: KEY.accessKeyId,
        AWS_SECRET_ACCESS_KEY: KEY.secretAccessKey,
        STORAGE_EMULATOR_HOST: google.endpoint,
        WORKER_COUNT: "2",
      },
    });
    ends.push(() => server.stop());
    control = connectControl(server.control, { deadlineMs: 60_000 });
    ends.push(() => control.close());
    expected = await rowsOf("");
    expect(expected.rows.length).toBeGreaterThan(8_000);
  }, 240_000);

  afterAll(async () => {
    for (const end of ends.reverse()) await end();
  }, 60_000);

  /** All rows of a session over the named source, and the cursor behind the last. */
  async function rowsOf(source: string, begun: () => void = () => {}): Promise<typeof expected> {
    const { sessionId } = await control.startProcessing({ startLedger: REAL_FIRST, endLedger: LAST, source });
    begun();
    const { rows, batches, error } = await readRows(server.flight, { session: sessionId, from: "start" });
    if (error !== undefined) throw error;
    return { rows, cursor: batches.at(-1)!.metadata.cursor, id: sessionId };
  }

  test.each([...SOURCES, ...Array.from({ length: SEAMS }, (_, index) => `seam${index}`)])(
    "%s",
    async (name) => {
      const what = `${name}, SEED=${seed}`;
      const { rows, cursor, id } = await rowsOf(name, name === "meta" ? () => fifo.write(stream) : undefined);
      expect([what, digest(rows), placeOf(cursor)]).toEqual([what, digest(expected.rows), placeOf(expected.cursor)]);
      // A place in this source's session is the same place in the folder's.
      const half = await readRows(server.flight, { session: id, from: "start" }, { batchesMax: 1 });
      const from = half.batches[0]!.metadata.cursor.replace(id, expected.id);
      const rest = await readRows(server.flight, { session: expected.id, from });
      expect([what, digest([...half.rows, ...rest.rows])]).toEqual([what, digest(expected.rows)]);
    },
    120_000,
  );
});
