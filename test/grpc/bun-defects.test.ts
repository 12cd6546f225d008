/**
 * Does the Bun at hand still need the work-arounds of src/grpc? These tests fail when it does not: then the work-around
 * can go (listenGrpc's `workarounds`, http2-window-*.ts, http2-wakeup-guard.ts), and these tests with it.
 */
import { expect, test } from "bun:test";
import { goClient, runClient } from "../clients/toolchain.ts";
import { startFixture } from "./fixture-server.ts";

const STUCK_SECONDS = 2; // the same stream takes a twentieth of that when it is not stuck
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
