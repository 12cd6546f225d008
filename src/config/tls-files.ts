/** Files of TLS in PEM: authorities, a certificate with its chain, a private key. Faults name the setting and the file. */
import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { CodedError } from "../error.ts";

const PEM_FILE_CHARACTERS_MAX = 4 << 20; // the public authorities together are 0.2 MB
const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;

/** A file, and what names it. */
export interface TlsFile {
  /** A setting or a flag, for errors. */
  setting: string;
  /** Empty where none is set. */
  path: string;
}

/** What one side of a connection says of TLS. */
interface TlsFiles {
  /** The authorities that it trusts. */
  ca: TlsFile;
  cert: TlsFile;
  key: TlsFile;
}

/** What a client says of TLS, in PEM, as `fetch` and node:tls take it. */
export interface OutgoingTls {
  ca?: string[];
  cert?: string;
  key?: string;
}

/**
 * Reads and checks the files; what is not set is left out.
 * @throws CodedError INVALID_ARGUMENT / TLS_FILE with the setting and the file
 */
export function readTlsFiles(files: TlsFiles): OutgoingTls {
  const [ca, cert, key] = [readPem(files.ca), readPem(files.cert), readPem(files.key)];
  if (cert && !key) throw tlsFileFault(cert, `needs its private key: set ${files.key.setting} too`);
  if (key && !cert) throw tlsFileFault(key, `needs its certificate: set ${files.cert.setting} too`);
  const content: OutgoingTls = {};
  if (ca) content.ca = certificatesOf(ca).map(({ pem }) => pem);
  if (cert && key) {
    const [own] = certificatesOf(cert);
    if (!own!.certificate.checkPrivateKey(privateKeyOf(key))) {
      throw tlsFileFault(key, `is not the key of the first certificate of ${cert.setting} (${cert.path})`);
    }
    content.cert = cert.text;
    content.key = key.text;
  }
  return content;
}

/** From when and until when all certificates of a text in PEM are valid, in milliseconds since 1970. */
export function validityOf(pem: string): { fromUnixMs: number; untilUnixMs: number } {
  const certificates = (pem.match(CERTIFICATE) ?? []).map((each) => new X509Certificate(each));
  return {
    fromUnixMs: Math.max(...certificates.map(({ validFrom }) => Date.parse(validFrom))),
    untilUnixMs: Math.min(...certificates.map(({ validTo }) => Date.parse(validTo))),
  };
}

/** INVALID_ARGUMENT / TLS_FILE: the sentence begins with the setting and the file. */
export function tlsFileFault({ setting, path }: TlsFile, what: string, cause?: unknown): CodedError {
  return new CodedError("INVALID_ARGUMENT", "TLS_FILE", `${setting}: the file ${path} ${what}`, { cause });
}

interface PemFile extends TlsFile {
  text: string;
}

/** Undefined where none is set. */
function readPem(file: TlsFile): PemFile | undefined {
  if (file.path === "") return undefined;
  let text: string;
  try {
    text = readFileSync(file.path, "latin1"); // PEM is ASCII; what stands around it may be anything
  } catch (thrown) {
    throw tlsFileFault(file, `cannot be read (${(thrown as NodeJS.ErrnoException).code ?? "unknown"})`, thrown);
  }
  if (text.length > PEM_FILE_CHARACTERS_MAX) {
    throw tlsFileFault(file, `has ${text.length} B, over the maximum of ${PEM_FILE_CHARACTERS_MAX} B`);
  }
  return { ...file, text };
}

/** All certificates of a file; at least one. */
function certificatesOf(file: PemFile): { pem: string; certificate: X509Certificate }[] {
  const pems = file.text.match(CERTIFICATE) ?? [];
  if (pems.length === 0) throw tlsFileFault(file, "has no certificate in PEM (-----BEGIN CERTIFICATE-----)");
  return pems.map((pem, index) => {
    try {
      return { pem, certificate: new X509Certificate(pem) };
    } catch (thrown) {
      throw tlsFileFault(file, `has a certificate that cannot be read, number ${index + 1}`, thrown);
    }
  });
}

function privateKeyOf(file: PemFile): KeyObject {
  if (file.text.includes("ENCRYPTED")) throw tlsFileFault(file, "is encrypted: store the key without a passphrase");
  try {
    return createPrivateKey(file.text);
  } catch (thrown) {
    throw tlsFileFault(file, "has no private key in PEM (-----BEGIN PRIVATE KEY-----)", thrown);
  }
}
