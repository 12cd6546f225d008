/** `health` against a real server: ready or not, alive, over TLS, and nobody there. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { createServer } from "node:net";
import { COMMANDS } from "../../src/main.ts";
import { Certificates, hasOpenssl } from "../support/certificates.ts";
import { type Processor, SAMPLE, startProcessor } from "../support/processor.ts";
import { until } from "../support/until.ts";
import { cli } from "./harness.ts";

let processor: Processor;
beforeAll(async () => {
  processor = await startProcessor([`--source-endpoint=${SAMPLE.folder}`]);
});
afterAll(() => processor.stop());

test.each(["health", "health --live"])("%s, of a server that is well: 0", async (command) => {
  const { code, out } = await cli([...command.split(" "), "--health-port", processor.http], COMMANDS);
  expect(out).toEndWith(": yes\n");
  expect(code).toBe(0);
});

test("a session that a setting holds up: not ready, with the component and why; alive all the same", async () => {
  const held = await startProcessor([
    `--source-endpoint=${SAMPLE.folder}`,
    `--start-ledger=${SAMPLE.first}`,
    "--ledger-bytes-max=1MiB",
  ]);
  try {
    const at = ["--health-port", held.http];
    let out = "";
    await until(async () => {
      const asked = await cli(["health", ...at], COMMANDS);
      out = asked.out;
      return asked.code === 1;
    }, "its session has failed");
    expect(out).toMatch(/^state is not ready: .*LEDGER_BYTES_MAX.*\n.*\/ready: no \(HTTP 503\)\n$/s);
    expect((await cli(["health", "--live", ...at], COMMANDS)).code).toBe(0);
  } finally {
    held.kill("SIGKILL");
    await held.exited;
  }
});

test("nobody there, and one who says nothing: 1 with a sentence", async () => {
  const nobody = await cli(["health", "--health-port", "127.0.0.1:1"], COMMANDS);
  expect(nobody).toMatchObject({ code: 1, err: expect.stringContaining("http://127.0.0.1:1/ready: ") });
  const silent = createServer();
  await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
  const port = (silent.address() as { port: number }).port;
  const mute = await cli(["health", "--health-port", `127.0.0.1:${port}`], COMMANDS);
  expect(mute).toMatchObject({ code: 1, err: expect.stringContaining("no answer within 5000 ms") });
  silent.close();
}, 30_000);

test.if(hasOpenssl())(
  "over TLS: with the server's own settings, and with a client's certificate where one is asked for",
  async () => {
    const certificates = new Certificates();
    const [server, client] = [certificates.issue("server"), certificates.issue("client")];
    const tls = [`--tls-cert-file=${server.cert}`, `--tls-key-file=${server.key}`];
    const asked = [...tls, `--tls-client-ca-file=${certificates.ca.cert}`];
    for (const [settings, flags] of [
      [tls, []],
      [asked, ["--ca-file", certificates.ca.cert, "--cert-file", client.cert, "--key-file", client.key]],
    ] as const) {
      const secured = await startProcessor([`--source-endpoint=${SAMPLE.folder}`, ...settings]);
      const { code, out, err } = await cli(["health", "--health-port", secured.http, ...settings, ...flags], COMMANDS);
      expect([code, err]).toEqual([0, ""]);
      expect(out).toStartWith("https://");
      await secured.stop();
    }
    certificates.remove();
  },
);
