/** The cluster's NATS for commands that take no settings but those of the environment. */
import { settlesWithin } from "../base/settles-within.ts";
import { ClusterConnection } from "../cluster/connection.ts";
import { environmentCluster } from "../cluster/place.ts";
import type { Logger } from "../ops/log.ts";

const CONNECT_MS_MAX = 2_000; // NATS that is there is reached in milliseconds; nothing needs it

/**
 * Connected where NATS has answered within 2 s; close it. Undefined where CLUSTER is not set.
 * @throws CodedError as `environmentCluster`
 */
export async function reachCluster(
  env: Readonly<Record<string, string | undefined>>,
  log: Logger,
): Promise<ClusterConnection | undefined> {
  const place = environmentCluster(env);
  if (place === undefined) return undefined;
  const connection = new ClusterConnection(place, log);
  await settlesWithin(new Promise<void>((there) => connection.onConnected(there)), CONNECT_MS_MAX);
  return connection;
}
