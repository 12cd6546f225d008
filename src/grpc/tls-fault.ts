/** What fails in a client's TLS handshake, in sentences that name what to set. */

/** How the files of the client's side are named: settings or flags. */
interface TlsNames {
  ca: string;
  cert: string;
  key: string;
}

/** By the codes of OpenSSL (x509_vfy.h) and of the runtime; the first that matches counts. */
const SENTENCES: readonly [RegExp, (names: TlsNames) => string][] = [
  [
    /^(UNABLE_TO_|SELF_SIGNED_CERT|DEPTH_ZERO_|CERT_UNTRUSTED|INVALID_CA)/,
    ({ ca }) =>
      `its certificate is of an authority that is not trusted here: name a file with the authority's certificate in ${ca}, or add it to that file`,
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
    ({ cert, key }) => `it asks for a client's certificate that it trusts: set ${cert} and ${key} to such a one`,
  ],
  [
    /^EPROTO/, // all that fetch tells
    ({ cert, key }) =>
      `what answers there speaks no TLS, or asks for a client's certificate that it trusts: check the port, and set ${cert} and ${key}`,
  ],
  [/^(CERT_|ERR_TLS|ERR_SSL)/, () => "the handshake has failed"],
];

/** What an error of a connection means; undefined where it is no fault of TLS. */
export function tlsSentence(thrown: unknown, names: TlsNames): string | undefined {
  const code = (thrown as { code?: unknown } | undefined)?.code;
  if (typeof code !== "string") return undefined;
  const sentence = SENTENCES.find(([pattern]) => pattern.test(code))?.[1](names);
  return sentence && `TLS: ${sentence} (${code})`;
}
