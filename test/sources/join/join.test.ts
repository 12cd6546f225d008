/** What a join does at its seams: real lakes, RPC servers and raw-ledger services that come, go, lag and lie. */
import { afterEach, describe, expect, test } from "bun:test";
import { existsSync, renameSync, rmSync, writeFileSync } from "node:fs";
import type { CodedError } from "../../../src/error.ts";
import type { JoinSource } from "../../../src/sources/join/join-source.ts";
import type { LedgerObject } from "../../../src/sources/source.ts";
import { failureOf } from "../../support/failure.ts";
import { localServer } from "../../support/local-server.ts";
import { RpcServer } from "../../support/rpc-server.ts";
import { until } from "../../support/until.ts";
import { tinyLedger } from "../lake-fixture.ts";
import { Fifo, records } from "../meta/meta-fixture.ts";
import { RawLedgerServer } from "../raw-ledger-service.ts";
import { counted, join, LakeOf, lakeMember, metaMember, rawMember, rpcMember } from "./join-parts.ts";

const NETWORK = "test";
const FIRST = 64;
const all = new Map(Array.from({ length: 400 }, (_, index) => [FIRST + index, tinyLedger(FIRST + index)]));
const some = (first: number, last: number) => new Map([...all].filter(([ledger]) => ledger >= first && ledger <= last));

const opened: Array<() => unknown> = [];
afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close();
});
function using<T extends Disposable>(part: T): T {
  opened.push(() => part[Symbol.dispose]());
  return part;
}
const lakeOf = (first: number, last: number, perFile = 1) => using(new LakeOf(all, perFile, NETWORK).add(first, last));
const rpcOf = (ledgers: Map<number, Uint8Array>, network = NETWORK) => using(new RpcServer(ledgers, network));
const service = async (...args: Parameters<typeof RawLedgerServer.start>) =>
  using(await RawLedgerServer.start(...args));

/** A reader of a join that keeps what it was given, and fails where that is not the next ledger. */
class Reading {
  next: number;
  objects: LedgerObject[] = [];
  trouble: CodedError | undefined;
  private readonly stop = new AbortController();
  readonly done: Promise<void>;

  constructor(source: JoinSource, start: number, end = 0) {
    this.next = start;
    this.done = this.run(source, start, end);
    this.done.catch(() => {});
    opened.push(async () => {
      this.stop.abort();
      await source.close();
      await this.done.catch(() => {});
    });
  }

  private async run(source: JoinSource, start: number, end: number): Promise<void> {
    const listen = (trouble: CodedError | undefined) => {
      this.trouble = trouble;
    };
    for await (const object of source.read(start, end, this.stop.signal, listen)) {
      expect(object.ledgerFirst).toBeLessThanOrEqual(this.next);
      expect(object.ledgerLast).toBeGreaterThanOrEqual(this.next);
      this.next = object.ledgerLast + 1;
      this.objects.push(object);
      this.trouble = undefined;
    }
  }

  async reaches(ledger: number): Promise<void> {
    await Promise.race([this.done, until(() => this.next > ledger, `ledger ${ledger}`)]);
    expect(this.next).toBeGreaterThan(ledger);
  }

  /** Until what it waits for says so. */
  async waits(...words: string[]): Promise<void> {
    await until(() => words.every((word) => this.trouble?.message.includes(word)), `trouble with ${words.join(", ")}`);
  }
}

