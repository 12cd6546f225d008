/**
 * TLS of the connections that the program opens: which authorities it trusts in place of the public ones, and which
 * certificate it shows. Each kind of connection has a group of three settings, by its prefix.
 *
 * Authorities of a file replace the public ones, as in most programs: whoever has a private authority can keep to it. Besides,
 * `fetch` looks through them at each request: the public ones, over a hundred, would cost 0.2 ms of CPU each time.
 */
import { type Setting, setting } from "./setting.ts";
import { type OutgoingTls, readTlsFiles } from "./tls-files.ts";
import { text } from "./types.ts";

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
  const tls = readTlsFiles({
    ca: { setting: `${prefix}_CA_FILE`, path: config[`${name}CaFile`] },
    cert: { setting: `${prefix}_CERT_FILE`, path: config[`${name}CertFile`] },
    key: { setting: `${prefix}_KEY_FILE`, path: config[`${name}KeyFile`] },
  });
  return tls.ca || tls.cert ? tls : undefined;
}
