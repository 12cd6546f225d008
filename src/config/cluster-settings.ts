/** The settings of several nodes that work together, by way of NATS JetStream. */
import { natsServers } from "./nats-servers.ts";
import { outgoingTlsSettings } from "./outgoing-tls.ts";
import { setting } from "./setting.ts";
import { duration, integer, text, word } from "./types.ts";

const REPLICAS_MAX = 5; // JetStream's own limit
const LEASE_MS_MIN = 1000; // what JetStream's clearing of expired keys resolves
const LEASE_MS_MAX = 600_000; // a dead node is in answers for so long

/** See schema.ts. */
export const CLUSTER_SETTINGS = {
  cluster: setting({
    env: "CLUSTER",
    group: "Cluster",
    type: natsServers,
    default: "",
    defaultNote: "none: this node works alone",
    secret: true,
    description:
      "The NATS with JetStream by which nodes know each other: nats://host:port, or tls:// where it has to be TLS, with user:password@ or token@ in front of the host where NATS asks for it; several servers of one NATS separated by commas. Nothing waits for it: a NATS that is away is tried again, and the node works alone until it is there. A command line shows in the list of processes: prefer the environment (docs/cluster.md).",
    example: "nats://nats-0:4222,nats-1:4222,nats-2:4222",
  }),
  clusterCredentialsFile: setting({
    env: "CLUSTER_CREDENTIALS_FILE",
    group: "Cluster",
    type: text,
    default: "",
    defaultNote: "none",
    description:
      "NATS credentials file (.creds, with a JWT and a key) to log in to NATS with, in place of what CLUSTER says.",
    example: "/etc/contract-data/nats.creds",
  }),
  clusterName: setting({
    env: "CLUSTER_NAME",
    group: "Cluster",
    type: word(32),
    default: "contract-data",
    description:
      "Nodes of one name work together. What they keep in JetStream is named after it, so that one NATS can serve several clusters, as of two networks.",
    example: "contract-data-pubnet",
  }),
  nodeName: setting({
    env: "NODE_NAME",
    group: "Cluster",
    type: word(63),
    default: "",
    defaultNote: "this machine's name",
    description: "How this node is called in lists of nodes. Each process adds an id of its own to it.",
    example: "node-1",
  }),
  clusterLeaseMs: setting({
    env: "CLUSTER_LEASE",
    group: "Cluster",
    type: duration(LEASE_MS_MIN, LEASE_MS_MAX),
    default: "10s",
    description:
      "How long a node counts as alive after it was last heard of, by the clock of NATS. It renews three times as often. All nodes need the same.",
    example: "5s",
  }),
  clusterReplicas: setting({
    env: "CLUSTER_REPLICAS",
    group: "Cluster",
    type: integer(1, REPLICAS_MAX),
    default: "1",
    description:
      "On how many servers of NATS each stream and bucket is kept: 3 where NATS has three servers or more. It counts when they are made.",
    example: "3",
  }),
  ...outgoingTlsSettings("cluster", "NATS"),
} as const;