describe("from the lake to the tip", () => {
  test("in the middle of a file, both ways, and the lake is not looked at while the tip serves", async () => {
    const lake = lakeOf(64, 127, 32);
    const ledgers = some(100, 140);
    const rpc = rpcOf(ledgers);
    const member = counted(lakeMember(lake.folder));
    const reading = new Reading(await join([member, rpcMember(rpc.url)], { silentMsMax: 60_000 }), 70);
    await reading.reaches(140);
    expect(reading.objects[0]).toMatchObject({ ledgerFirst: 64, ledgerLast: 95, container: "batch" });
    expect(reading.objects[2]).toMatchObject({ ledgerFirst: 128, ledgerLast: 128, container: "ledger" });
    lake.add(128, 159);
    for (let ledger = 141; ledger <= 170; ledger++) ledgers.set(ledger, all.get(ledger)!);
    await reading.reaches(170);
    expect([member.reads, member.given]).toEqual([1, [64, 96]]);
    // What only the lake has from now on begins in the middle of its file.
    rpc[Symbol.dispose]();
    lake.add(160, 191);
    await reading.reaches(191);
    expect(reading.objects.at(-1)).toMatchObject({ ledgerFirst: 160, ledgerLast: 191 });
  });

  test("a session gives such a file's later ledgers alone", async () => {
    const lake = lakeOf(64, 95, 32);
    const rpc = rpcOf(some(96, 140));
    const source = await join([lakeMember(lake.folder), rpcMember(rpc.url)]);
    const server = await localServer(source, { "network-passphrase": NETWORK });
    opened.push(() => source.close());
    opened.push(() => server.close());
    const { sessionId } = await server.control.startProcessing({ startLedger: 70 });
    const at = (ledger: number) =>
      until(() => server.processor.sessions.get(sessionId).ledgerCurrent === ledger, `at ledger ${ledger}`);
    await at(140);
    rpc[Symbol.dispose]();
    lake.add(96, 159);
    await at(159);
    expect(server.processor.sessions.get(sessionId)).toMatchObject({
      ledgersProcessed: 159 - 70 + 1,
      state: "RUNNING",
    });
  });

  test("of a lake that is empty, and of one that ends far before the first ledger", async () => {
    for (const lake of [using(new LakeOf(all, 1, NETWORK)), lakeOf(64, 80)]) {
      const reading = new Reading(await join([lakeMember(lake.folder), rpcMember(rpcOf(some(100, 120)).url)]), 105);
      await reading.reaches(120);
    }
  });

  test("of core's meta stream, which has ledgers from now on alone", async () => {
    const lake = lakeOf(64, 80);
    const fifo = using(new Fifo());
    const core = fifo.writer();
    const source = await join([lakeMember(lake.folder), metaMember(fifo.path)], { silentMsMax: 60_000 });
    const reading = new Reading(source, 64);
    await core.write(records(90, 100));
    await reading.waits(`lake ${lake.folder}`, `the oldest that the meta stream ${fifo.path} has is 90`);
    lake.add(81, 95);
    await reading.reaches(100);
    await core.write(records(101, 110));
    await reading.reaches(110);
    await core.kill();
    lake.add(96, 120);
    await reading.reaches(120);
    await fifo.writer().write(records(115, 130));
    await reading.reaches(130);
    expect(reading.objects.map(({ ledgerFirst }) => ledgerFirst)).toEqual([...some(64, 130).keys()]);
  });

  test("at once, where the last member is a lake as well", async () => {
    const reading = new Reading(
      await join([lakeMember(lakeOf(64, 90).folder), lakeMember(lakeOf(64, 110).folder)]),
      64,
    );
    await reading.reaches(110);
    expect(reading.objects.length).toBe(47);
  });
});

describe("a tip that fails", () => {
  test("is read again when it is back; the lake gives what it has meanwhile", async () => {
    const lake = lakeOf(64, 90);
    let newest = 100;
    const script: Parameters<typeof RawLedgerServer.start>[0] = async (call) => {
      for (let at = call.startLedger; !call.cancelled; ) {
        if (at <= newest) await call.send(at++);
        else await Bun.sleep(2);
      }
    };
    const first = await RawLedgerServer.start(script);
    const port = Number(first.address.split(":")[1]);
    const reading = new Reading(
      await join([lakeMember(lake.folder), rawMember(first.address)], { silentMsMax: 60_000 }),
      64,
    );
    await reading.reaches(100);
    first[Symbol.dispose]();
    await reading.waits(`lake ${lake.folder} holds ledgers 64 to 90`, `raw ledgers from ${first.address}: `);
    lake.add(91, 110);
    await reading.reaches(110);
    newest = 130;
    await service(script, port);
    await reading.reaches(130);
    expect(reading.objects.map(({ ledgerFirst }) => ledgerFirst)).toEqual([...some(64, 130).keys()]);
    expect(reading.trouble).toBeUndefined();
  });

  test("is followed by the next one, and that is kept while it serves", async () => {
    const lake = lakeOf(64, 70);
    const other = rpcOf(some(64, 100));
    const more = some(64, 90);
    const first = rpcOf(more);
    const members = [rpcMember(first.url), rpcMember(other.url)].map(counted);
    const reading = new Reading(await join([lakeMember(lake.folder), ...members], { silentMsMax: 60_000 }), 64);
    await reading.reaches(90);
    expect(members.map(({ given }) => given.length)).toEqual([20, 0]);
    lake.add(71, 93);
    first[Symbol.dispose]();
    await reading.reaches(100);
    expect(members.map(({ given }) => given.length)).toEqual([20, 7]); // the lake was asked first
    expect(members[1]!.reads).toBe(1);
  });

  test("is given up while it stands still, though it says that all is well", async () => {
    const [frozen, moving] = [counted(rpcMember(rpcOf(some(64, 90)).url)), rpcMember(rpcOf(some(64, 100)).url)];
    const reading = new Reading(await join([lakeMember(lakeOf(64, 70).folder), frozen, moving]), 64);
    await reading.reaches(100);
    expect(Math.max(...frozen.given)).toBeLessThanOrEqual(90);
  });

  test("is not waited for where it is behind the lake", async () => {
    const lake = lakeOf(64, 70);
    const behind = rpcMember(rpcOf(some(64, 66)).url);
    const reading = new Reading(
      await join([lakeMember(lake.folder), behind], { silentMsMax: 60_000, quietMsMax: 50 }),
      64,
    );
    for (let newest = 80; newest <= 120; newest += 10) {
      await reading.reaches(newest - 10);
      lake.add(newest - 9, newest);
    }
    await reading.reaches(120);
  });

  test("by its silence has a limit, with a name", async () => {
    const silent = await service(() => {});
    const lake = lakeOf(64, 70);
    const reading = new Reading(await join([lakeMember(lake.folder), rawMember(silent.address)]), 64);
    await reading.waits(`raw ledgers from ${silent.address}: nothing came for 300 ms`, `lake ${lake.folder}`);
    await until(() => silent.calls[0]!.cancelled, "its call is cancelled");
    lake.add(71, 80);
    await reading.reaches(80);
  });
});

