/** Certificates of the listeners as their files change, and as time goes by. */
import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import { copyFileSync, mkdirSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { loadConfig } from "../../src/config/load.ts";
import { createLogger } from "../../src/ops/log.ts";
import { ListenerCertificates } from "../../src/server/certificates.ts";
import { Certificates, contentOf, hasOpenssl, type KeyPair } from "../support/certificates.ts";
import type { LogLine } from "../support/local-server.ts";

const DAY_MS = 86_400_000;
const NEVER_MS = 2 ** 31 - 1; // tests look themselves

describe.skipIf(!hasOpenssl())("certificates", () => {
  const made = new Certificates();
  afterAll(() => made.remove());
  const [first, second] = [made.issue("first"), made.issue("second", { days: 60 })];
  const shown = { cert: made.file("shown.pem"), key: made.file("shown.key") };
  const put = (pair: KeyPair) => {
    copyFileSync(pair.cert, shown.cert);
    copyFileSync(pair.key, shown.key);
  };
  let lines: LogLine[] = [];
  const log = createLogger({
    level: "debug",
    format: "json",
    output: { write: (line) => lines.push(JSON.parse(line)) },
  });
  const open = (pair: KeyPair, now = Date.now) => {
    const { values } = loadConfig({
      env: { TLS_CERT_FILE: pair.cert, TLS_KEY_FILE: pair.key, HEALTH_TLS_CERT_FILE: "off" },
    });
    return new ListenerCertificates(values, log, { lookMs: NEVER_MS, now });
  };
  beforeEach(() => {
    lines = [];
    put(first);
  });

  test("new files are used by every listener that has them", () => {
    const certificates = open(shown);
    const renewed: string[] = [];
    certificates.onRenewed("control", ({ cert }) => renewed.push(cert));
    certificates.onRenewed("flight", ({ cert }) => renewed.push(cert));
    certificates.look();
    expect([renewed, lines]).toEqual([[], []]);
    put(second);
    certificates.look();
    expect(renewed).toEqual([contentOf(second).cert, contentOf(second).cert]);
    expect(lines).toMatchObject([{ level: "info", listeners: "control, flight" }]);
    expect(Object.keys(certificates.expirySeconds())).toEqual(["control", "flight"]);
    expect(certificates.expirySeconds().flight! * 1000 - Date.now()).toBeGreaterThan(59 * DAY_MS);
    certificates.close();
  });

  test("behind a link that is replaced, as Kubernetes does", () => {
    for (const [name, pair] of [
      ["one", first],
      ["two", second],
    ] as const) {
      mkdirSync(made.file(name));
      copyFileSync(pair.cert, made.file(`${name}/tls.crt`));
      copyFileSync(pair.key, made.file(`${name}/tls.key`));
    }
    symlinkSync("one", made.file("data"));
    symlinkSync("data/tls.crt", made.file("tls.crt"));
    symlinkSync("data/tls.key", made.file("tls.key"));
    const certificates = open({ cert: made.file("tls.crt"), key: made.file("tls.key") });
    symlinkSync("two", made.file("data.new"));
    renameSync(made.file("data.new"), made.file("data"));
    certificates.look();
    expect(certificates.of("flight")?.cert).toBe(contentOf(second).cert);
    certificates.close();
  });

  test("what cannot be used is told once, at the second look, and the pair from before stays", () => {
    const certificates = open(shown);
    copyFileSync(second.cert, shown.cert); // and not its key
    certificates.look();
    expect(lines).toEqual([]);
    for (let look = 0; look < 3; look++) certificates.look();
    expect(lines).toMatchObject([{ level: "error", why: expect.stringContaining("TLS_KEY_FILE") }]);
    writeFileSync(shown.cert, "nothing");
    for (let look = 0; look < 3; look++) certificates.look();
    expect(lines.slice(1)).toMatchObject([{ level: "error", why: expect.stringContaining("TLS_CERT_FILE") }]);
    expect(certificates.of("control")?.cert).toBe(contentOf(first).cert);
    put(second);
    certificates.look();
    expect(certificates.of("control")?.cert).toBe(contentOf(second).cert);
    certificates.close();
  });

  test("an end that comes near is told from 21 days before on, once a day and file", () => {
    let nowMs = Date.now();
    const certificates = open(shown, () => nowMs);
    const told = (afterDays: number) => {
      nowMs += afterDays * DAY_MS;
      certificates.look();
      return lines.splice(0).map(({ level, message }) => [level, /is valid.*|has expired/.exec(message)?.[0]]);
    };
    expect(told(8.5)).toEqual([]);
    expect(told(0.6)).toEqual([["warn", expect.stringMatching(/for 20 days: renew it$/)]]);
    expect(told(0.5)).toEqual([]);
    expect(told(0.6)).toEqual([["warn", expect.stringMatching(/for 19 days/)]]);
    expect(told(20)).toEqual([["error", "has expired"]]);
    certificates.close();
  });
});
