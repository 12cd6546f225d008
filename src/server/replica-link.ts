/** The server's replicated sessions, over the records of its cluster. */
import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import { unixNowMs } from "../base/unix-time.ts";
import type { ClusterConnection } from "../cluster/connection.ts";
import type { Address } from "../config/address.ts";
import { advertisedAddress } from "../config/advertised.ts";
import type { Replicas } from "../sessions/replicas.ts";

/** Where this node listens, ports as they are in use. */
interface Listening {
  control: Address;
  flight: Address & { tls: boolean };
}

const BUCKET = "sessions";

/** Begins to look for sessions of the cluster, and to take up those that no node runs. `Replicas.close` ends it. */
export async function keepReplicas(
  replicas: Replicas,
  connection: ClusterConnection,
  { control, flight }: Listening,
  advertisedHost: string,
): Promise<void> {
  const { NatsBucket } = await import("../cluster/nats-bucket.ts"); // NATS' client is loaded where it is used
  const { OwnedRecords } = await import("../cluster/owned-records.ts");
  const { nodeName, leaseMs } = connection.place;
  const shown = (address: Address) => advertisedAddress(address, advertisedHost, hostname());
  const self = {
    instance: randomUUID(),
    node: nodeName,
    control: shown(control),
    flight: `grpc+${flight.tls ? "tls" : "tcp"}://${shown(flight)}`,
  };
  const timers = {
    nowMs: unixNowMs,
    later(ms: number, call: () => void) {
      const timer = setTimeout(call, ms);
      return () => clearTimeout(timer);
    },
  };
  const records = new OwnedRecords(new NatsBucket(connection, BUCKET), self, leaseMs, replicas, timers);
  replicas.begin(records);
  records.start();
}
