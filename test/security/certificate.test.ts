/** Client certificates as names: roles by them, and what a client may send beside one. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectControl } from "../../src/control/client.ts";
import { CodedError } from "../../src/error.ts";
import { newApiKey } from "../../src/security/api-keys.ts";
import { nameOfCertificate } from "../../src/security/certificate-name.ts";
import { Certificates, contentOf, hasOpenssl, type KeyPair } from "../support/certificates.ts";
import { type Processor, SAMPLE, startProcessor } from "../support/processor.ts";

test("a certificate's name is its common name, or else its first alternative name", () => {
  const of = (CN: unknown, subjectaltname?: string) =>
    nameOfCertificate({ subject: { CN } as never, subjectaltname } as never);
  expect(of("team-a", "DNS:team-b")).toBe("team-a");
  expect(of(undefined, "DNS:team-b, DNS:other")).toBe("team-b");
  expect(of(undefined, "URI:spiffe://example/team-b")).toBe("spiffe://example/team-b");
  expect(of(["two", "names"], undefined)).toBeUndefined();
  expect(of(undefined, 'DNS:"admin, DNS:admin"')).toBeUndefined(); // as node writes a name with a comma in it
  expect(of(undefined, "IP Address:127.0.0.1")).toBeUndefined();
  expect(of("x".repeat(300))).toBeUndefined();
  expect(nameOfCertificate(undefined)).toBeUndefined();
});

describe.skipIf(!hasOpenssl())("at the server", () => {
  const folder = mkdtempSync(join(tmpdir(), "certificate-names-"));
  let certificates: Certificates;
  let processor: Processor;
  let shown: Record<"team-a" | "ops" | "nobody", KeyPair>;
  const key = newApiKey("ops");

  beforeAll(async () => {
    certificates = new Certificates();
    const own = certificates.issue("server");
    shown = {
      "team-a": certificates.issue("team-a"),
      ops: certificates.issue("ops"),
      nobody: certificates.issue("nobody"),
    };
    const access = join(folder, "access.json");
    writeFileSync(access, '{"names":{"team-a":{"role":"reader"},"ops":{"role":"operator"}}}');
    writeFileSync(join(folder, "keys"), `${key.line}\n`);
    processor = await startProcessor(["--source-endpoint", SAMPLE.folder], {
      env: {
        ...{ TLS_CERT_FILE: own.cert, TLS_KEY_FILE: own.key, TLS_CLIENT_CA_FILE: certificates.ca.cert },
        ...{ TLS_CLIENT_AUTH: "request", ACCESS_FILE: access, API_KEYS_FILE: join(folder, "keys") },
      },
    });
  }, 60_000);

  afterAll(async () => {
    await processor.stop();
    certificates.remove();
    rmSync(folder, { recursive: true });
  });

  /** How ListSessions and StartProcessing end. */
  async function ends(pair: KeyPair | undefined, token?: string): Promise<string[]> {
    const ca = contentOf(certificates.ca).cert;
    const tls = pair === undefined ? { ca: [ca] } : { ca: [ca], ...contentOf(pair) };
    const client = connectControl(processor.control, { tls, token });
    const end = (work: Promise<unknown>) =>
      work.then(
        () => "OK",
        (thrown) => CodedError.from(thrown).reason,
      );
    try {
      return [await end(client.listSessions({})), await end(client.startProcessing({ startLedger: 0 }))];
    } finally {
      client.close();
    }
  }

  test("they have the roles of their names", async () => {
    expect(await ends(shown["team-a"])).toEqual(["OK", "ROLE"]);
    expect(await ends(shown.ops)).toEqual(["OK", "START_LEDGER_MISSING"]);
    expect(await ends(shown.nobody)).toEqual(["ROLE", "ROLE"]);
    expect(await ends(undefined)).toEqual(["CREDENTIALS", "CREDENTIALS"]);
  });

  test("a token beside a certificate decides, right or wrong", async () => {
    expect(await ends(shown["team-a"], key.key)).toEqual(["OK", "START_LEDGER_MISSING"]);
    expect(await ends(shown.ops, "wrong")).toEqual(["CREDENTIALS", "CREDENTIALS"]);
  });
});
