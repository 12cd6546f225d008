/** Whoever stops does not wait for a store or an RPC server that is away: not for its tries, and not for its Retry-After. */
import { afterAll, describe, expect, test } from "bun:test";
import { settlesWithin } from "../../src/base/settles-within.ts";
import { Lake } from "../../src/sources/lake/lake.ts";
import { parseWebAddress } from "../../src/sources/object-store/web-address.ts";
import { WebStorage } from "../../src/sources/object-store/web-storage.ts";
import { RpcSource } from "../../src/sources/rpc/rpc-source.ts";
import type { LedgerSource } from "../../src/sources/source.ts";
import { failureOf } from "../support/failure.ts";
import { FolderServer } from "../support/folder-server.ts";
import { localServer } from "../support/local-server.ts";
import { PORTS, PROGRAM, ROOT, startProcessor } from "../support/processor.ts";
import { RpcServer } from "../support/rpc-server.ts";
import { until } from "../support/until.ts";
import { TemporaryLake, tinyLedger } from "./lake-fixture.ts";

const PROMPT_MS_MAX = 5_000; // a machine under full load; what is not given up takes 10 s, 40 s and a minute
const RETRY_MS_MIN = 80_000; // so that a refused request waits for 40 s at least
const [FIRST, LAST] = [100, 139];

const lake = new TemporaryLake().putAll(FIRST, LAST);
afterAll(() => lake[Symbol.dispose]());
const ledgers = new Map(
  Array.from({ length: LAST - FIRST + 1 }, (_, index) => [FIRST + index, tinyLedger(FIRST + index)]),
);

const AWAY = {
  silent: () => new Promise<Response>(() => {}),
  "full for a minute": () => new Response("", { status: 429, headers: { "retry-after": "60" } }),
  "in trouble": () => new Response("", { status: 503 }),
};

/** A source whose server goes away once it is told to. */
class GoingAway implements Disposable {
  private away: (() => Response | Promise<Response>) | undefined;
  /** Requests since it went away, and those that have been given up. */
  asked = 0;
  givenUp = 0;
  private readonly server: (FolderServer | RpcServer) & Disposable;

  constructor(private readonly kind: "lake" | "rpc") {
    const fault = (request?: Request) => {
      if (this.away === undefined) return undefined;
      this.asked += 1;
      request?.signal.addEventListener("abort", () => {
        this.givenUp += 1;
      });
      return this.away();
    };
    this.server =
      kind === "lake"
        ? new FolderServer(lake.folder, (request) => fault(request))
        : new RpcServer(ledgers, "test", () => fault());
  }

  get address(): string {
    return this.server instanceof RpcServer ? this.server.url : `${this.server.endpoint}/`;
  }

  go(how: keyof typeof AWAY): void {
    this.away = AWAY[how];
  }

  async open(): Promise<LedgerSource> {
    const options = { retryMsMin: RETRY_MS_MIN };
    if (this.kind === "rpc") return new RpcSource(this.address, options);
    return Lake.at(new WebStorage(parseWebAddress(this.address), options), { readAheadFiles: 4 });
  }

  [Symbol.dispose](): void {
    this.server[Symbol.dispose]();
  }
}

async function drain(source: LedgerSource, end: number, signal: AbortSignal, onLedger: () => void): Promise<void> {
  for await (const _ of source.read(FIRST, end, signal)) onLedger();
}

describe.each(["lake", "rpc"] as const)("%s", (kind) => {
  describe.each(Object.keys(AWAY) as (keyof typeof AWAY)[])("%s", (how) => {
    test.each([
      ["a range that is stopped", LAST, "stop"],
      ["a reader at the tip that is stopped", 0, "stop"],
      ["a range whose source is closed", LAST, "close"],
      ["a reader at the tip whose source is closed", 0, "close"],
    ] as const)("%s", async (_name, end, what) => {
      using server = new GoingAway(kind);
      const source = await server.open();
      const stop = new AbortController();
      const reading = drain(source, end, stop.signal, () => server.go(how));
      await until(() => server.asked > 0, "it asks a server that is away");
      if (what === "stop") stop.abort();
      else await source.close();
      expect(await settlesWithin(reading, PROMPT_MS_MAX)).toBe(true);
      await reading; // without an error
      await source.close();
    });

    test("a question of its own ends when the source is closed, and a reader that stops leaves it to the others", async () => {
      using server = new GoingAway(kind);
      const source = await server.open();
      server.go(how);
      const latest = failureOf(source.ledgerLatest());
      const stop = new AbortController();
      const reading = drain(source, LAST, stop.signal, () => {});
      await until(() => server.asked > 1, "both ask");
      stop.abort();
      await reading;
      expect(await settlesWithin(latest, 100)).toBe(false);
      await source.close();
      expect(await settlesWithin(latest, PROMPT_MS_MAX)).toBe(true);
      expect((await latest).reason).toBe("STORE_UNAVAILABLE");
    });
  });

  test("a session that is stopped, a range whose client leaves", async () => {
    using server = new GoingAway(kind);
    const source = await server.open();
    const processor = await localServer(source, { "network-passphrase": "test" });
    try {
      const { sessionId } = await processor.control.startProcessing({ startLedger: FIRST, endLedger: LAST });
      const leave = new AbortController();
      const ticket = Buffer.from(JSON.stringify({ start_ledger: FIRST, end_ledger: LAST }));
      const ranges = processor.flight.doGet(ticket, leave.signal)[Symbol.asyncIterator]();
      server.go("silent");
      const first = ranges.next().catch(() => {});
      await until(() => server.asked > 0, "the source is asked");
      leave.abort();
      await first;
      const stopped = processor.control.stopProcessing({ sessionId });
      expect(await settlesWithin(stopped, PROMPT_MS_MAX)).toBe(true);
      await stopped;
      if (kind === "lake") await until(() => server.givenUp === server.asked, "no request is left", PROMPT_MS_MAX);
    } finally {
      expect(await settlesWithin(processor.close(), PROMPT_MS_MAX)).toBe(true);
      await source.close();
    }
  });

  test("SIGTERM ends a server with a session, with code 0", async () => {
    using server = new GoingAway(kind);
    const address = kind === "rpc" ? `rpc+${server.address}` : server.address;
    const processor = await startProcessor([
      `--source-endpoint=${address}`,
      "--network-passphrase=test",
      "--worker-count=1",
      `--start-ledger=${FIRST}`,
    ]);
    server.go("silent");
    await until(() => server.asked > 0, "the source is asked");
    const exited = processor.stop();
    expect(await settlesWithin(exited, PROMPT_MS_MAX)).toBe(true);
    expect(await exited).toBe(0);
  }, 60_000);

  test("SIGTERM ends a server that is starting", async () => {
    using server = new GoingAway(kind);
    server.go("silent");
    const address = kind === "rpc" ? `rpc+${server.address}` : server.address;
    const command = [...PROGRAM, "serve", ...PORTS, `--source-endpoint=${address}`];
    const child = Bun.spawn(command, { cwd: ROOT, stdio: ["ignore", "ignore", "ignore"] });
    await until(() => server.asked > 0, "the source is asked");
    child.kill("SIGTERM");
    expect(await settlesWithin(child.exited, PROMPT_MS_MAX)).toBe(true);
    expect(child.exitCode).toBe(0);
  }, 60_000);
});
