/** What the settings say of the cluster, for whoever takes part in it: a server, a worker, a command. */
import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import { type ConfigInputs, loadConfig } from "../config/load.ts";
import type { NatsServers } from "../config/nats-servers.ts";
import { readOutgoingTls } from "../config/outgoing-tls.ts";
import type { Config } from "../config/schema.ts";
import type { OutgoingTls } from "../config/tls-files.ts";
import { CodedError } from "../error.ts";

/** The settings that `clusterPlace` looks at. */
const CLUSTER_KEYS = [
  "cluster",
  "clusterCredentialsFile",
  "clusterName",
  "nodeName",
  "clusterLeaseMs",
  "clusterReplicas",
  "clusterCaFile",
  "clusterCertFile",
  "clusterKeyFile",
] as const;

type ClusterConfig = Pick<Config, (typeof CLUSTER_KEYS)[number]>;

/** Where the cluster's NATS is, and what this node is in it. */
export interface ClusterPlace {
  nats: NatsServers;
  /** Absent: TLS only where the server asks for it or offers it, with the public authorities. */
  tls?: OutgoingTls;
  /** What a .creds file holds; absent: `nats.login`. */
  credentials?: Uint8Array;
  /** Begins the name of each stream and bucket. */
  name: string;
  /** For people. */
  nodeName: string;
  leaseMs: number;
  /** How many servers of NATS keep each stream and bucket. */
  replicas: number;
}

/**
 * Undefined where CLUSTER is not set.
 * @throws CodedError INVALID_ARGUMENT / TLS_FILE or CREDENTIALS_FILE with the setting and the file
 */
export function clusterPlace(config: ClusterConfig): ClusterPlace | undefined {
  const { cluster: nats } = config;
  if (nats === "") return undefined;
  return {
    nats,
    tls: readOutgoingTls(config, "cluster") ?? (nats.tls ? {} : undefined),
    credentials: credentialsOf(config.clusterCredentialsFile),
    name: config.clusterName,
    nodeName: config.nodeName || hostname().replaceAll(/[^A-Za-z0-9_-]/g, "-"),
    leaseMs: config.clusterLeaseMs,
    replicas: config.clusterReplicas,
  };
}

/** For commands that take no settings but those of the environment. @throws CodedError as loadConfig and `clusterPlace` */
export function environmentCluster(env: NonNullable<ConfigInputs["env"]>): ClusterPlace | undefined {
  return clusterPlace(loadConfig({ env }, CLUSTER_KEYS).values);
}

function credentialsOf(file: string): Uint8Array | undefined {
  if (file === "") return undefined;
  const wrong = (what: string, cause?: unknown) =>
    new CodedError("INVALID_ARGUMENT", "CREDENTIALS_FILE", `CLUSTER_CREDENTIALS_FILE: the file ${file} ${what}`, {
      cause,
    });
  let content: Uint8Array;
  try {
    content = readFileSync(file);
  } catch (thrown) {
    throw wrong(`cannot be read (${(thrown as NodeJS.ErrnoException).code ?? "unknown"})`, thrown);
  }
  const text = new TextDecoder().decode(content);
  if (/BEGIN NATS USER JWT/.test(text) && /BEGIN USER NKEY SEED/.test(text)) return content;
  throw wrong("is no NATS credentials file: it needs a user's JWT and nkey seed, as `nsc generate creds` writes them");
}
