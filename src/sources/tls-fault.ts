/** What fails in a TLS handshake with a source, in sentences that name what to set. */
import { CodedError } from "../error.ts";

/** What the settings of a kind of source begin with (config/outgoing-tls.ts). */
type TlsPrefix = "SOURCE" | "S3";

/** By the codes of OpenSSL (x509_vfy.h) and of the runtime; the first that matches counts. */
const SENTENCES: readonly [RegExp, (prefix: TlsPrefix) => string][] = [
  [
    /^(UNABLE_TO_|SELF_SIGNED_CERT|DEPTH_ZERO_|CERT_UNTRUSTED|INVALID_CA)/,
    (prefix) =>
      `its certificate is of an authority that is not trusted here: name a file with the authority's certificate in ${prefix}_CA_FILE, or add it to that file`,
  ],
  [
    /ALTNAME_INVALID|HOSTNAME_MISMATCH|IP_ADDRESS_MISMATCH/,
    () => "its certificate is for another name or address: use one that the certificate has, or renew that",
  ],
  [
    /^CERT_HAS_EXPIRED/,
    () => "its certificate, or one of the chain, has expired: renew it, or set this machine's clock",
  ],
  [/^CERT_NOT_YET_VALID/, () => "its certificate is not valid yet: compare the clocks of both machines"],
  [
    /WRONG_VERSION_NUMBER|HTTP_REQUEST/,
    () => "what answers there speaks no TLS: check the port, or use the form without TLS",
  ],
  [/NO_APPLICATION_PROTOCOL/, () => "what answers there speaks TLS and no gRPC: check the port"],
  [/PROTOCOL_VERSION/, () => "it speaks no version of TLS that is spoken here: 1.2 or 1.3 is needed"],
  [
    /_ALERT_.*(CERTIFICATE|UNKNOWN_CA|ACCESS_DENIED|HANDSHAKE_FAILURE)/,
    (prefix) =>
      `it asks for a client's certificate that it trusts: set ${prefix}_CERT_FILE and ${prefix}_KEY_FILE to such a one`,
  ],
  [
    /^EPROTO/, // all that fetch tells
    (prefix) =>
      `what answers there speaks no TLS, or asks for a client's certificate that it trusts: check the port, and set ${prefix}_CERT_FILE and ${prefix}_KEY_FILE`,
  ],
  [/^(CERT_|ERR_TLS|ERR_SSL)/, () => "the handshake has failed"],
];

/**
 * The error of a connection as UNAVAILABLE / SOURCE_TLS; undefined where it is no fault of TLS.
 * @param name of the source, for the message
 */
export function tlsFault(name: string, thrown: unknown, prefix: TlsPrefix): CodedError | undefined {
  const code = (thrown as { code?: unknown } | undefined)?.code;
  if (typeof code !== "string") return undefined;
  const sentence = SENTENCES.find(([pattern]) => pattern.test(code))?.[1](prefix);
  if (sentence === undefined) return undefined;
  return new CodedError("UNAVAILABLE", "SOURCE_TLS", `${name}: TLS: ${sentence} (${code})`, { cause: thrown });
}

/** `fetch`. @throws CodedError UNAVAILABLE / SOURCE_TLS, and what `fetch` throws */
export async function fetchOverTls(
  name: string,
  url: string,
  init: BunFetchRequestInit,
  prefix: TlsPrefix,
): Promise<Response> {
  try {
    return await fetch(url, init);
  } catch (thrown) {
    throw tlsFault(name, thrown, prefix) ?? thrown;
  }
}
