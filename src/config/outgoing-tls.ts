/**
 * TLS of the connections that the program opens: which authorities it trusts in place of the public ones, and which
 * certificate it shows. Each kind of connection has a group of three settings, by its prefix.
 *
 * Authorities of a file replace the public ones, as in most programs: whoever has a private authority can keep to it. Besides,
 * `fetch` looks through them at each request: the public ones, over a hundred, would cost 0.2 ms of CPU each time.
 */
import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { CodedError } from "../error.ts";
import { type Setting, setting } from "./setting.ts";
import { text } from "./types.ts";

const PEM_FILE_CHARACTERS_MAX = 4 << 20; // the public authorities together are 0.2 MB
const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;

type Key<P extends string> = `${P}CaFile` | `${P}CertFile` | `${P}KeyFile`;

/**
 * `SOURCE_CA_FILE`, `SOURCE_CERT_FILE` and `SOURCE_KEY_FILE` for the prefix `source`.
 * @param peers the servers that they are for, in the plural
 */
export function outgoingTlsSettings<P extends string>(prefix: P, peers: string) {
  const env = prefix.toUpperCase();
  const file = (name: string, example: string, description: string, defaultNote = "none") =>
    setting({
      env: `${env}_${name}`,
      group: "Security",
      type: text,
      default: "",
      defaultNote,
      description,
      example: `/etc/contract-data/${example}`,
    });
  return {
    [`${prefix}CaFile`]: file(
      "CA_FILE",
      "ca.pem",
      `PEM file of the certificate authorities that are trusted, in place of the public ones, for TLS to ${peers}.`,
      "the public authorities",
    ),
    [`${prefix}CertFile`]: file(
      "CERT_FILE",
      "client.pem",
      `PEM file of the certificate, and its chain, that is shown to ${peers} where they ask for one; with ${env}_KEY_FILE.`,
    ),
    [`${prefix}KeyFile`]: file(
      "KEY_FILE",
      "client.key",
      `PEM file of the private key of ${env}_CERT_FILE, without a passphrase.`,
    ),
  } as { readonly [K in Key<P>]: Setting<string> };
}

/** TLS to servers of one kind, as `fetch` and node:tls take it. */
export interface OutgoingTls {
  ca?: string[];
  cert?: string;
  key?: string;
}

/**
 * Reads and checks the files of a group; undefined where none is set.
 * @param name the prefix that `outgoingTlsSettings` had
 * @throws CodedError INVALID_ARGUMENT / TLS_FILE with the setting and the file
 */
export function readOutgoingTls<P extends string>(
  config: Readonly<Record<Key<P>, string>>,
  name: P,
): OutgoingTls | undefined {
  const prefix = name.toUpperCase();
  const ca = readPem(`${prefix}_CA_FILE`, config[`${name}CaFile`]);
  const cert = readPem(`${prefix}_CERT_FILE`, config[`${name}CertFile`]);
  const key = readPem(`${prefix}_KEY_FILE`, config[`${name}KeyFile`]);
  if (cert && !key) throw fault(cert, `needs its private key: set ${prefix}_KEY_FILE too`);
  if (key && !cert) throw fault(key, `needs its certificate: set ${prefix}_CERT_FILE too`);
  if (!ca && !cert) return undefined;
  const tls: OutgoingTls = {};
  if (ca) tls.ca = certificatesOf(ca).map(({ pem }) => pem);
  if (cert && key) {
    const [own] = certificatesOf(cert);
    if (!own!.certificate.checkPrivateKey(privateKeyOf(key))) {
      throw fault(key, `is not the key of the first certificate of ${cert.setting} (${cert.path})`);
    }
    tls.cert = cert.text;
    tls.key = key.text;
  }
  return tls;
}

interface PemFile {
  setting: string;
  path: string;
  text: string;
}

function fault({ setting, path }: Omit<PemFile, "text">, what: string, cause?: unknown): CodedError {
  return new CodedError("INVALID_ARGUMENT", "TLS_FILE", `${setting}: the file ${path} ${what}`, { cause });
}

/** Undefined where the setting is empty. */
function readPem(setting: string, path: string): PemFile | undefined {
  if (path === "") return undefined;
  let content: string;
  try {
    content = readFileSync(path, "latin1"); // PEM is ASCII; what stands around it may be anything
  } catch (thrown) {
    throw fault({ setting, path }, `cannot be read (${(thrown as NodeJS.ErrnoException).code ?? "unknown"})`, thrown);
  }
  if (content.length > PEM_FILE_CHARACTERS_MAX) {
    throw fault({ setting, path }, `has ${content.length} B, over the maximum of ${PEM_FILE_CHARACTERS_MAX} B`);
  }
  return { setting, path, text: content };
}

/** All certificates of a file; at least one. */
function certificatesOf(file: PemFile): { pem: string; certificate: X509Certificate }[] {
  const pems = file.text.match(CERTIFICATE) ?? [];
  if (pems.length === 0) throw fault(file, "has no certificate in PEM (-----BEGIN CERTIFICATE-----)");
  return pems.map((pem, index) => {
    try {
      return { pem, certificate: new X509Certificate(pem) };
    } catch (thrown) {
      throw fault(file, `has a certificate that cannot be read, number ${index + 1}`, thrown);
    }
  });
}

function privateKeyOf(file: PemFile): KeyObject {
  if (file.text.includes("ENCRYPTED")) throw fault(file, "is encrypted: store the key without a passphrase");
  try {
    return createPrivateKey(file.text);
  } catch (thrown) {
    throw fault(file, "has no private key in PEM (-----BEGIN PRIVATE KEY-----)", thrown);
  }
}
