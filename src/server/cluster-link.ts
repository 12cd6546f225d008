/** The server as a node of a cluster; nothing where CLUSTER is not set. */
import type { ClusterConnection } from "../cluster/connection.ts";
import { clusterPlace } from "../cluster/place.ts";
import type { Config } from "../config/schema.ts";
import type { Logger } from "../ops/log.ts";
import type { Component } from "../ops/status.ts";

/** From the server's start to its end: what the other parts ask the cluster for. */
export class ClusterLink {
  private constructor(
    /** Undefined where CLUSTER is not set. */
    readonly connection: ClusterConnection | undefined,
  ) {}

  /** Begins to connect; does not wait for NATS. @throws CodedError INVALID_ARGUMENT / TLS_FILE or CREDENTIALS_FILE */
  static async open(config: Config, log: Logger): Promise<ClusterLink> {
    const place = clusterPlace(config);
    if (place === undefined) return new ClusterLink(undefined);
    const { ClusterConnection } = await import("../cluster/connection.ts"); // NATS' client is loaded where it is used
    return new ClusterLink(new ClusterConnection(place, log));
  }

  /** The component of /health: advisory, for the node works alone where NATS is away. */
  component(): Component[] {
    if (this.connection === undefined) return [];
    const { well, message } = this.connection.condition;
    return [{ name: "cluster", healthy: true, ready: well, message, advisory: true }];
  }

  async close(): Promise<void> {
    await this.connection?.close();
  }
}
