/** A NATS whose callers log in by JWT and key, as `nsc` sets one up: configuration lines, and the .creds file of a user. */
import { nkeys } from "@nats-io/transport-node";

type Keys = ReturnType<typeof nkeys.createAccount>;

const UNLIMITED = { subs: -1, data: -1, payload: -1 };
const ACCOUNT_LIMITS = { ...UNLIMITED, imports: -1, exports: -1, wildcards: true, conn: -1, leaf: -1 };
const JETSTREAM = { mem_storage: -1, disk_storage: -1, streams: -1, consumer: -1 };

/** @returns for NatsServer.start, and the content of a .creds file */
export function natsAccounts(): { config: string; creds: string } {
  const [operator, system, account, user] = [
    nkeys.createOperator(),
    nkeys.createAccount(),
    nkeys.createAccount(),
    nkeys.createUser(),
  ];
  const preload = [
    [system, claims(operator, system, "SYS", { type: "account", limits: ACCOUNT_LIMITS })],
    [account, claims(operator, account, "nodes", { type: "account", limits: { ...ACCOUNT_LIMITS, ...JETSTREAM } })],
  ] as const;
  const config = [
    `operator: "${claims(operator, operator, "operator", { type: "operator" })}"`,
    `system_account: ${system.getPublicKey()}`,
    "resolver: MEMORY",
    `resolver_preload: { ${preload.map(([keys, jwt]) => `${keys.getPublicKey()}: "${jwt}"`).join(", ")} }`,
  ].join("\n");
  const jwt = claims(account, user, "node", { type: "user", pub: {}, sub: {}, ...UNLIMITED });
  const seed = new TextDecoder().decode(user.getSeed());
  return { config, creds: `${armoured("NATS USER JWT", jwt)}\n${armoured("USER NKEY SEED", seed)}` };
}

function armoured(name: string, content: string): string {
  return `-----BEGIN ${name}-----\n${content}\n------END ${name}------\n`;
}

/** A JWT of `of`, signed by `by`. */
function claims(by: Keys, of: Keys, name: string, nats: object): string {
  const base64 = (content: string | Uint8Array) => Buffer.from(content).toString("base64url");
  const body = {
    ...{ jti: of.getPublicKey(), iat: Math.floor(Date.now() / 1000), iss: by.getPublicKey(), name },
    ...{ sub: of.getPublicKey(), nats: { version: 2, ...nats } },
  };
  const text = `${base64('{"typ":"JWT","alg":"ed25519-nkey"}')}.${base64(JSON.stringify(body))}`;
  return `${text}.${base64(by.sign(Buffer.from(text)))}`;
}
