/**
 * TLS of what the server listens on. Four settings hold for the control plane, Flight and HTTP; each listener has the same
 * four with its own prefix, which win for it one by one, and `off` in place of a file's path switches off.
 */
import { createSecureContext } from "node:tls";
import { CodedError } from "../error.ts";
import type { ServerTls } from "../grpc/server-tls.ts";
import { type Setting, setting } from "./setting.ts";
import { readTlsFiles, type TlsFile, tlsFileFault, validityOf } from "./tls-files.ts";
import { oneOf, type SettingType, text } from "./types.ts";

const PREFIXES = { control: "GRPC_", flight: "FLIGHT_", http: "HEALTH_" } as const;
const OFF = "off";

/** What listens. */
export type Listener = keyof typeof PREFIXES;
/** All of them. */
export const LISTENERS = Object.keys(PREFIXES) as readonly Listener[];

const WORDS = ["require", "request"] as const;
type ClientAuth = (typeof WORDS)[number] | "";

/** Empty is accepted. */
const clientAuth: SettingType<ClientAuth> = {
  ...oneOf(WORDS),
  parse: (value) => (value === "" ? "" : oneOf(WORDS).parse(value)),
};

const security = <T>(definition: Omit<Setting<T>, "group">): Setting<T> =>
  setting({ ...definition, group: "Security" });

/** The four settings of all listeners. */
export const TLS_SETTINGS = {
  tlsCertFile: security({
    env: "TLS_CERT_FILE",
    type: text,
    default: "",
    defaultNote: "none: no TLS",
    description:
      "PEM file of the certificate, and its chain, that the server shows: the control plane, Flight and HTTP then speak TLS (1.2 or 1.3) and nothing else. Needs TLS_KEY_FILE. The files are looked at every few seconds, and new ones are used without a restart (docs/security.md).",
    example: "/etc/contract-data/server.pem",
  }),
  tlsKeyFile: security({
    env: "TLS_KEY_FILE",
    type: text,
    default: "",
    defaultNote: "none",
    description: "PEM file of the private key of TLS_CERT_FILE, without a passphrase.",
    example: "/etc/contract-data/server.key",
  }),
  tlsClientCaFile: security({
    env: "TLS_CLIENT_CA_FILE",
    type: text,
    default: "",
    defaultNote: "none: clients need no certificate",
    description:
      "PEM file of the certificate authorities of clients. Where it is set, clients are asked for a certificate, as TLS_CLIENT_AUTH says.",
    example: "/etc/contract-data/clients-ca.pem",
  }),
  tlsClientAuth: security({
    env: "TLS_CLIENT_AUTH",
    type: clientAuth,
    default: "",
    defaultNote: "`require` with TLS_CLIENT_CA_FILE",
    description:
      "require: a client without a certificate of TLS_CLIENT_CA_FILE is refused. request: a client may come without one; one that is not trusted is refused.",
    example: "request",
  }),
} as const;

const NAMES = { control: "the control plane", flight: "Flight", http: "HTTP" } as const;
const KEYS = ["CertFile", "KeyFile", "ClientCaFile", "ClientAuth"] as const;

type Own = { [K in `${Listener}Tls${"CertFile" | "KeyFile" | "ClientCaFile"}`]: Setting<string> } & {
  [K in `${Listener}TlsClientAuth`]: Setting<ClientAuth>;
};

/** The same four for each listener alone. */
export const LISTENER_TLS_SETTINGS = Object.fromEntries(
  LISTENERS.flatMap((listener) =>
    KEYS.map((key) => {
      const common: Setting<string> = TLS_SETTINGS[`tls${key}`];
      const off = { CertFile: `; ${OFF}: no TLS there`, ClientCaFile: `; ${OFF}: clients need no certificate there` };
      const own: Setting<string> = {
        ...common,
        env: `${PREFIXES[listener]}${common.env}`,
        defaultNote: `${common.env}`,
        description: `In place of ${common.env} for ${NAMES[listener]} alone${off[key as keyof typeof off] ?? ""}.`,
      };
      return [`${listener}Tls${key}`, own];
    }),
  ),
) as unknown as Own; // the keys are made of the two lists

type TlsConfig = {
  readonly [K in keyof (typeof TLS_SETTINGS & Own)]: (typeof TLS_SETTINGS & Own)[K] extends Setting<infer T>
    ? T
    : never;
};

/** A listener's TLS, checked. */
export interface ListenerTls extends ServerTls {
  /** The setting that names the certificate's file, and its path. */
  certFile: TlsFile;
  /** From when and until when the certificate and its chain are valid. */
  validity: ReturnType<typeof validityOf>;
}

/** What holds for one listener: its own settings, else those of all. */
function settingsOf(config: TlsConfig, listener: Listener) {
  const file = (key: "CertFile" | "KeyFile" | "ClientCaFile"): TlsFile & { isOff: boolean } => {
    const own = config[`${listener}Tls${key}`];
    const path = own || config[`tls${key}`];
    const setting = own ? LISTENER_TLS_SETTINGS[`${listener}Tls${key}`].env : TLS_SETTINGS[`tls${key}`].env;
    return { setting, path: path === OFF ? "" : path, isOff: path === OFF };
  };
  const ownAuth = config[`${listener}TlsClientAuth`];
  const [cert, key, ca] = [file("CertFile"), file("KeyFile"), file("ClientCaFile")];
  return { cert, key, ca, ownAuth, auth: ownAuth || config.tlsClientAuth };
}

/** Whether clients are asked for a certificate there; no file is read. */
export function asksForCertificate(config: TlsConfig, listener: Listener): boolean {
  const { cert, ca } = settingsOf(config, listener);
  return cert.path !== "" && ca.path !== "";
}

/** Whether clients without a certificate of a known authority are refused there; no file is read. */
export function requiresCertificate(config: TlsConfig, listener: Listener): boolean {
  return asksForCertificate(config, listener) && settingsOf(config, listener).auth !== "request";
}

/**
 * Reads and checks a listener's files; undefined where it has no TLS.
 * @throws CodedError INVALID_ARGUMENT / TLS_FILE with the setting and the file; TLS_SETTING for settings that do not go
 * together: half a setting is never taken for none
 */
export function readListenerTls(config: TlsConfig, listener: Listener): ListenerTls | undefined {
  const { cert, key, ca, auth, ownAuth } = settingsOf(config, listener);
  if (cert.isOff) return undefined;
  if (cert.path === "" && key.path === "" && ca.path !== "") {
    throw tlsFileFault(
      ca,
      `has no effect for ${NAMES[listener]} without TLS: set ${cert.setting} and ${key.setting}, or ${PREFIXES[listener]}TLS_CERT_FILE=${OFF}`,
    );
  }
  if (auth !== "" && ca.path === "" && (!ca.isOff || ownAuth !== "")) {
    throw new CodedError(
      "INVALID_ARGUMENT",
      "TLS_SETTING",
      `TLS_CLIENT_AUTH is ${auth}, and nothing says whose certificates ${NAMES[listener]} trusts: set TLS_CLIENT_CA_FILE`,
    );
  }
  const content = readTlsFiles({ cert, key, ca });
  if (content.cert === undefined || content.key === undefined) return undefined;
  const tls = {
    cert: content.cert,
    key: content.key,
    ca: content.ca,
    requiresClientCert: requiresCertificate(config, listener),
  };
  try {
    createSecureContext(tls);
  } catch (thrown) {
    throw tlsFileFault(cert, `cannot be used for TLS (${(thrown as Error).message})`, thrown);
  }
  return { ...tls, certFile: { setting: cert.setting, path: cert.path }, validity: validityOf(tls.cert) };
}
