/** TLS_CERT_FILE and its kin: what each listener makes of them. */
import { afterAll, describe, expect, test } from "bun:test";
import { LISTENERS, readListenerTls } from "../../src/config/listener-tls.ts";
import { loadConfig } from "../../src/config/load.ts";
import { Certificates, contentOf, hasOpenssl } from "../support/certificates.ts";
import { thrownBy } from "../support/failure.ts";
import { runCommand, SAMPLE } from "../support/processor.ts";

describe.skipIf(!hasOpenssl())("TLS of listeners", () => {
  const certificates = new Certificates();
  afterAll(() => certificates.remove());
  const one = certificates.issue("one", { days: 10 });
  const other = certificates.issue("other");
  const pair = { TLS_CERT_FILE: one.cert, TLS_KEY_FILE: one.key };
  const clients = { TLS_CLIENT_CA_FILE: certificates.ca.cert };
  const read = (env: Record<string, string>) => {
    const { values } = loadConfig({ env });
    return LISTENERS.map((listener) => readListenerTls(values, listener));
  };

  test("nothing is set", () => {
    expect(read({})).toEqual([undefined, undefined, undefined]);
  });

  test("one pair for all, and how long it is valid", () => {
    const all = read(pair);
    for (const tls of all) expect(tls).toMatchObject({ ...contentOf(one), ca: undefined, requiresClientCert: false });
    expect((all[0]!.validity.untilUnixMs - Date.now()) / 86_400_000).toBeCloseTo(10, 1);
  });

  test("a listener's own settings win one by one, and off switches off", () => {
    const [control, flight, http] = read({
      ...{ ...pair, ...clients, FLIGHT_TLS_CERT_FILE: other.cert, FLIGHT_TLS_KEY_FILE: other.key },
      ...{ GRPC_TLS_CLIENT_AUTH: "request", HEALTH_TLS_CERT_FILE: "off" },
    });
    expect(control).toMatchObject({ ...contentOf(one), requiresClientCert: false });
    expect(flight).toMatchObject({ ...contentOf(other), requiresClientCert: true });
    expect([control?.ca?.length, flight?.ca?.length, http]).toEqual([1, 1, undefined]);
    const [, , open] = read({ ...pair, ...clients, TLS_CLIENT_AUTH: "require", HEALTH_TLS_CLIENT_CA_FILE: "off" });
    expect(open).toMatchObject({ ...contentOf(one), ca: undefined, requiresClientCert: false });
  });

  test("the earliest end of a chain counts", () => {
    const chain = certificates.file("chain.pem", `${contentOf(other).cert}${contentOf(one).cert}`);
    const [tls] = read({ TLS_CERT_FILE: chain, TLS_KEY_FILE: other.key });
    expect((tls!.validity.untilUnixMs - Date.now()) / 86_400_000).toBeCloseTo(10, 1);
  });

  test.each<[Record<string, string>, string, string]>([
    [{ TLS_CERT_FILE: one.cert }, "TLS_FILE", "TLS_CERT_FILE: the file .* needs its private key: set TLS_KEY_FILE too"],
    [
      { ...pair, FLIGHT_TLS_KEY_FILE: other.key },
      "TLS_FILE",
      "FLIGHT_TLS_KEY_FILE: the file .* is not the key of the first certificate of TLS_CERT_FILE",
    ],
    [{ ...pair, GRPC_TLS_CERT_FILE: "/nowhere" }, "TLS_FILE", "GRPC_TLS_CERT_FILE: the file /nowhere cannot be read"],
    [{ ...pair, TLS_CLIENT_CA_FILE: one.key }, "TLS_FILE", "TLS_CLIENT_CA_FILE: the file .* has no certificate in PEM"],
    [clients, "TLS_FILE", "TLS_CLIENT_CA_FILE: the file .* has no effect for the control plane without TLS"],
    [{ ...pair, TLS_CLIENT_AUTH: "require" }, "TLS_SETTING", "TLS_CLIENT_AUTH is require, .* set TLS_CLIENT_CA_FILE"],
    [{ ...pair, FLIGHT_TLS_CLIENT_AUTH: "request" }, "TLS_SETTING", "certificates Flight trusts"],
    [
      { ...pair, ...clients, FLIGHT_TLS_CLIENT_AUTH: "require", FLIGHT_TLS_CLIENT_CA_FILE: "off" },
      "TLS_SETTING",
      "certificates Flight trusts",
    ],
  ])("half a setting is a fault: %j", (env, reason, what) => {
    const error = thrownBy(() => read(env));
    expect([error.code, error.reason as string]).toEqual(["INVALID_ARGUMENT", reason]);
    expect(error.message).toMatch(new RegExp(what));
  });

  test("serve ends with 2 and the sentence", async () => {
    const env = { TLS_CERT_FILE: one.cert, TLS_KEY_FILE: other.key };
    const run = await runCommand(["serve", `--source-endpoint=${SAMPLE.folder}`], { env });
    expect([run.exitCode, run.stderr]).toEqual([2, expect.stringContaining("TLS_KEY_FILE: the file")]);
  }, 60_000);
});
