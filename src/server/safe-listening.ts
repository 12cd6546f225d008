/**
 * Safe by default: a listener that asks nobody who is calling, by credentials or a certificate, stays on this machine, unless a setting says otherwise. An
 * address that is set, by whatever means and in whatever form, says otherwise.
 */
import { formatAddress } from "../config/address.ts";
import { asksForCertificate, requiresCertificate } from "../config/listener-tls.ts";
import type { LoadedConfig } from "../config/load.ts";
import { type Config, SETTINGS } from "../config/schema.ts";
import type { Logger } from "../ops/log.ts";
import { asksWho } from "../security/access.ts";

const LISTENERS = [
  ["grpcAddress", "control"],
  ["flightAddress", "flight"],
  ["healthAddress", "http"],
] as const;
const LOOPBACK = "127.0.0.1";

/**
 * The addresses that listeners have for this start.
 * @returns what replaces the settings' values
 */
export function safeListening(
  { values, origins }: Pick<LoadedConfig, "values" | "origins">,
  log: Pick<Logger, "info" | "warn">,
): Pick<Config, (typeof LISTENERS)[number][0]> {
  const { grpcAddress, flightAddress, healthAddress } = values;
  const addresses = { grpcAddress, flightAddress, healthAddress };
  const asks = asksWho(values);
  for (const [key, listener] of LISTENERS) {
    if (asks[listener] || requiresCertificate(values, listener)) continue;
    const setting = SETTINGS[key].env;
    if (origins[key] === "default" && !values.insecureListen) {
      const address = { ...values[key], host: LOOPBACK };
      addresses[key] = address;
      log.info(
        `${setting} is not set, and no credentials are asked for: only this machine can connect. Set API_KEYS_FILE or PASSWORDS_FILE to ask for credentials, or ${setting} (or INSECURE_LISTEN=true) to listen to everybody`,
        { listener, address: formatAddress(address) },
      );
    } else if (!isLoopback(values[key].host)) {
      log.warn(`everybody who reaches ${setting} may call: no credentials are asked for there (API_KEYS_FILE)`, {
        listener,
        address: formatAddress(values[key]),
      });
    }
  }
  const refusesAll = httpRefusesAll(values);
  if (refusesAll !== undefined)
    log.warn(refusesAll, { listener: "http", address: formatAddress(addresses.healthAddress) });
  return addresses;
}

/**
 * What to say where HTTP asks who is calling and nobody can tell it: the names of client certificates are the only
 * credentials, and HTTP asks for no certificate. undefined: somebody can.
 */
export function httpRefusesAll(values: Config): string | undefined {
  const { apiKeysFile, passwordsFile, jwtIssuer, accessOpen } = values;
  if (!asksWho(values).http || asksForCertificate(values, "http") || apiKeysFile + passwordsFile + jwtIssuer !== "")
    return undefined;
  const opened = accessOpen.length === 0 ? "" : `, but for ${accessOpen.join(", ")}`;
  return `HTTP refuses everybody${opened}: names are proved by client certificates alone, and HTTP asks for none. Set HEALTH_TLS_CLIENT_CA_FILE or API_KEYS_FILE for its callers, or ACCESS_OPEN`;
}

/** Whether only this machine can connect to a listener on that host. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127(\.\d+){3}$/.test(host);
}
