/** Every ledger once and in order, whatever the members do: hundreds of seeded worlds. */
import { expect, test } from "bun:test";
import { JoinSource } from "../../../src/sources/join/join-source.ts";
import type { LedgerSource } from "../../../src/sources/source.ts";
import { randomFrom, seedOf } from "../../support/random.ts";
import { until } from "../../support/until.ts";
import { SimulatedLake, SimulatedTip, World } from "./simulated-member.ts";

const WORLDS = 300;
const AT_ONCE = 20;
const LEDGERS = 300;
const QUICK = {
  silentMsMax: 20,
  lakeSilentMsMax: 1_000,
  retryMsMin: 1,
  retryMsMax: 10,
  steadyMs: 10,
  outageMsMax: 30_000,
  openMsMax: 1_000,
};

async function play(seed: number): Promise<void> {
  const random = randomFrom(seed);
  const world = new World(random, 100 + Math.floor(random() * 100));
  const files = world.pick(1, 1, 8, 64);
  world.newest += Math.floor(random() * 200);
  const members = [
    new SimulatedLake(world, "lake a", files),
    ...(random() < 0.2 ? [new SimulatedLake(world, "lake b", 1)] : []),
    new SimulatedTip(world, "tip a", random() < 0.5),
    ...(random() < 0.5 ? [new SimulatedTip(world, "tip b", random() < 0.5)] : []),
  ];
  const join = await JoinSource.open(
    members.map((member: LedgerSource) => ({
      name: member.description,
      isTip: member instanceof SimulatedTip,
      open: async () => {
        if (world.chance(0.2)) throw new Error("not there yet");
        return member;
      },
    })),
    QUICK,
  ).catch(() => undefined);
  if (join === undefined) return; // none could be opened: refused, as one that is alone
  const start = world.first + Math.floor(random() * 50);
  const last = start + LEDGERS;
  const clock = setInterval(() => {
    if (world.newest < last + 100) world.newest += 1 + Math.floor(random() * 4);
    else world.isCalm = true;
  }, 1);
  const stop = new AbortController();
  let next = start;
  try {
    const isBounded = random() < 0.3;
    for (let tries = 0; next <= last; tries++) {
      try {
        for await (const object of join.read(next, isBounded ? last : 0, stop.signal)) {
          if (object.ledgerFirst > next || object.ledgerLast < next) {
            throw new Error(`${object.name} where ${next} is next`);
          }
          next = object.ledgerLast + 1;
          if (next > last) break;
          if (random() < 0.02) await Bun.sleep(3);
        }
      } catch (thrown) {
        // What the join gives up on is read again by its reader, as the pump does.
        const { code } = thrown as { code?: string };
        if (code === undefined || tries > 1_000) throw thrown;
        await Bun.sleep(5);
      }
    }
  } finally {
    clearInterval(clock);
    stop.abort();
    await join.close();
  }
  await until(() => members.every(({ reading }) => reading === 0), "all reads of members have ended");
  expect(join.condition().message).not.toContain("now");
}

test(`${WORLDS} worlds`, async () => {
  const seed = seedOf();
  const seeds = Array.from({ length: WORLDS }, (_, index) => seed + index);
  const playAll = async (): Promise<void> => {
    for (let next = seeds.shift(); next !== undefined; next = seeds.shift()) {
      const current = next;
      await play(current).catch((error) => {
        throw new Error(`SEED=${current}: ${error.message}`, { cause: error });
      });
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, playAll));
}, 300_000);
