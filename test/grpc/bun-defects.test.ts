/**
 * Does the Bun at hand still need the work-arounds of src/grpc? These tests fail when it does not: then the work-around
 * can go (listenGrpc's `workarounds`, http2-window-*.ts, http2-wakeup-guard.ts), and these tests with it.
 */
import { expect, test } from "bun:test";
import { goClient, runClient } from "../clients/toolchain.ts";
import { startFixture } from "./fixture-server.ts";
import { DO_GET_PATH, encodeTicket } from "./flight-fixture.ts";
import { RawCall } from "./raw-call.ts";

const STUCK_SECONDS = 2; // the same streams take a twentieth of that when they are not stuck
const ticket = JSON.stringify({ bodyBytes: 1 << 20, batches: 48 });

async function read(windowShim: boolean): Promise<{ code: string; batches: number }> {
  const go = await goClient();
  if (go.missing !== undefined) throw new Error(go.missing);
  const { address, listener } = await startFixture({ workarounds: { windowShim, wakeupGuard: true } });
  try {
    const maxSeconds = windowShim ? "60" : String(STUCK_SECONDS);
    const run = await runClient(go, ["get", "-addr", address, "-ticket", ticket, "-max-seconds", maxSeconds]);
    const [result] = run.results;
    if (result === undefined) throw new Error(run.stderr);
    return { code: result.error?.code ?? "OK", batches: result.batches ?? result.partial?.batches ?? 0 };
  } finally {
    await listener.close(0);
  }
}

const go = await goClient();
const withGo = go.missing === undefined ? test : test.skip;
if (go.missing !== undefined) console.log(`skipped: ${go.missing}`);

withGo(
  "Bun loses window credit when SETTINGS_INITIAL_WINDOW_SIZE rises: without the shim a Go client is stuck for good",
  async () => {
    // The guard is on: pings do not help against this defect.
    const { code, batches } = await read(false);
    if (code === "OK") {
      throw new Error(
        `Bun ${process.versions.bun} read all ${batches} batches without the window shim: it is no longer needed, remove it`,
      );
    }
    expect(code).toBe("DeadlineExceeded");
    expect(batches).toBeLessThan(48);
  },
  60_000,
);

withGo(
  "with the shim the same stream is whole",
  async () => {
    expect(await read(true)).toEqual({ code: "OK", batches: 48 });
  },
  120_000,
);

/**
 * Two calls on one connection: the client reads nothing of the first and everything of the second. Says whether the
 * second came to its end. (On connections with one call the defect shows only now and then, and without the shim:
 * `stall-stress.ts --client python --no-shim --no-guard`.)
 */
async function besideHeldCall(wakeupGuard: boolean): Promise<boolean> {
  const { address, listener } = await startFixture({ workarounds: { windowShim: true, wakeupGuard } });
  const request = encodeTicket({ bodyBytes: 64 << 10, batches: 256 });
  const connection = new RawCall(Number(address.split(":")[1]), DO_GET_PATH, request);
  try {
    while (connection.frames.filter(({ type }) => type === 0).length < 4) await Bun.sleep(1); // the 64 KiB of the window
    await Bun.sleep(50);
    connection.startSecond(DO_GET_PATH, request, 1_000_000);
    const stuck = Bun.sleep(wakeupGuard ? 60_000 : STUCK_SECONDS * 1000).then(() => false);
    return await Promise.race([connection.secondEnded().then(() => true), stuck]);
  } finally {
    connection.close();
    await listener.close(0);
  }
}

test("Bun does not send what is queued behind a call that its client holds up: without the guard it is stuck", async () => {
  if (await besideHeldCall(false)) {
    throw new Error(`Bun ${process.versions.bun} sent it without the guard: see whether that can be removed`);
  }
}, 60_000);

test("with the guard the other call comes to its end", async () => {
  expect(await besideHeldCall(true)).toBe(true);
}, 120_000);
