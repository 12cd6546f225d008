/**
 * Ledgers whose states follow from each other: entries are created, changed, extended, removed, evicted and restored, some
 * expire, and the world knows at each ledger what there is. Real enough for readers that pair changes with transactions.
 */
import { createHash } from "node:crypto";
import { networkId } from "../../src/ledger/network.ts";
import { sha256 } from "../../src/xdr/sha256.ts";
import * as build from "../ledger/build.ts";
import { randomFrom } from "./random.ts";

const ENTRIES = 60;
const TRANSACTIONS_MAX = 5;
const LIVES = 12; // ledgers; a world of some dozens of ledgers has entries that expire
const EVICTED_MAX = 3;

interface Entry {
  contract: Uint8Array;
  key: Uint8Array;
  durability: number;
  val: Uint8Array;
  until: number;
  /** there; evicted, and to be restored; or not there. */
  state: "there" | "evicted" | "none";
}

/** What a reader of both datasets has to know of an entry: sha256 of its value, and its last ledger. */
export interface Living {
  val: string;
  until: number;
}

/** A world from its first ledger on. The same seed gives the same ledgers. */
export class LivingWorld {
  private readonly entries: Entry[];
  private readonly ledgers: Uint8Array[] = [];
  private readonly states: Map<string, Living>[] = [];
  private readonly random: () => number;
  private readonly networkId = networkId(build.NETWORK);

  constructor(
    readonly first: number,
    seed: number,
  ) {
    this.random = randomFrom(seed);
    this.entries = Array.from({ length: ENTRIES }, (_, i) => ({
      contract: build.id(1 + (i % 7)),
      key: i % 3 === 0 ? build.scVec([build.scSymbol("Entry"), build.scU32(i)]) : build.scU32(i),
      durability: i % 4 === 0 ? 0 : 1,
      ...{ val: build.scU32(0), until: 0, state: "none" },
    }));
  }

  /** XDR of a ledger. */
  ledger(sequence: number): Uint8Array {
    while (this.first + this.ledgers.length <= sequence) this.grow();
    return this.ledgers[sequence - this.first]!;
  }

  /** What is there after a ledger, by key hash. */
  state(sequence: number): ReadonlyMap<string, Living> {
    this.ledger(sequence);
    return this.states[sequence - this.first]!;
  }

  private pick(below: number): number {
    return Math.floor(this.random() * below);
  }

  private grow(): void {
    const sequence = this.first + this.ledgers.length;
    const used = new Set<Entry>();
    const transactions = Array.from({ length: this.pick(TRANSACTIONS_MAX + 1) }, (_, i) => {
      const changes = Array.from({ length: 1 + this.pick(4) }, () => this.change(sequence, used)).flat();
      const { content, envelope } = build.bumpSequence(BigInt(sequence * 100 + i));
      const hash = new Uint8Array(sha256(build.concat(this.networkId, build.u32(2), content)));
      return { hash, envelope, operations: [changes] };
    });
    const evicted = this.entries.filter(
      (entry) => entry.state === "there" && entry.until < sequence && !used.has(entry) && this.pick(3) === 0,
    );
    const keys = evicted.slice(0, EVICTED_MAX).flatMap((entry) => {
      entry.state = entry.durability === 1 ? "evicted" : "none";
      return [build.ledgerKey(entry), build.concat(build.u32(9), hashOf(entry))];
    });
    this.ledgers.push(build.buildLedger({ sequence, transactions, evicted: keys }));
    const there = this.entries.filter(({ state }) => state === "there");
    this.states.push(
      new Map(
        there.map((entry) => [
          Buffer.from(hashOf(entry)).toString("hex"),
          { val: createHash("sha256").update(entry.val).digest("hex"), until: entry.until },
        ]),
      ),
    );
  }

  /** A change of some entry, with that of its time to live; none where the entry has been evicted in this ledger. */
  private change(sequence: number, used: Set<Entry>): Uint8Array[] {
    const entry = this.entries[this.pick(ENTRIES)]!;
    used.add(entry);
    const until = sequence + 1 + this.pick(LIVES);
    const before = { ...entry };
    const hash = hashOf(entry);
    if (entry.state !== "there") {
      const kind = entry.state === "evicted" ? 4 : 0;
      if (kind === 0) entry.val = build.scU32(this.pick(1000));
      Object.assign(entry, { until, state: "there" });
      return [kind === 0 ? build.created(entry) : build.restored(entry), ttl(kind, hash, until)];
    }
    switch (this.pick(4)) {
      case 0: // the entry alone
        entry.val = build.scU32(this.pick(1000));
        return [build.state(before), build.updated(entry)];
      case 1: // both
        entry.val = build.scU32(this.pick(1000));
        entry.until = Math.max(until, entry.until);
        return [build.state(before), build.updated(entry), ttl(3, hash, before.until), ttl(1, hash, entry.until)];
      case 2: // its time alone
        entry.until = Math.max(until, entry.until);
        return [ttl(3, hash, before.until), ttl(1, hash, entry.until)];
      default:
        entry.state = "none";
        return [
          ...[build.state(before), build.removed(before)],
          ...[ttl(3, hash, before.until), build.concat(build.u32(2), build.u32(9), hash)],
        ];
    }
  }
}

function ttl(change: number, hash: Uint8Array, until: number): Uint8Array {
  return build.concat(build.u32(change), build.u32(100), build.u32(9), hash, build.u32(until), build.u32(0));
}

function hashOf(entry: Entry): Uint8Array {
  return new Uint8Array(createHash("sha256").update(build.ledgerKey(entry)).digest());
}