describe("a hole between the lake's end and what the tip has", () => {
  test("is waited for, by the names of both, until the lake has grown", async () => {
    const lake = lakeOf(64, 80);
    const rpc = rpcOf(some(100, 120));
    const reading = new Reading(await join([lakeMember(lake.folder), rpcMember(rpc.url)]), 64);
    await reading.waits("no member of the source gives ledger 81", `lake ${lake.folder}`, "has ledgers 100 to 120");
    expect(reading.trouble).toMatchObject({ code: "UNAVAILABLE", reason: "NO_MEMBER_DELIVERS" });
    lake.add(81, 95);
    await reading.reaches(95);
    await reading.waits("gives ledger 96");
    lake.add(96, 99);
    await reading.reaches(120);
    expect(reading.objects.map(({ ledgerFirst }) => ledgerFirst)).toEqual([...some(64, 120).keys()]);
  });

  test("ends a range after a time, and a range beyond all members at once", async () => {
    const source = await join([lakeMember(lakeOf(64, 80).folder), rpcMember(rpcOf(some(100, 120)).url)], {
      outageMsMax: 200,
    });
    const hole = new Reading(source, 64, 110);
    expect(await failureOf(hole.done)).toMatchObject({ code: "UNAVAILABLE", reason: "NO_MEMBER_DELIVERS" });
    expect(hole.next).toBe(81);
    const beyond = new Reading(source, 100, 121);
    expect(await failureOf(beyond.done)).toMatchObject({ code: "OUT_OF_RANGE", reason: "LEDGER_AFTER_SOURCE" });
  });

  test("before all members ends the read: no time mends that", async () => {
    const lake = lakeOf(70, 80);
    const source = await join([lakeMember(lake.folder), rpcMember(rpcOf(some(100, 120)).url)]);
    const error = await failureOf(new Reading(source, 64, 110).done);
    expect(error).toMatchObject({ code: "OUT_OF_RANGE", reason: "LEDGER_BEFORE_SOURCE" });
    for (const word of [`lake ${lake.folder} holds ledgers 70 to 80`, "has ledgers 100 to 120"]) {
      expect(error.message).toContain(word);
    }
  });
});

test("a session that waits says what each member says, and stops at once", async () => {
  const lake = lakeOf(64, 80);
  const source = await join([lakeMember(lake.folder), rpcMember(rpcOf(some(100, 120)).url)]);
  const server = await localServer(source, { "network-passphrase": NETWORK });
  opened.push(() => source.close());
  opened.push(() => server.close());
  const { sessionId } = await server.control.startProcessing({ startLedger: 64 });
  const words = ["waiting for ledger 81: no member of the source gives ledger 81: ", lake.folder, "ledgers 100 to 120"];
  await until(async () => {
    const { errorMessage } = await server.control.getStatus({ sessionId });
    return words.every((word) => errorMessage.includes(word));
  }, "its status names both");
  const health = await fetch(`http://127.0.0.1:${server.processor.addresses.http.port}/health`);
  expect(await health.json()).toMatchObject({ ready: true, components: { source: { healthy: true, ready: false } } });
  const { message } = await server.control.stopProcessing({ sessionId });
  expect(message).toBe("cancelled after ledger 80");
  await until(() => !source.condition().message.includes(" now"), "nothing is read any more");
});

