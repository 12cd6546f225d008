/** What connections to sources carry: whom they trust, the certificate that they show, an authorization. */
import { type ConfigInputs, loadConfig } from "../config/load.ts";
import { readOutgoingTls } from "../config/outgoing-tls.ts";
import type { Config } from "../config/schema.ts";
import type { OutgoingTls } from "../config/tls-files.ts";

/** One for all sources of a kind. */
export interface SourceAccess {
  /** For raw-ledger services, RPC servers and web servers. */
  peer: PeerAccess;
  /** For the stores of buckets, which have credentials of their own. */
  s3?: OutgoingTls;
}

/** What a connection to a raw-ledger service, an RPC server or a web server carries, where it is set. */
export interface PeerAccess {
  tls?: OutgoingTls;
  /** The value of the header `authorization`, which is shown to nobody. */
  authorization?: string;
}

/** What a request over HTTP carries of it. */
export function headersOf({ authorization }: PeerAccess): Record<string, string> {
  return authorization === undefined ? {} : { authorization };
}

/** What a server says, without the secret part of the authorization: some repeat what they refuse. */
export function withoutSecret(said: string, { authorization }: PeerAccess): string {
  const secret = authorization?.split(" ").at(-1);
  return secret === undefined ? said : said.replaceAll(secret, "[hidden]");
}

const KEYS = [
  "sourceAuthorization",
  "sourceCaFile",
  "sourceCertFile",
  "sourceKeyFile",
  "s3CaFile",
  "s3CertFile",
  "s3KeyFile",
] as const;

/** @throws CodedError INVALID_ARGUMENT / TLS_FILE */
export function sourceAccess(config: Pick<Config, (typeof KEYS)[number]>): SourceAccess {
  return {
    peer: { tls: readOutgoingTls(config, "source"), authorization: config.sourceAuthorization || undefined },
    s3: readOutgoingTls(config, "s3"),
  };
}

/** For commands that take no settings but those of the environment. @throws CodedError as loadConfig and sourceAccess */
export function environmentAccess(env: NonNullable<ConfigInputs["env"]>): SourceAccess {
  return sourceAccess(loadConfig({ env }, KEYS).values);
}
