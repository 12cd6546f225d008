/** What the control commands share: where the server is, and how its answers are printed. */
import { dialTarget, parseAddress } from "../config/address.ts";
import type { SettingType } from "../config/types.ts";
import { type ControlClient, connectControl } from "../control/client.ts";
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

/** Where the server is; the same flag for every control command. */
export const ADDRESS_FLAG = option({
  placeholder: "HOST:PORT",
  type: serverAddress,
  summary: `The server's control address. Default: ${ADDRESS_DEFAULT}, or GRPC_ADDRESS where that is set.`,
});
/** Machine-readable output; the same flag for every control command. */
export const JSON_FLAG = toggle({ summary: "Print one JSON object, with the names of the control API." });
/** How many arguments a command takes whose only one is a session id. */
export const SESSION_ARGUMENT = { min: 1, max: 1 } as const;

interface CallContext {
  flags: { address: string | undefined };
  env: Readonly<Record<string, string | undefined>>;
}

/** Runs `work` with a client for the server that the command line or the environment names. */
export async function withControl<T>(context: CallContext, work: (client: ControlClient) => Promise<T>): Promise<T> {
  const client = connectControl(context.flags.address ?? addressOf(context.env.GRPC_ADDRESS) ?? ADDRESS_DEFAULT);
  try {
    return await work(client);
  } finally {
    client.close();
  }
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
