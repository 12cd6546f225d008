/** `doctor` at what the server needs on its own machine: its folder, its ports, its files. */

import { constants, promises as fs, statSync } from "node:fs";
import { createServer } from "node:net";
import path from "node:path";
import { counted } from "../base/text.ts";
import { type Address, dialTarget, formatAddress } from "../config/address.ts";
import { readCredentials } from "../config/credentials.ts";
import { LISTENERS, readListenerTls, requiresCertificate } from "../config/listener-tls.ts";
import type { LoadedConfig } from "../config/load.ts";
import type { Config } from "../config/schema.ts";
import { CodedError } from "../error.ts";
import { asksWho, readAccess } from "../security/access.ts";
import { CERTIFICATE_WARNING_MS, stateOf } from "../server/certificates.ts";
import { httpRefusesAll, isLoopback, safeListening } from "../server/safe-listening.ts";
import type { Finding } from "./finding.ts";

/** DATA_DIR: whether sessions can be kept there. Nothing is made or written. */
export async function lookAtDataDir({ dataDir }: Config): Promise<Finding> {
  const subject = "DATA_DIR";
  if (dataDir === "") {
    return { subject, state: "note", detail: "not set: sessions are gone when the server ends" };
  }
  const found = await fs.stat(dataDir).catch(() => undefined);
  if (found !== undefined && !found.isDirectory()) {
    return { subject, state: "trouble", detail: `${dataDir} is a file: name a folder` };
  }
  const place = found === undefined ? await nearestFolder(dataDir) : dataDir;
  const isWritable = await fs.access(place, constants.W_OK | constants.X_OK).then(
    () => true,
    () => false,
  );
  if (!isWritable) {
    const detail = `${place} cannot be written by this user: change its owner, or name another folder`;
    return { subject, state: "trouble", detail };
  }
  return {
    subject,
    state: "ok",
    detail: found === undefined ? `${dataDir} will be made` : `${dataDir} can be written`,
  };
}

/** The nearest folder above that is there. */
async function nearestFolder(missing: string): Promise<string> {
  for (let folder = path.resolve(missing); ; folder = path.dirname(folder)) {
    const isThere = await fs.access(folder).then(
      () => true,
      () => false,
    );
    if (isThere || folder === path.dirname(folder)) return folder;
  }
}

/** One listener's address: whether this process may listen there. It does so for a moment. */
export async function lookAtListener(subject: string, address: Address): Promise<Finding> {
  const shown = formatAddress(address);
  const server = createServer();
  const error = await new Promise<NodeJS.ErrnoException | undefined>((resolve) => {
    server.once("error", resolve);
    server.listen({ host: address.host === "" ? undefined : address.host, port: address.port }, () =>
      resolve(undefined),
    );
  });
  if (error === undefined) {
    await new Promise((resolve) => server.close(resolve));
    return { subject, state: "ok", detail: `${shown} is free` };
  }
  if (error.code === "EADDRINUSE") {
    const detail = `${shown} is taken: by this server if it is running (a look at ${dialTarget(address)} tells), else name another port`;
    return { subject, state: "note", detail };
  }
  return { subject, state: "trouble", detail: `${shown} cannot be listened on (${error.code}): name another address` };
}

/** Who is asked for credentials, and what is open to everybody who reaches it. */
export function lookAtAccess(loaded: LoadedConfig): Finding {
  const subject = "API_KEYS_FILE";
  try {
    readAccess(loaded.values);
  } catch (thrown) {
    const { reason, message } = CodedError.from(thrown);
    return { subject: reason === "ACCESS_FILE" ? reason : subject, state: "trouble", detail: message };
  }
  const writable = writableByAll(loaded.values);
  if (writable !== undefined) {
    const detail = `${writable} may be written by every user of this machine, who can give themselves any role: chmod o-w it`;
    return { subject, state: "trouble", detail };
  }
  const asks = asksWho(loaded.values);
  const quiet = { info: () => {}, warn: () => {} };
  const { grpcAddress, flightAddress, healthAddress } = safeListening(loaded, quiet);
  const listeners = { control: grpcAddress, flight: flightAddress, http: healthAddress };
  const open = (["control", "flight", "http"] as const).filter(
    (listener) => !asks[listener] && !requiresCertificate(loaded.values, listener),
  );
  const refusesAll = httpRefusesAll(loaded.values);
  if (refusesAll !== undefined) return { subject, state: "note", detail: refusesAll };
  if (open.length === 0)
    return { subject, state: "ok", detail: "every listener asks for credentials or a certificate" };
  const shown = open.map((listener) => {
    const { host } = listeners[listener];
    return `${listener} (${formatAddress(listeners[listener])}, ${isLoopback(host) ? "this machine alone" : "whoever reaches it"})`;
  });
  return { subject, state: "note", detail: `open without credentials: ${shown.join(", ")}` };
}

/** The first file that says who may do what, and that every user may write. */
function writableByAll({ apiKeysFile, passwordsFile, accessFile, jwtKeyFile, flightCredentials }: Config) {
  const files = [apiKeysFile, passwordsFile, accessFile, jwtKeyFile, flightCredentials.file ?? ""];
  return files.find((file) => file !== "" && (statSync(file).mode & constants.S_IWOTH) !== 0);
}

/** The certificates of the listeners. */
export function lookAtTls(config: Config): Finding {
  const subject = "TLS_CERT_FILE";
  try {
    const all = LISTENERS.map((listener) => [listener, readListenerTls(config, listener)] as const);
    const open = all.filter(([, tls]) => tls === undefined).map(([listener]) => listener);
    if (open.length === all.length)
      return { subject, state: "note", detail: "not set: whoever is on the way reads all" };
    const now = Date.now();
    const shown = all.flatMap(([listener, tls]) => (tls === undefined ? [] : [{ listener, ...tls }]));
    const worst = shown.reduce((one, other) => (other.validity.untilUnixMs < one.validity.untilUnixMs ? other : one));
    const notYet = shown.find(({ validity }) => validity.fromUnixMs > now);
    const { certFile, validity } = notYet ?? worst;
    const said = [`the certificate of ${certFile.path} ${stateOf(validity, now)}`];
    if (open.length > 0) said.push(`without TLS: ${open.join(", ")}`);
    const isValid = validity.fromUnixMs <= now && validity.untilUnixMs > now;
    const isWell = open.length === 0 && validity.untilUnixMs - now > CERTIFICATE_WARNING_MS;
    return {
      subject: certFile.setting,
      state: isValid ? (isWell ? "ok" : "note") : "trouble",
      detail: said.join("; "),
    };
  } catch (thrown) {
    return { subject, state: "trouble", detail: CodedError.from(thrown).message };
  }
}

/** The file of FLIGHT_CREDENTIALS, where it names one. */
export function lookAtCredentials({ flightCredentials }: Config): Finding {
  const subject = "FLIGHT_CREDENTIALS";
  try {
    const { length } = readCredentials(flightCredentials, subject);
    if (length === 0) return { subject, state: "note", detail: "not set: see API_KEYS_FILE for who may read" };
    return { subject, state: "ok", detail: `${counted(length, "name")} may read` };
  } catch (thrown) {
    return { subject, state: "trouble", detail: CodedError.from(thrown).message };
  }
}
