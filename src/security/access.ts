/** All that decides who may call, as the settings and their files give it. It crosses threads as it is. */
import type { OpenPart } from "../config/access-settings.ts";
import { type Credential, readCredentials } from "../config/credentials.ts";
import { type Config, SETTINGS } from "../config/schema.ts";
import { readTlsFiles } from "../config/tls-files.ts";
import { CodedError } from "../error.ts";
import { type AccessRules, READERS_ALONE, readAccessFile } from "./access-file.ts";
import { type ApiKey, readApiKeys } from "./api-keys.ts";
import { readKeyFile } from "./jwks.ts";
import type { JwtAccess } from "./jwt.ts";
import { type PasswordHash, readPasswords } from "./password-hashes.ts";

/** What one listener asks for. */
export interface Access {
  keys: readonly ApiKey[];
  /** The names and hashes of PASSWORDS_FILE. */
  passwords: readonly PasswordHash[];
  /** The names of FLIGHT_CREDENTIALS. */
  credentials: readonly Credential[];
  /** How long a token that Handshake gives is valid, and how many one name has at once. */
  tokenTtlMs: number;
  tokensMax: number;
  /** Absent: JWTs are not accepted. */
  jwt?: JwtAccess;
  rules: AccessRules;
  /** For names that the rules give no pace of their own; 0: no limit. */
  bytesPerSecondMax: number;
  open: readonly OpenPart[];
}

/** For each listener what it asks for; undefined where everybody may call. */
export interface ListenerAccess {
  control: Access | undefined;
  flight: Access | undefined;
  http: Access | undefined;
}

const NO_FILES = { cert: { setting: "", path: "" }, key: { setting: "", path: "" } };

/** Which listeners ask who is calling, by their settings; no file is read. */
export function asksWho(config: AccessConfig): Record<keyof ListenerAccess, boolean> {
  const { apiKeysFile, passwordsFile, jwtIssuer, flightCredentials, tlsClientCaFile, accessFile } = config;
  const byCertificate = tlsClientCaFile !== "" && accessFile !== "";
  const everywhere = apiKeysFile !== "" || passwordsFile !== "" || jwtIssuer !== "" || byCertificate;
  const flightOnly = flightCredentials.file !== undefined || flightCredentials.credentials.length > 0;
  return { control: everywhere, flight: everywhere || flightOnly, http: everywhere };
}

type AccessConfig = Pick<
  Config,
  | ("apiKeysFile" | "passwordsFile" | "accessFile" | "accessOpen" | "nameBytesPerSecondMax")
  | ("jwtIssuer" | "jwtAudience" | "jwtJwksUrl" | "jwtKeyFile" | "jwtCaFile" | "jwtRoleClaim")
  | "tlsClientCaFile"
  | ("flightCredentials" | "flightTokenTtlMs" | "flightTokensMax")
>;

/**
 * Reads the files that the settings name. FLIGHT_CREDENTIALS are for Flight alone; everything else is for all listeners.
 * @throws CodedError INVALID_ARGUMENT / CREDENTIALS_FILE, ACCESS_FILE, TLS_FILE, CONFIG_INVALID
 */
export function readAccess(config: AccessConfig): ListenerAccess {
  const { apiKeysFile, passwordsFile, accessFile, accessOpen } = config;
  const flightOnly = readCredentials(config.flightCredentials, SETTINGS.flightCredentials.env);
  const access: Access = {
    keys: apiKeysFile === "" ? [] : readApiKeys(SETTINGS.apiKeysFile.env, apiKeysFile),
    passwords: passwordsFile === "" ? [] : readPasswords(SETTINGS.passwordsFile.env, passwordsFile),
    credentials: [],
    tokenTtlMs: config.flightTokenTtlMs,
    tokensMax: config.flightTokensMax,
    jwt: readJwt(config),
    rules: accessFile === "" ? READERS_ALONE : readAccessFile(accessFile),
    bytesPerSecondMax: config.nameBytesPerSecondMax,
    open: accessOpen,
  };
  const everywhere = asksWho(config).control ? access : undefined;
  if (accessFile !== "" && everywhere === undefined && flightOnly.length === 0) {
    throw new CodedError(
      "INVALID_ARGUMENT",
      "ACCESS_FILE",
      "ACCESS_FILE gives roles to names, and no setting says who has a name: set API_KEYS_FILE, PASSWORDS_FILE, JWT_ISSUER or TLS_CLIENT_CA_FILE too",
    );
  }
  const flight = everywhere ?? { ...access, open: [...accessOpen, "reflection"] }; // as open as ever
  return {
    control: everywhere,
    http: everywhere,
    flight: flightOnly.length === 0 ? everywhere : { ...flight, credentials: flightOnly },
  };
}

function readJwt({
  jwtIssuer,
  jwtAudience,
  jwtJwksUrl,
  jwtKeyFile,
  jwtCaFile,
  jwtRoleClaim,
}: AccessConfig): JwtAccess | undefined {
  const wrong = (what: string) => new CodedError("INVALID_ARGUMENT", "CONFIG_INVALID", what);
  if (jwtIssuer === "") {
    if (jwtAudience + jwtJwksUrl + jwtKeyFile + jwtCaFile + jwtRoleClaim === "") return undefined;
    throw wrong("JWT_ISSUER is missing: the other settings of JWTs need it");
  }
  if (jwtAudience === "") throw wrong("JWT_AUDIENCE is missing: set it beside JWT_ISSUER");
  if ((jwtJwksUrl === "") === (jwtKeyFile === "")) {
    throw wrong("JWT_ISSUER needs the issuer's keys: set one of JWT_JWKS_URL and JWT_KEY_FILE");
  }
  if (jwtCaFile !== "" && !jwtJwksUrl.startsWith("https:")) {
    throw wrong("JWT_CA_FILE is for a JWT_JWKS_URL that begins with https: take it out, or set such a URL");
  }
  const { ca } = readTlsFiles({ ...NO_FILES, ca: { setting: SETTINGS.jwtCaFile.env, path: jwtCaFile } });
  const keys = jwtJwksUrl === "" ? readKeyFile(SETTINGS.jwtKeyFile.env, jwtKeyFile) : jwtJwksUrl;
  return { issuer: jwtIssuer, audience: jwtAudience, keys, ca, roleClaim: jwtRoleClaim };
}
