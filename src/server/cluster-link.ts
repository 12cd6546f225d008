/** The server as a node of a cluster; alone where CLUSTER is not set. */
import { createHash, createHmac, randomBytes } from "node:crypto";
import { hostname } from "node:os";
import { onCancelled, tellCancelled } from "../cluster/cancelled-flights.ts";
import type { ClusterConnection } from "../cluster/connection.ts";
import type { Membership } from "../cluster/membership.ts";
import type { NodeLoad, NodeRecord } from "../cluster/node-record.ts";
import { clusterPlace } from "../cluster/place.ts";
import type { Address } from "../config/address.ts";
import { advertisedAddress } from "../config/advertised.ts";
import type { Config } from "../config/schema.ts";
import { VERSION } from "../config/version.ts";
import type { ListNodesResponse } from "../grpc/generated/control.ts";
import type { Init } from "../grpc/service.ts";
import type { Logger } from "../ops/log.ts";
import type { Component } from "../ops/status.ts";
import { ticketKey } from "../security/ticket-key.ts";
import { sessionDefaultsOf } from "./session-defaults.ts";

const ID_BYTES = 4; // beside the node's name: told apart from its earlier lives, and from others of that name

interface Listening {
  control: Address;
  flight: Address & { tls: boolean };
}

/** From the server's start to its end: what the other parts ask the cluster for. */
export class ClusterLink {
  private membership: Membership | undefined;

  private constructor(
    private readonly config: Config,
    private readonly log: Logger,
    /** Undefined where CLUSTER is not set. */
    readonly connection: ClusterConnection | undefined,
  ) {}

  /** Begins to connect; does not wait for NATS. @throws CodedError INVALID_ARGUMENT / TLS_FILE or CREDENTIALS_FILE */
  static async open(config: Config, log: Logger): Promise<ClusterLink> {
    const place = clusterPlace(config);
    if (place === undefined) return new ClusterLink(config, log, undefined);
    const { ClusterConnection } = await import("../cluster/connection.ts"); // NATS' client is loaded where it is used
    return new ClusterLink(config, log, new ClusterConnection(place, log));
  }

  /**
   * Registers with the others, now that the ports are known.
   * @param network of the ledgers, a passphrase
   * @param asksWho whether Flight asks callers who they are, so that tickets are signed
   */
  async join(listening: Listening, network: string, asksWho: boolean, load: () => NodeLoad): Promise<void> {
    const { config, connection, log } = this;
    if (connection === undefined) return;
    const { Membership } = await import("../cluster/membership.ts");
    const shown = (address: Address) => advertisedAddress(address, config.advertisedHost, hostname());
    const key = asksWho ? ticketKey(config.dataDir, config.ticketKeyFile) : undefined;
    const self: Omit<NodeRecord, "load"> = {
      id: `${connection.place.nodeName}-${randomBytes(ID_BYTES).toString("hex")}`,
      name: connection.place.nodeName,
      flight: `grpc+${listening.flight.tls ? "tls" : "tcp"}://${shown(listening.flight)}`,
      control: shown(listening.control),
      ...{ version: VERSION, network, rows: rowsDigest(config) },
      ticketKey: key === undefined ? "" : digestOf(createHmac("sha256", key).update("cluster").digest()),
      startedUnixMs: Date.now(),
    };
    this.membership = new Membership(connection, self, load, log);
  }

  /** The component of /health: advisory, for the node works alone where NATS is away. */
  component(): Component[] {
    if (this.connection === undefined) return [];
    const { well, message } = (this.membership ?? this.connection).condition;
    return [{ name: "cluster", healthy: true, ready: well, message, advisory: true }];
  }

  /** The Flight servers of all live nodes, this one first; none where it is the only one. */
  flightLocations(): string[] {
    const nodes = this.membership?.nodes ?? [];
    return nodes.length < 2 ? [] : nodes.map(({ flight }) => flight);
  }

  /** Tells the other nodes of flights that were cancelled here. */
  tellCancelled(flights: readonly string[]): void {
    if (this.connection !== undefined) tellCancelled(this.connection, flights);
  }

  /** Calls `cancel` with the flights that any node has told of. */
  onCancelled(cancel: (flights: string[]) => void): void {
    if (this.connection !== undefined) onCancelled(this.connection, cancel);
  }

  /** What the control plane and the console show. */
  list(): Init<ListNodesResponse> {
    const { connection, membership } = this;
    if (connection === undefined) return { message: "this node works alone: CLUSTER is not set" };
    return {
      cluster: connection.place.name,
      message: (membership ?? connection).condition.message,
      nodes: membership?.nodes.map((node) => ({
        ...{ nodeId: node.id, name: node.name, flightLocation: node.flight, controlAddress: node.control },
        ...{ version: node.version, network: node.network, startedAtMs: node.startedUnixMs, ...node.load },
        ...{ silentMs: node.silentMs, self: node.isSelf },
      })),
    };
  }

  /** Gauges: undefined where CLUSTER is not set. */
  get counts(): { nodes: number; isMember: boolean } | undefined {
    const { membership } = this;
    if (this.connection === undefined) return undefined;
    return { nodes: membership?.nodes.length ?? 0, isMember: membership?.condition.well === true };
  }

  /** Others know at once that it has gone. */
  async leave(): Promise<void> {
    await this.membership?.close();
  }

  async close(): Promise<void> {
    await this.leave();
    await this.connection?.close();
  }
}

/** Nodes with other settings of these would answer a ticket with other rows. */
function rowsDigest(config: Config): string {
  const { compat, onError } = config;
  const { filter, knownAssets, dictionaries } = sessionDefaultsOf(config);
  return digestOf(JSON.stringify([compat, onError, filter, [...knownAssets].sort(), dictionaries]));
}

function digestOf(content: string | Uint8Array): string {
  return createHash("sha256").update(content).digest("base64url").slice(0, 16);
}
