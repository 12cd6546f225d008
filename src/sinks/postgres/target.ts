/** Which PostgreSQL database a sink fills, and as whom: from a URL, or from the DB_… variables of the original's consumer. */
import { parsePort } from "../../config/address.ts";
import { readTlsFiles, type TlsFile } from "../../config/tls-files.ts";
import { CodedError } from "../../error.ts";

const PORT = 5432;
const CONNECT_MS_MAX = 10_000;
const KEEPALIVE_MS = 10_000; // until the first probe of a connection on which nothing comes
const MODES = ["disable", "require", "verify-ca", "verify-full"];
const PARAMETERS = ["host", "sslmode", "sslrootcert", "sslcert", "sslkey"];

/** What `pg` connects with, and how the database is called in sentences (without the password). */
export interface PostgresTarget {
  config: {
    /** A name, an address, or the folder of a Unix socket. */
    host: string;
    port: number;
    database: string;
    user?: string;
    password?: string;
    ssl: false | { rejectUnauthorized?: boolean; checkServerIdentity?(): undefined; ca?: string[] };
    keepAlive: boolean;
    keepAliveInitialDelayMillis: number;
    connectionTimeoutMillis: number;
    application_name: string;
  };
  shown: string;
}

interface Parts {
  host: string;
  port: number;
  database: string;
  user?: string;
  password?: string;
  sslmode: string;
  tls: Record<"ca" | "cert" | "key", TlsFile>;
}

type Env = Readonly<Record<string, string | undefined>>;

/**
 * @param url `postgres://user:password@host:port/database?sslmode=…`; absent: DB_HOST, DB_PORT, DB_NAME, DB_USER, DB_PASSWORD
 * and DB_SSLMODE say it. DB_CA_FILE, DB_CERT_FILE and DB_KEY_FILE count for both, where the URL names no files.
 * @throws CodedError INVALID_ARGUMENT / SINK_TARGET, TLS_FILE
 */
export function targetOf(url: string | undefined, env: Env): PostgresTarget {
  const { sslmode, tls, ...parts } = url === undefined ? partsOfEnv(env) : partsOfUrl(url, env);
  const { user, host, port, database } = parts;
  return {
    config: {
      ...parts,
      ssl: sslOf(sslmode, tls),
      keepAlive: true, // a machine that is gone is noticed
      keepAliveInitialDelayMillis: KEEPALIVE_MS,
      connectionTimeoutMillis: CONNECT_MS_MAX,
      application_name: "contract-data-processor",
    },
    shown: `postgres://${user === undefined ? "" : `${user}@`}${host}:${port}/${database}`,
  };
}

function partsOfUrl(text: string, env: Env): Parts {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^postgres(ql)?:$/.test(url.protocol)) {
    throw wrong("--url has to be like postgres://user:password@host:5432/database");
  }
  const given = url.searchParams;
  const unknown = [...given.keys()].find((name) => !PARAMETERS.includes(name));
  if (unknown !== undefined) throw wrong(`--url has the parameter ${unknown}: ${PARAMETERS.join(", ")} are accepted`);
  const database = decoded(url.pathname.slice(1));
  if (database === "") throw wrong("--url names no database: postgres://user:password@host:5432/database is accepted");
  const file = (name: string, setting: string): TlsFile =>
    given.has(name) ? { setting: `--url's ${name}`, path: given.get(name)! } : { setting, path: env[setting] ?? "" };
  return {
    host: given.get("host") ?? (url.hostname.replace(/^\[|\]$/g, "") || "localhost"),
    port: url.port === "" ? PORT : Number(url.port),
    database,
    user: url.username === "" ? undefined : decoded(url.username),
    password: url.password === "" ? undefined : decoded(url.password),
    sslmode: given.get("sslmode") ?? "disable",
    tls: {
      ca: file("sslrootcert", "DB_CA_FILE"),
      cert: file("sslcert", "DB_CERT_FILE"),
      key: file("sslkey", "DB_KEY_FILE"),
    },
  };
}

function partsOfEnv(env: Env): Parts {
  const port = parsePort(env.DB_PORT || String(PORT));
  if (!port) throw wrong(`DB_PORT is ${JSON.stringify(env.DB_PORT)}: a port from 1 to 65535 is accepted`);
  const file = (setting: string): TlsFile => ({ setting, path: env[setting] ?? "" });
  return {
    host: env.DB_HOST || "localhost",
    port,
    database: env.DB_NAME || "stellar_contracts",
    user: env.DB_USER || "postgres",
    password: env.DB_PASSWORD || undefined,
    sslmode: env.DB_SSLMODE || "disable",
    tls: { ca: file("DB_CA_FILE"), cert: file("DB_CERT_FILE"), key: file("DB_KEY_FILE") },
  };
}

/** libpq's modes: `require` encrypts and trusts any certificate, `verify-ca` asks for a known authority, `verify-full` for the host's name too. */
function sslOf(mode: string, tls: Parts["tls"]): PostgresTarget["config"]["ssl"] {
  if (!MODES.includes(mode)) throw wrong(`sslmode is ${JSON.stringify(mode)}: ${MODES.join(", ")} are accepted`);
  if (mode === "disable") return false;
  const files = readTlsFiles(tls);
  if (mode === "require") return { ...files, rejectUnauthorized: false };
  return mode === "verify-ca" ? { ...files, checkServerIdentity: () => undefined } : files;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw wrong("--url has a % that begins no escape: write it as %25");
  }
}

function wrong(sentence: string): CodedError {
  return new CodedError("INVALID_ARGUMENT", "SINK_TARGET", sentence);
}
