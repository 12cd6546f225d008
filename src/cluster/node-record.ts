/** What a node says of itself in the cluster's bucket, as JSON. */

const TEXT_LENGTH_MAX = 512; // addresses and passphrases; what is longer is no record of ours

/** What has to be equal for two nodes to answer for each other: each is compared, and named where it is not. */
interface NodeTerms {
  /** The program's: another one may make other rows. */
  version: string;
  /** Passphrase. */
  network: string;
  /** Digest of the settings that decide what rows there are. */
  rows: string;
  /** Digest of the key that tickets are signed with; empty where callers are not asked who they are. */
  ticketKey: string;
}

/** How busy a node is. */
export interface NodeLoad {
  /** Sessions that are STARTING, RUNNING or STOPPING. */
  sessions: number;
  /** DoGets that are being answered. */
  streams: number;
}

/** A node as others know it. */
export interface NodeRecord extends NodeTerms {
  /** One for each process. */
  id: string;
  /** For people. */
  name: string;
  /** `grpc+tcp://host:port` or `grpc+tls://host:port`, as others reach it. */
  flight: string;
  /** host:port of the control plane, as others reach it. */
  control: string;
  startedUnixMs: number;
  load: NodeLoad;
  /** Revision of its first record: the older of two that do not fit together stays. Absent: this is the first one. */
  since?: number;
}

/** A record with what NATS says of it. */
export interface StoredNode {
  record: NodeRecord;
  /** Revision of its first record. */
  since: number;
  /** When it was last renewed, by the clock of NATS, Unix milliseconds. */
  renewedUnixMs: number;
}

const TEXTS = ["id", "name", "flight", "control", "version", "network", "rows", "ticketKey"] as const;

/** The record; undefined for what is none. Whoever may write into the bucket may write anything. */
export function parseNodeRecord(text: string): NodeRecord | undefined {
  let value: Partial<NodeRecord> | null;
  try {
    value = JSON.parse(text) as Partial<NodeRecord> | null;
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null) return undefined;
  const record = value as NodeRecord;
  const isText = (each: unknown) => typeof each === "string" && each.length <= TEXT_LENGTH_MAX;
  const isCount = (each: unknown) => Number.isSafeInteger(each) && (each as number) >= 0;
  const { load, since } = record;
  if (!TEXTS.every((name) => isText(record[name])) || !/^grpc\+(tcp|tls):\/\/[^/]+$/.test(record.flight)) {
    return undefined;
  }
  if (!isCount(record.startedUnixMs) || !isCount(load?.sessions) || !isCount(load?.streams)) return undefined;
  return since === undefined || isCount(since) ? record : undefined;
}

const DIFFERENCES: Readonly<Record<keyof NodeTerms, (own: string, other: string) => string>> = {
  network: (own, other) => `it is of network "${other}", and this one of "${own}"`,
  version: (own, other) => `it has version ${other}, and this one ${own}`,
  rows: () => "its COMPAT, ON_ERROR, KNOWN_ASSETS, DICTIONARIES or FILTER_ settings are others than this one's",
  ticketKey: (own, other) =>
    own === "" || other === ""
      ? `${own === "" ? "it" : "this one"} asks callers who they are, and ${own === "" ? "this one" : "it"} does not`
      : "its tickets are signed with another key: give every node one TICKET_KEY_FILE",
};

/** Why the two cannot answer for each other, as a clause about the other one; undefined where they can. */
export function differenceOf(own: NodeTerms, other: NodeTerms): string | undefined {
  const name = (["network", "version", "rows", "ticketKey"] as const).find((each) => own[each] !== other[each]);
  return name === undefined ? undefined : DIFFERENCES[name](own[name], other[name]);
}
