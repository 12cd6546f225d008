/** A server that asks who is calling, and raw calls of any method by any caller. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as grpc from "@grpc/grpc-js";
import { exportSPKI, generateKeyPair, type JWTPayload, SignJWT } from "jose";
import { type ControlClient, connectControl } from "../../src/control/client.ts";
import { FlightClient } from "../../src/flight-client/client.ts";
import { newApiKey } from "../../src/security/api-keys.ts";
import { passwordLine } from "../../src/security/password-hashes.ts";
import { type Processor, SAMPLE, startProcessor } from "../support/processor.ts";

export const CONTRACT = "CDLZFC3SYJYDZT7K67VZ75HPJVIEUVNIXF47ZG2FB2RMQQVU2HHGCYSC";
export const OTHER_CONTRACT = "CAS3J7GYLGXMF6TDJBBYYSE3HQ6BBSMLNUQ34T6TZMYMW2EVH34XOWMA";

export const ISSUER = "https://issuer.example";
export const AUDIENCE = "contract-data";

/** Bytes a second of "slow-reader". */
export const SLOW_READER_PACE = 128 << 10;

/** The names that tests use, with what ACCESS_FILE gives to them. */
const NAMES = {
  reader: { role: "reader" },
  "some-reader": { role: "reader", sessions: ["team=a"], contract_ids: [CONTRACT] },
  operator: { role: "operator" },
  "some-operator": { role: "operator", sessions: ["team=a"] },
  admin: { role: "admin", bytes_per_second_max: 2 ** 30 },
  "small-operator": { role: "operator", streams_max: 2, ranges_max: 1, sessions_max: 1 },
  "slow-reader": { role: "reader", bytes_per_second_max: SLOW_READER_PACE },
} as const;
/** One of NAMES, or a name that ACCESS_FILE does not have. */
export type Name = keyof typeof NAMES | "unlisted";
const ALL_NAMES: readonly Name[] = [...(Object.keys(NAMES) as (keyof typeof NAMES)[]), "unlisted"];

export interface GuardedServer {
  processor: Processor;
  folder: string;
  /** What it was started with. */
  env: Record<string, string>;
  keys: Record<Name, string>;
  passwords: Record<Name, string>;
  /** Clients with the name's key; `close` closes them. */
  control(name: Name): ControlClient;
  flight(name: Name): FlightClient;
  /** A JWT of the issuer that the server trusts. */
  jwt(claims: JWTPayload): Promise<string>;
  close(): Promise<void>;
}

/** Writes the files of credentials, and starts `serve` on the sample with them. */
export async function startGuarded(env: Record<string, string> = {}): Promise<GuardedServer> {
  const folder = mkdtempSync(join(tmpdir(), "access-"));
  const made = ALL_NAMES.map((name) => [name, newApiKey(name)] as const);
  const settings = {
    API_KEYS_FILE: join(folder, "api-keys"),
    JWT_ISSUER: ISSUER,
    JWT_AUDIENCE: AUDIENCE,
    JWT_KEY_FILE: join(folder, "issuer.pem"),
    PASSWORDS_FILE: join(folder, "passwords"),
    ACCESS_FILE: join(folder, "access.json"),
    DATA_DIR: join(folder, "data"),
    INCLUDE_DELETED: "true",
    SOURCE_ENDPOINT: SAMPLE.folder,
    ...env,
  };
  writeFileSync(settings.API_KEYS_FILE, made.map(([, { line }]) => `${line}\n`).join(""));
  const passwords = ALL_NAMES.map((name) => [name, `pass:word of ${name}`] as const);
  const lines = await Promise.all(passwords.map(([name, password]) => passwordLine(name, password)));
  writeFileSync(settings.PASSWORDS_FILE, `${lines.join("\n")}\n`);
  const issuer = await generateKeyPair("ES256");
  writeFileSync(settings.JWT_KEY_FILE, await exportSPKI(issuer.publicKey));
  writeFileSync(settings.ACCESS_FILE, JSON.stringify({ names: NAMES }));
  const processor = await startProcessor([], { env: settings });
  const keys = Object.fromEntries(made.map(([name, { key }]) => [name, key])) as Record<Name, string>;
  const clients: { close(): void }[] = [];
  const opened = <T extends { close(): void }>(client: T): T => {
    clients.push(client);
    return client;
  };
  return {
    processor,
    folder,
    env: settings,
    keys,
    control: (name) => opened(connectControl(processor.control, { token: keys[name] })),
    flight: (name) => opened(new FlightClient(processor.flight, { token: keys[name] })),
    passwords: Object.fromEntries(passwords) as Record<Name, string>,
    jwt: (claims) =>
      new SignJWT(claims)
        .setProtectedHeader({ alg: "ES256" })
        .setIssuer(ISSUER)
        .setAudience(AUDIENCE)
        .setExpirationTime("1h")
        .sign(issuer.privateKey),
    async close() {
      for (const client of clients) client.close();
      await processor.stop();
      rmSync(folder, { recursive: true });
    },
  };
}

interface RawEnd {
  /** Name of the status; OK also for a call that has begun to answer. */
  code: string;
  reason: string;
  message: string;
}

/** Calls a method with one message of these bytes, whatever kind it is, until it answers anything. */
export function rawCall(
  client: grpc.Client,
  path: string,
  headers: Record<string, string>,
  message: Uint8Array = new Uint8Array(0),
): Promise<RawEnd> {
  const metadata = new grpc.Metadata();
  for (const [name, value] of Object.entries(headers)) metadata.set(name, value);
  const bytes = (value: Uint8Array) => Buffer.from(value);
  const call = client.makeBidiStreamRequest(`/${path}`, bytes, bytes, metadata, { deadline: Date.now() + 20_000 });
  return new Promise((resolve) => {
    call.on("data", () => {
      resolve({ code: "OK", reason: "", message: "" });
      call.cancel();
    });
    call.on("error", () => {});
    call.on("status", ({ code, details, metadata: trailers }) => {
      resolve({ code: grpc.status[code]!, reason: String(trailers.get("reason")[0] ?? ""), message: details });
    });
    call.write(message);
    call.end();
  });
}

export const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
export const basic = (name: string, password: string) => ({
  authorization: `Basic ${Buffer.from(`${name}:${password}`).toString("base64")}`,
});
