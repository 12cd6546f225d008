/** The files of SOURCE_CA_FILE and its kin are looked at when the server starts. */
import { afterAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { loadConfig } from "../../src/config/load.ts";
import { readOutgoingTls } from "../../src/config/outgoing-tls.ts";
import { Certificates, contentOf, hasOpenssl } from "../support/certificates.ts";
import { thrownBy } from "../support/failure.ts";
import { runCommand, SAMPLE } from "../support/processor.ts";

describe.skipIf(!hasOpenssl())("files of certificates", () => {
  const certificates = new Certificates();
  afterAll(() => certificates.remove());
  const client = certificates.issue("client");
  const other = certificates.issue("other");
  const file = (name: string, content: string) => certificates.file(name, content);
  const read = (env: Record<string, string>) => readOutgoingTls(loadConfig({ env }).values, "source");

  test("nothing is set", () => {
    expect(read({})).toBeUndefined();
  });

  test("authorities, with text around them that is passed over", () => {
    const [one, two] = [contentOf(certificates.ca).cert, contentOf(certificates.authority("second")).cert];
    const tls = read({ SOURCE_CA_FILE: file("bundle.pem", `Präfix: mine\n${one}\nSubject: another\n${two}`) });
    expect(tls).toEqual({ ca: [one.trim(), two.trim()] });
  });

  test("a certificate and its key, each prefix for itself", () => {
    const { values } = loadConfig({ env: { S3_CERT_FILE: client.cert, S3_KEY_FILE: client.key } });
    expect(readOutgoingTls(values, "s3")).toEqual(contentOf(client));
    expect(readOutgoingTls(values, "source")).toBeUndefined();
  });

  const encrypted = certificates.file("encrypted.key");
  spawnSync("openssl", ["pkcs8", "-topk8", "-in", client.key, "-out", encrypted, "-passout", "pass:x"]);
  const damaged = contentOf(client).cert.replace(/\n.{40}/, `\n${"A".repeat(40)}`);
  const [cert, key] = [{ SOURCE_CERT_FILE: client.cert }, { SOURCE_KEY_FILE: client.key }];
  test.each<[Record<string, string>, string, string]>([
    [{ SOURCE_CA_FILE: "/nowhere/ca.pem" }, "SOURCE_CA_FILE", "/nowhere/ca.pem cannot be read (ENOENT)"],
    [{ SOURCE_CA_FILE: certificates.folder }, "SOURCE_CA_FILE", "cannot be read (EISDIR)"],
    [{ SOURCE_CA_FILE: file("empty.pem", "") }, "SOURCE_CA_FILE", "has no certificate in PEM"],
    [{ SOURCE_CA_FILE: client.key }, "SOURCE_CA_FILE", "has no certificate in PEM"],
    [
      { SOURCE_CA_FILE: file("half.pem", `${contentOf(client).cert}${damaged}`) },
      "SOURCE_CA_FILE",
      "has a certificate that cannot be read, number 2",
    ],
    [{ SOURCE_CA_FILE: file("large.pem", "x".repeat(5 << 20)) }, "SOURCE_CA_FILE", "over the maximum of 4194304 B"],
    [cert, "SOURCE_CERT_FILE", "set SOURCE_KEY_FILE too"],
    [key, "SOURCE_KEY_FILE", "set SOURCE_CERT_FILE too"],
    [{ ...cert, SOURCE_KEY_FILE: client.cert }, "SOURCE_KEY_FILE", "has no private key in PEM"],
    [{ ...cert, SOURCE_KEY_FILE: encrypted }, "SOURCE_KEY_FILE", "is encrypted"],
    [
      { ...cert, SOURCE_KEY_FILE: other.key },
      "SOURCE_KEY_FILE",
      `is not the key of the first certificate of SOURCE_CERT_FILE (${client.cert})`,
    ],
    [{ ...key, SOURCE_CERT_FILE: client.key }, "SOURCE_CERT_FILE", "has no certificate in PEM"],
  ])("%j", (env, setting, what) => {
    const error = thrownBy(() => read(env));
    expect([error.code, error.reason]).toEqual(["INVALID_ARGUMENT", "TLS_FILE"]);
    expect(error.message).toStartWith(`${setting}: the file ${env[setting]} `);
    expect(error.message).toContain(what);
  });

  test("serve and the commands end with 2 and the sentence", async () => {
    const env = { S3_CA_FILE: "/nowhere/ca.pem" };
    for (const args of [
      ["serve", `--source-endpoint=${SAMPLE.folder}`],
      ["decode", "s3://bucket/lake"],
      ["gaps", "s3://bucket/lake"],
    ]) {
      const run = await runCommand(args, { env });
      expect([args[0], run.exitCode, run.stderr]).toEqual([
        args[0],
        2,
        expect.stringContaining("S3_CA_FILE: the file /nowhere/ca.pem cannot be read (ENOENT)"),
      ]);
    }
  }, 60_000);

  test("an authorization is a header's value, and no error shows it", () => {
    expect(loadConfig({ env: { SOURCE_AUTHORIZATION: "Bearer abc" } }).values.sourceAuthorization).toBe("Bearer abc");
    for (const wrong of ["Bearer s3cret\nx: y", " s3cret", "s3crét", "s3cret".repeat(1000)]) {
      const { reason, message } = thrownBy(() => loadConfig({ env: { SOURCE_AUTHORIZATION: wrong } }));
      expect([reason, message]).toEqual([
        "CONFIG_INVALID",
        expect.stringContaining("SOURCE_AUTHORIZATION is not right"),
      ]);
      expect(message).not.toContain("s3cr");
    }
  });
});
