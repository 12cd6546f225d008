/** The name that a client's certificate proves. */
import type { PeerCertificate } from "node:tls";

const NAME_CHARACTERS_MAX = 256;

/**
 * The subject's common name, or else the first of the alternative names (DNS, URI or email); undefined where there is
 * neither.
 *
 * @param certificate one that TLS has verified; undefined: the client has shown none
 */
export function nameOfCertificate(
  certificate: Pick<PeerCertificate, "subject" | "subjectaltname"> | undefined,
): string | undefined {
  const common: unknown = certificate?.subject?.CN;
  const alternative = /^(?:DNS|URI|email):([^",\s]+)(?:,|$)/.exec(certificate?.subjectaltname ?? "")?.[1];
  const name = typeof common === "string" && common !== "" ? common : alternative; // several common names are none
  return name === undefined || name.length > NAME_CHARACTERS_MAX ? undefined : name;
}
