import { expect, test } from "bun:test";
import { join } from "node:path";

const MODULE = join(import.meta.dir, "../../src/cli/interrupt.ts");
const REPEAT_MS = 300; // of interrupt.ts

/** A process that prints `ready`, then `aborted`, and lives on. `extra` runs at the end. */
function child(extra = "") {
  const script = `
    const { interruptSignal } = await import(${JSON.stringify(MODULE)});
    interruptSignal().addEventListener("abort", () => console.log("aborted"));
    setInterval(() => {}, 1000);
    console.log("ready");
    ${extra}`;
  const running = Bun.spawn([process.execPath, "-e", script], { stdout: "pipe", stderr: "inherit" });
  const reader = running.stdout.getReader();
  let text = "";
  return {
    running,
    async until(word: string): Promise<void> {
      while (!text.includes(word)) {
        const { value, done } = await reader.read();
        if (done) throw new Error(`ended before ${word}: ${text}`);
        text += new TextDecoder().decode(value);
      }
    },
  };
}

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  test(`${signal} aborts; a second one ends the process with 130`, async () => {
    const { running, until } = child();
    await until("ready");
    running.kill(signal);
    await until("aborted");
    await Bun.sleep(REPEAT_MS + 100);
    expect(running.exitCode).toBeNull();
    running.kill(signal);
    expect(await running.exited).toBe(130);
  });
}

test("the same interrupt delivered twice is one", async () => {
  const { running, until } = child(
    'process.emit("SIGINT"); process.emit("SIGINT"); process.emit("SIGTERM"); console.log("alive");',
  );
  await until("alive");
  expect(running.exitCode).toBeNull();
  running.kill("SIGKILL");
  await running.exited;
});
