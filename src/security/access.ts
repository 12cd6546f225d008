/** All that decides who may call, as the settings and their files give it. It crosses threads as it is. */
import type { OpenPart } from "../config/access-settings.ts";
import { type Credential, readCredentials } from "../config/credentials.ts";
import { type Config, SETTINGS } from "../config/schema.ts";
import { CodedError } from "../error.ts";
import { type AccessRules, READERS_ALONE, readAccessFile } from "./access-file.ts";
import { type ApiKey, readApiKeys } from "./api-keys.ts";
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
  rules: AccessRules;
  open: readonly OpenPart[];
}

/** For each listener what it asks for; undefined where everybody may call. */
export interface ListenerAccess {
  control: Access | undefined;
  flight: Access | undefined;
  http: Access | undefined;
}

/** Which listeners ask who is calling, by their settings; no file is read. */
export function asksWho({
  apiKeysFile,
  passwordsFile,
  flightCredentials,
}: AccessConfig): Record<keyof ListenerAccess, boolean> {
  const everywhere = apiKeysFile !== "" || passwordsFile !== "";
  const flightOnly = flightCredentials.file !== undefined || flightCredentials.credentials.length > 0;
  return { control: everywhere, flight: everywhere || flightOnly, http: everywhere };
}

type AccessConfig = Pick<
  Config,
  | "apiKeysFile"
  | "passwordsFile"
  | "accessFile"
  | "accessOpen"
  | "flightCredentials"
  | "flightTokenTtlMs"
  | "flightTokensMax"
>;

/**
 * Reads the files that the settings name. FLIGHT_CREDENTIALS are for Flight alone; everything else is for all listeners.
 * @throws CodedError INVALID_ARGUMENT / CREDENTIALS_FILE, ACCESS_FILE
 */
export function readAccess(config: AccessConfig): ListenerAccess {
  const { apiKeysFile, accessFile, accessOpen, flightTokenTtlMs: tokenTtlMs, flightTokensMax: tokensMax } = config;
  const keys = apiKeysFile === "" ? [] : readApiKeys(SETTINGS.apiKeysFile.env, apiKeysFile);
  const { passwordsFile } = config;
  const passwords = passwordsFile === "" ? [] : readPasswords(SETTINGS.passwordsFile.env, passwordsFile);
  const flightOnly = readCredentials(config.flightCredentials, SETTINGS.flightCredentials.env);
  const rules = accessFile === "" ? READERS_ALONE : readAccessFile(accessFile);
  const access: Access = { keys, passwords, credentials: [], tokenTtlMs, tokensMax, rules, open: accessOpen };
  const everywhere = asksWho(config).control ? access : undefined;
  if (accessFile !== "" && everywhere === undefined && flightOnly.length === 0) {
    throw new CodedError(
      "INVALID_ARGUMENT",
      "ACCESS_FILE",
      "ACCESS_FILE gives roles to names, and no setting says who has a name: set API_KEYS_FILE or PASSWORDS_FILE too",
    );
  }
  const flight = everywhere ?? { ...access, open: [...accessOpen, "reflection"] }; // as open as ever
  return {
    control: everywhere,
    http: everywhere,
    flight: flightOnly.length === 0 ? everywhere : { ...flight, credentials: flightOnly },
  };
}
