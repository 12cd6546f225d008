/** What the control commands share: where the server is, and how its answers are printed. */
import { readFileSync } from "node:fs";
import { dialTarget, parseAddress } from "../config/address.ts";
import { type SettingType, text } from "../config/types.ts";
import { type ControlClient, connectControl } from "../control/client.ts";
import { clientTls, TLS_FLAGS, type TlsFlags } from "./client-tls.ts";
import { option, toggle } from "./flags.ts";
import { UsageError } from "./usage-error.ts";

const ADDRESS_DEFAULT = "127.0.0.1:50054"; // the control plane's default port, on this machine
const SESSION_ID_LENGTH_MAX = 64; // ids are UUIDs of 36 characters

const serverAddress: SettingType<string> = {
  name: "address",
  accepts: "host:port",
  parse(value) {
    const address = parseAddress(value);
    return address && address.port > 0 ? dialTarget(address) : undefined;
  },
};

/** File of an API key; every command that calls a server has the flag. */
export const TOKEN_FLAG = option({
  placeholder: "FILE",
  type: text,
  summary: "File of the API key or other bearer token to send. Default: ACCESS_TOKEN of the environment, or none.",
});
/** Where the server is, and how to connect; the same flags for every control command. */
export const SERVER_FLAGS = {
  address: option({
    placeholder: "HOST:PORT",
    type: serverAddress,
    summary: `The server's control address. Default: ${ADDRESS_DEFAULT}, or GRPC_ADDRESS where that is set.`,
  }),
  "token-file": TOKEN_FLAG,
  ...TLS_FLAGS,
};
/** Machine-readable output; the same flag for every control command. */
export const JSON_FLAG = toggle({ summary: "Print one JSON object, with the names of the control API." });
/** How many arguments a command takes whose only one is a session id. */
export const SESSION_ARGUMENT = { min: 1, max: 1 } as const;

interface CallContext {
  flags: { address: string | undefined; "token-file": string | undefined } & TlsFlags;
  env: Readonly<Record<string, string | undefined>>;
}

/** Runs `work` with a client for the server that the command line or the environment names. */
export async function withControl<T>(context: CallContext, work: (client: ControlClient) => Promise<T>): Promise<T> {
  const { flags, env } = context;
  const address = flags.address ?? addressOf(env.GRPC_ADDRESS) ?? ADDRESS_DEFAULT;
  const client = connectControl(address, { token: tokenOf(flags["token-file"], env), tls: clientTls(flags, env) });
  try {
    return await work(client);
  } finally {
    client.close();
  }
}

/**
 * The bearer token that calls carry: of the file, or of the environment; undefined where there is none.
 * @throws UsageError for a file that cannot be read, or that holds no token
 */
export function tokenOf(file: string | undefined, env: CallContext["env"]): string | undefined {
  if (file === undefined) return env.ACCESS_TOKEN || undefined;
  let token: string;
  try {
    token = readFileSync(file, "utf8").trim();
  } catch (thrown) {
    throw new UsageError(
      `--token-file ${file} cannot be read (${(thrown as NodeJS.ErrnoException).code ?? "unknown"})`,
    );
  }
  if (/^[\x21-\x7e]+$/.test(token)) return token;
  throw new UsageError(`--token-file ${file} has to hold one token on one line`);
}

function addressOf(variable: string | undefined): string | undefined {
  if (!variable) return undefined;
  const address = serverAddress.parse(variable);
  if (address === undefined) throw new UsageError(`GRPC_ADDRESS is ${JSON.stringify(variable)}: host:port is accepted`);
  return address;
}

/** The session id that stands as the only argument. */
export function sessionId(args: readonly string[]): string {
  const id = args[0] ?? "";
  if (id === "" || id.length > SESSION_ID_LENGTH_MAX) {
    throw new UsageError("the session id has to be the one that start printed");
  }
  return id;
}

/** Aligned `name  value` lines. */
export function columns(rows: readonly (readonly [string, string])[]): string {
  const width = Math.max(...rows.map(([name]) => name.length)) + 2;
  return rows.map(([name, value]) => `${name.padEnd(width)}${value}`).join("\n");
}

/** 1234567 → `1,234,567` */
export function grouped(count: number): string {
  return Math.round(count).toLocaleString("en-US");
}
