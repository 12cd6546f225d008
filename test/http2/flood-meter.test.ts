import { expect, test } from "bun:test";
import { CONTINUATIONS_MAX, FLOOD_LIMITS, FloodMeter } from "../../src/http2/flood-meter.ts";
import { thrownBy } from "../support/failure.ts";

type Kind = keyof typeof FLOOD_LIMITS;

/** A frame of each kind that is one of frames: type, flags, length, whether it opens a stream. */
const FRAMES: Record<Exclude<Kind, "unserved">, [number, number, number, boolean][]> = {
  resets: [[3, 0, 4, false]],
  pings: [[6, 0, 8, false]],
  settings: [[4, 0, 6, false]],
  answers: [
    [6, 1, 8, false],
    [4, 1, 0, false],
  ],
  empty: [[0, 0, 0, false]],
  windows: [[8, 0, 4, false]],
  others: [
    [2, 0, 5, false],
    [0x42, 0, 0, false],
    [1, 4, 10, false],
  ],
};

function metered() {
  const clock = { nowMs: 0 };
  const meter = new FloodMeter(() => clock.nowMs);
  const send = (kind: Kind, times: number) => {
    for (let i = 0; i < times; i++) {
      if (kind === "unserved") meter.unserved();
      else meter.received(...FRAMES[kind][i % FRAMES[kind].length]!);
    }
  };
  return { clock, meter, send };
}

for (const kind of Object.keys(FLOOD_LIMITS) as Kind[]) {
  const { atOnce, aSecond, name } = FLOOD_LIMITS[kind];

  test(`${name}: so many at once and no more, however much else there is`, () => {
    const { send } = metered();
    send(kind, atOnce);
    for (const other of Object.keys(FLOOD_LIMITS) as Kind[]) if (other !== kind) send(other, 10);
    expect(thrownBy(() => send(kind, 1))).toMatchObject({
      code: "RESOURCE_EXHAUSTED",
      reason: "HTTP2_FLOOD",
      message: `${name} are over ${atOnce} at once and ${aSecond} a second: is it a flood?`,
    });
  });

  test(`${name}: as many a second as are allowed go on for ever; twice as many do not`, () => {
    const slow = metered();
    for (let second = 0; second < 300; second++) {
      slow.send(kind, aSecond);
      slow.clock.nowMs += 1000;
    }
    const fast = metered();
    expect(
      thrownBy(() => {
        for (let second = 0; second < 300; second++) {
          fast.send(kind, 2 * aSecond);
          fast.clock.nowMs += 1000;
        }
      }),
    ).toMatchObject({ reason: "HTTP2_FLOOD" });
  });
}

test("who resets many calls at once is known, until a while after", () => {
  const { clock, meter, send } = metered();
  send("resets", 32);
  expect(meter.isResetting).toBe(false);
  send("resets", 1);
  expect(meter.isResetting).toBe(true);
  clock.nowMs += 1000;
  expect(meter.isResetting).toBe(false);
  for (let second = 0; second < 300; second++) {
    send("resets", 20);
    expect(meter.isResetting).toBe(false);
    clock.nowMs += 1000;
  }
});

test("DATA that is sent is answered by windows and pings without end; resets are not given back", () => {
  const { meter, send } = metered();
  for (let round = 0; round < 10_000; round++) {
    meter.sent(16);
    send("windows", 2 * 16);
    send("pings", 16);
  }
  send("resets", FLOOD_LIMITS.resets.atOnce);
  meter.sent(100_000);
  expect(thrownBy(() => send("resets", 1))).toMatchObject({ reason: "HTTP2_FLOOD" });
});

test("calls, DATA and its end are no flood", () => {
  const { meter } = metered();
  for (let call = 0; call < 100_000; call++) {
    meter.received(1, 4, 100, true);
    meter.received(0, 0, 1000, false);
    meter.received(0, 1, 0, false);
  }
  expect(meter.asked).toBe(100_000);
});

test("streams that the server has to reset count as those that the client resets", () => {
  const { meter, send } = metered();
  const [ended, cancelled, wrong] = [0, 8, 1]; // NO_ERROR, CANCEL, PROTOCOL_ERROR
  for (let i = 0; i < 100_000; i++) {
    meter.reset(ended);
    meter.reset(cancelled);
  }
  send("resets", FLOOD_LIMITS.resets.atOnce - 1);
  meter.reset(wrong);
  expect(thrownBy(() => meter.reset(wrong))).toMatchObject({ reason: "HTTP2_FLOOD" });
});

test("CONTINUATION frames count for each header block by itself", () => {
  const { meter } = metered();
  for (let call = 0; call < 1000; call++) {
    meter.received(1, 0, 10, true);
    for (let i = 0; i < CONTINUATIONS_MAX; i++) meter.received(9, 0, 10, false);
  }
  expect(thrownBy(() => meter.received(9, 4, 10, false))).toMatchObject({
    message: `one header block has over ${CONTINUATIONS_MAX} CONTINUATION frames: is it a flood?`,
  });
});
