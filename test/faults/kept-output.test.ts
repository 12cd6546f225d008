/** A server whose output nobody reads goes on, and what it shows to anybody holds no secret. */
import { describe, expect, test } from "bun:test";
import { connectControl } from "../../src/control/client.ts";
import { withoutFolders } from "../../src/ops/public-text.ts";
import { PROGRAM, SAMPLE, startProcessor } from "../support/processor.ts";
import { until } from "../support/until.ts";

const FLAGS = ["--grpc-address=127.0.0.1:0", "--flight-address=127.0.0.1:0", "--health-port=127.0.0.1:0"];

describe("serve", () => {
  test("goes on when standard output and the log have no reader, counts the lost lines, and ends with 0", async () => {
    const command = [...PROGRAM, "serve", `--source-endpoint=${SAMPLE.folder}`, ...FLAGS];
    // Its banner is read up to the HTTP address; then both pipes are closed.
    const child = Bun.spawn(["sh", "-c", 'exec "$@" 2>&1', "sh", ...command, "--debug"], { stdout: "pipe" });
    const reader = child.stdout.getReader();
    let text = "";
    while (!/http +http:\/\/\S+:\d+\//.test(text)) text += new TextDecoder().decode((await reader.read()).value);
    await reader.cancel();
    const [, http, , control] = [/http +http:\/\/([^/]+)\//.exec(text)![1]!, /control +(\S+)/.exec(text)![1]!].flatMap(
      (a) => ["", a],
    );
    const client = connectControl(control!);
    let lost = 0;
    await until(async () => {
      await client.startProcessing({ startLedger: SAMPLE.first, endLedger: SAMPLE.first });
      const metrics = await (await fetch(`http://${http}/metrics`)).text();
      lost = Number(/^contract_data_log_lines_lost_total (\d+)$/m.exec(metrics)![1]);
      return lost > 0;
    }, "log lines are counted as lost");
    expect((await fetch(`http://${http}/health`)).status).toBe(200);
    client.close();
    child.kill("SIGTERM");
    expect(await child.exited).toBe(0);
  });
});

describe("what HTTP shows to anybody", () => {
  test("has no idempotency key and no folder", async () => {
    const processor = await startProcessor([`--source-endpoint=${SAMPLE.folder}`]);
    const client = connectControl(processor.control);
    await client.startProcessing({ startLedger: SAMPLE.first, endLedger: 0, idempotencyKey: "a secret of mine" });
    client.close();
    for (const path of ["/status.json", "/health", "/ready", "/metrics", "/"]) {
      const text = await (await fetch(`http://${processor.http}${path}`)).text();
      expect(text, path).not.toContain("a secret of mine");
      expect(text, path).not.toContain(SAMPLE.folder);
    }
    const status = await (await fetch(`http://${processor.http}/status.json`)).json();
    expect(status).toMatchObject({ source: "lake …/lake" });
    expect(await processor.stop()).toBe(0);
  });

  test("folders are cut, and nothing else is", () => {
    expect(withoutFolders("lake /data/pubnet/lake")).toBe("lake …/lake");
    expect(withoutFolders('cannot read "/data/a b/x.zst": gone')).toBe('cannot read "…/a b/x.zst": gone');
    expect(withoutFolders("http://127.0.0.1:8089/metrics and a/b and 1/2 and /x")).toBe(
      "http://127.0.0.1:8089/metrics and a/b and 1/2 and /x",
    );
  });
});
