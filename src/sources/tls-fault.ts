/** What fails in a TLS handshake with a source, in sentences that name what to set. */
import { CodedError } from "../error.ts";
import { tlsSentence } from "../grpc/tls-fault.ts";

/** What the settings of a kind of source begin with (config/outgoing-tls.ts). */
type TlsPrefix = "SOURCE" | "S3";

/**
 * The error of a connection as UNAVAILABLE / SOURCE_TLS; undefined where it is no fault of TLS.
 * @param name of the source, for the message
 */
export function tlsFault(name: string, thrown: unknown, prefix: TlsPrefix): CodedError | undefined {
  const names = { ca: `${prefix}_CA_FILE`, cert: `${prefix}_CERT_FILE`, key: `${prefix}_KEY_FILE` };
  const sentence = tlsSentence(thrown, names);
  if (sentence === undefined) return undefined;
  return new CodedError("UNAVAILABLE", "SOURCE_TLS", `${name}: ${sentence}`, { cause: thrown });
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
