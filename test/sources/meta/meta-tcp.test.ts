import { describe, expect, test } from "bun:test";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { MetaSource } from "../../../src/sources/meta/meta-source.ts";
import { TcpFeed } from "../../../src/sources/meta/tcp-feed.ts";
import { RUN_BYTES_MIN } from "../../../src/sources/meta/whole-ledgers.ts";
import { failureOf } from "../../support/failure.ts";
import { randomFrom, seedOf } from "../../support/random.ts";
import { until } from "../../support/until.ts";
import { tinyLedger } from "../lake-fixture.ts";
import { largeLedger, record, records, sequence } from "./meta-fixture.ts";

const never = new AbortController().signal;
const WINDOW = 4 << 20;
const RUN = Math.ceil(RUN_BYTES_MIN / 412);

/** A server that does with the n-th connection (from 0) what the test says. */
async function serve(script: (socket: Socket, n: number) => void, port = 0): Promise<Served> {
  let count = 0;
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    script(socket, count++);
  });
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  return new Served(server, sockets);
}

class Served {
  readonly port: number;

  constructor(
    private readonly server: Server,
    private readonly sockets: Set<Socket>,
  ) {
    this.port = (server.address() as AddressInfo).port;
  }

  source(outageMsMax?: number, stallMsMax?: number): MetaSource {
    return new MetaSource(new TcpFeed({ host: "127.0.0.1", port: this.port }, stallMsMax), WINDOW, { outageMsMax });
  }

  [Symbol.dispose](): void {
    for (const socket of this.sockets) socket.destroy();
    this.server.close();
  }
}

async function ledgers(source: MetaSource, start: number, end: number): Promise<number[]> {
  const objects = await Array.fromAsync(source.read(start, end, never));
  return objects.map(({ ledgerFirst }) => ledgerFirst);
}

describe("a server", () => {
  test("breaks off again and again, anywhere, and goes on before that", async () => {
    const seed = seedOf();
    const random = randomFrom(seed);
    using server = await serve((socket, n) => {
      const bytes = records(Math.max(1, 1 + n * 40 - 10), 60 + n * 40);
      socket.write(bytes.subarray(0, bytes.length - Math.floor(random() * 8_000)));
      if (random() < 0.5) socket.end();
      else setTimeout(() => socket.destroy(), 5);
    });
    const source = server.source();
    expect([`SEED=${seed}`, ...(await ledgers(source, 1, 300))]).toEqual([`SEED=${seed}`, ...sequence(1, 300)]);
    await source.close();
  });

  test("begins inside a record", async () => {
    using server = await serve((socket) => void socket.write(records(1, 10 + RUN).subarray(1_000)));
    const source = server.source();
    expect(await ledgers(source, 4, 4 + RUN)).toEqual(sequence(4, 4 + RUN));
    await source.close();
  });

  test("is held back by a slow reader, and by nobody else", async () => {
    const bytes = records(1, 60, (ledger) => largeLedger(ledger, 1 << 20));
    let sent = 0;
    using server = await serve((socket) => {
      const on = () => {
        while (sent < bytes.length) {
          const part = bytes.subarray(sent, sent + (256 << 10));
          sent += part.length;
          if (!socket.write(part)) return void socket.once("drain", on);
        }
        socket.write(record(tinyLedger(61)));
      };
      on();
    });
    const source = server.source();
    const slow = source.read(1, 61, never)[Symbol.asyncIterator]();
    const seen = [(await slow.next()).value!.ledgerFirst];
    let before = -1;
    await until(async () => {
      const still = sent === before;
      before = sent;
      await Bun.sleep(100);
      return still;
    }, "the server is held back");
    expect(sent).toBeLessThan(40 << 20); // what kernels hold of it is megabytes
    for (let next = await slow.next(); !next.done; next = await slow.next()) seen.push(next.value.ledgerFirst);
    expect(seen).toEqual(sequence(1, 61));
    await source.close();
  });

  test("is away at first", async () => {
    const { port } = await (async () => {
      using gone = await serve(() => {});
      return gone;
    })();
    const source = new MetaSource(new TcpFeed({ host: "127.0.0.1", port }), WINDOW);
    const told: string[] = [];
    const reading = Array.fromAsync(
      source.read(1, 3, never, (trouble) => trouble !== undefined && told.push(trouble.message)),
    );
    await until(() => told.length > 0, "the trouble is told");
    expect(told[0]).toContain(`meta stream 127.0.0.1:${port}: `);
    using _server = await serve((socket) => void socket.write(records(1, 5)), port);
    expect((await reading).length).toBe(3);
    await source.close();
  });

  test("that says nothing is connected to again", async () => {
    using server = await serve((socket, n) => {
      if (n > 0) socket.write(records(1, 5));
    });
    const source = server.source(undefined, 50);
    expect(await ledgers(source, 1, 5)).toEqual(sequence(1, 5));
    await source.close();
  });

  test("stays away", async () => {
    const source = new MetaSource(new TcpFeed({ host: "127.0.0.1", port: 1 }), WINDOW, { outageMsMax: 100 });
    const error = await failureOf(ledgers(source, 1, 5));
    expect([error.code, error.reason]).toEqual(["UNAVAILABLE", "SOURCE_UNAVAILABLE"]);
    expect(error.message).toMatch(/no ledger for \d+ ms, over max 100 ms/);
    await source.close();
  });

  test("a stop is prompt while it says nothing", async () => {
    using server = await serve(() => {});
    const source = server.source();
    const reading = ledgers(source, 1, 0);
    await Bun.sleep(50);
    await source.close();
    expect(await reading).toEqual([]);
  });
});