describe("a lake that fails", () => {
  test("by a hole or a damaged file is helped out by the tip, and read again behind that", async () => {
    const lake = lakeOf(64, 160);
    lake.remove(80);
    writeFileSync(lake.pathOf(120), "no zstd");
    const member = counted(lakeMember(lake.folder));
    const tip = await service(async (call) => {
      for (let at = call.startLedger; at <= 160 && !call.cancelled; at++) {
        await call.send(at);
        await Bun.sleep(5);
      }
    });
    const reading = new Reading(await join([member, rawMember(tip.address)], { silentMsMax: 60_000 }), 64);
    await reading.reaches(160);
    expect(reading.objects.map(({ ledgerFirst }) => ledgerFirst)).toEqual([...some(64, 160).keys()]);
    expect(member.given.some((ledger) => ledger > 80)).toBe(true);
    expect(member.given.some((ledger) => ledger > 120)).toBe(true);
  });

  test("by a damaged file that no tip has ends the read with its error, after a time", async () => {
    const lake = lakeOf(64, 120);
    writeFileSync(lake.pathOf(80), "no zstd");
    const silent = await service(() => {});
    const source = await join([lakeMember(lake.folder), rawMember(silent.address)], { outageMsMax: 500 });
    const reading = new Reading(source, 64, 120);
    expect(await failureOf(reading.done)).toMatchObject({ code: "DATA_LOSS", reason: "ZSTD_CORRUPT" });
    expect(reading.next).toBe(80);
  });
});

describe("a member that cannot be opened", () => {
  test("is told of, and read when it is there", async () => {
    const lake = lakeOf(64, 100);
    const away = `${lake.folder}.away`;
    renameSync(lake.folder, away);
    opened.push(() => rmSync(away, { recursive: true, force: true }));
    const source = await join([lakeMember(lake.folder), rpcMember(rpcOf(some(110, 120)).url)]);
    expect([source.seekable, await source.networkPassphrase()]).toEqual([true, NETWORK]);
    const condition = source.condition();
    expect(condition).toMatchObject({ well: false });
    expect(condition.message).toContain(`lake ${lake.folder} cannot be opened: ${lake.folder}: there is no such file`);
    const reading = new Reading(source, 64);
    await reading.waits(lake.folder, "RPC server");
    renameSync(away, lake.folder);
    await reading.reaches(100);
    expect(existsSync(lake.folder)).toBe(true);
    expect(source.condition()).toMatchObject({ well: true });
    lake.add(101, 109);
    await reading.reaches(120);
    expect(source.condition().message).toMatch(/^lake .*, then RPC server .*; 1 read of RPC server [^ ]+ now$/);
  });

  test("beside no other that can be is refused", async () => {
    const nowhere = [lakeMember("/nowhere/a"), lakeMember("/nowhere/b")];
    expect(await failureOf(join(nowhere))).toMatchObject({ code: "NOT_FOUND", reason: "FILE_NOT_FOUND" });
  });
});

describe("a member of another network", () => {
  test("is refused by both names", async () => {
    const lake = lakeOf(64, 70);
    const rpc = rpcOf(some(64, 90), "another network");
    const error = await failureOf(join([lakeMember(lake.folder), rpcMember(rpc.url)]));
    expect(error).toMatchObject({ code: "FAILED_PRECONDITION", reason: "NETWORK_MISMATCH" });
    expect(error.message).toMatch(/^lake .* holds "test", and RPC server .* "another network": join sources of one/);
  });

  test("gives nothing, where it was away at the start", async () => {
    const lake = lakeOf(64, 70);
    let isAway = true;
    const rpc = using(
      new RpcServer(some(64, 90), "another network", () => (isAway ? new Response("", { status: 503 }) : undefined)),
    );
    const other = rpcMember(rpcOf(some(64, 80)).url);
    const wrong = counted(rpcMember(rpc.url));
    const source = await join([lakeMember(lake.folder), wrong, other]);
    isAway = false;
    const reading = new Reading(source, 64);
    await reading.reaches(80);
    expect(wrong.given).toEqual([]);
  });
});

test.each(["repeats", "skips"] as const)("a tip that %s gives no ledger twice, and none is left out", async (what) => {
  const hostile = await service(async (call) => {
    for (let at = call.startLedger; at <= 110 && !call.cancelled; at++) {
      await call.send(at);
      if (what === "repeats") await call.send(at);
      else if (at % 10 === 5) at += 1;
    }
    await call.cancellation();
  });
  const lake = lakeOf(64, 70);
  const reading = new Reading(
    await join([lakeMember(lake.folder), rawMember(hostile.address)], { silentMsMax: 60_000 }),
    64,
  );
  await reading.reaches(110);
  expect(reading.objects.map(({ ledgerFirst }) => ledgerFirst).slice(0, 47)).toEqual([...some(64, 110).keys()]);
});

test("whoever stops reading is not kept waiting, whatever a member does", async () => {
  const silent = await service(() => {});
  const source = await join([lakeMember(lakeOf(64, 70).folder), rawMember(silent.address)], { silentMsMax: 60_000 });
  const reading = new Reading(source, 64);
  await until(() => silent.calls.length > 0, "the tip is asked");
  await source.close();
  await reading.done;
  await until(() => silent.calls[0]!.cancelled, "its call is cancelled");
});
