/** TLS of the commands that call a server: flags, and the same from the environment. */
import { type OutgoingTls, readTlsFiles } from "../config/tls-files.ts";
import { parseGoBoolean, text } from "../config/types.ts";
import { option, toggle } from "./flags.ts";
import { UsageError } from "./usage-error.ts";

const file = (summary: string) => option({ placeholder: "FILE", type: text, summary });

/** Every command that calls a server has them. */
export const TLS_FLAGS = {
  tls: toggle({ summary: "Connect by TLS, as --ca-file and --cert-file do too. (CLIENT_TLS)" }),
  "ca-file": file(
    "PEM file of the authorities that are trusted. Default: the public ones, or CLIENT_CA_FILE where that is set.",
  ),
  "cert-file": file("PEM file of the certificate that the server is shown, with --key-file. (CLIENT_CERT_FILE)"),
  "key-file": file("PEM file of that certificate's private key, without a passphrase. (CLIENT_KEY_FILE)"),
};

/** What was given for TLS_FLAGS. */
export type TlsFlags = { tls: boolean } & Record<"ca-file" | "cert-file" | "key-file", string | undefined>;

/**
 * How to connect; undefined: without TLS.
 * @throws UsageError; CodedError INVALID_ARGUMENT / TLS_FILE with the flag or the variable, and the file
 */
export function clientTls(flags: TlsFlags, env: Readonly<Record<string, string | undefined>>): OutgoingTls | undefined {
  const named = (name: "ca" | "cert" | "key") => {
    const path = flags[`${name}-file`];
    const variable = `CLIENT_${name.toUpperCase()}_FILE`;
    return path === undefined ? { setting: variable, path: env[variable] ?? "" } : { setting: `--${name}-file`, path };
  };
  const content = readTlsFiles({ ca: named("ca"), cert: named("cert"), key: named("key") });
  const isAsked = flags.tls || content.ca !== undefined || content.cert !== undefined;
  return isAsked || isSet(env.CLIENT_TLS) ? content : undefined;
}

function isSet(variable: string | undefined): boolean {
  if (!variable) return false;
  const value = parseGoBoolean(variable);
  if (value === undefined) throw new UsageError(`CLIENT_TLS is ${JSON.stringify(variable)}: true or false is accepted`);
  return value;
}
