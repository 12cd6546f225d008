/** "Waiting for its source" ends with the first successful look, not with the next ledger. */
import { expect, test } from "bun:test";
import { renameSync, rmSync } from "node:fs";
import { TemporaryLake } from "../sources/lake-fixture.ts";
import { until } from "../support/until.ts";
import { serveLake } from "./lakes-at-the-tip.ts";

test("a session at the tip waits no more once its folder is back, though no ledger comes", async () => {
  using lake = new TemporaryLake().putAll(1, 5);
  const away = `${lake.folder}.away`;
  const { server, lines } = await serveLake(lake);
  try {
    const { sessionId } = await server.control.startProcessing({ startLedger: 1 });
    const status = () => server.control.getStatus({ sessionId });
    const get = async (path: string) =>
      (await fetch(`http://127.0.0.1:${server.processor.addresses.http.port}${path}`)).text();
    await until(async () => (await status()).currentLedger === 5, "at ledger 5");
    renameSync(lake.folder, away);
    await until(async () => (await status()).errorMessage.includes("waiting for ledger 6"), "it waits");
    await until(() => lines.some(({ message }) => message === "a session waits for its source"), "logged");
    expect(JSON.parse(await get("/ready")).components.source.ready).toBe(false);
    renameSync(away, lake.folder);
    await until(async () => (await status()).errorMessage === "", "it waits no more");
    expect(await status()).toMatchObject({ currentLedger: 5 });
    expect(JSON.parse(await get("/ready")).components.source).toMatchObject({ healthy: true, ready: true });
    expect(await get("/metrics")).toContain(`contract_data_session_source_waiting{session="${sessionId}"} 0\n`);
    expect(lines.some(({ message }) => message === "its source delivers again")).toBe(true);
    lake.put(6);
    await until(async () => (await status()).currentLedger === 6, "at ledger 6");
  } finally {
    await server.close();
    rmSync(away, { recursive: true, force: true });
  }
}, 120_000);
