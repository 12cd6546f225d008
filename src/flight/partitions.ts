/** Which part of a session a ticket names. */

import type { HubStream } from "../delivery/hub-stream.ts";
import type { StreamPart } from "../delivery/stream-part.ts";
import { CodedError } from "../error.ts";
import { DATASET_DEFAULT, type Dataset } from "../vocabulary/dataset.ts";
import type { Partition } from "../vocabulary/partition.ts";

/** @throws CodedError FAILED_PRECONDITION / DATASET_OF_SESSION with the datasets that there are */
export function checkDataset({ opening: { id, datasets = [DATASET_DEFAULT] } }: HubStream, dataset: Dataset): void {
  if (datasets.includes(dataset)) return;
  throw new CodedError(
    "FAILED_PRECONDITION",
    "DATASET_OF_SESSION",
    `session ${id} was started with ${datasets.join(", ")}, and the request asks for ${dataset}: name one that it has, {"session":"${id}","dataset":"${datasets[0]}"}, or start a session with it`,
  );
}

/** @throws CodedError FAILED_PRECONDITION / PARTITION_OF_SESSION with the tickets that there are */
export function partOfStream(stream: HubStream, dataset: Dataset, shard: Partition | undefined): StreamPart {
  const { id, partitions: count } = stream.opening;
  if (shard?.count === count) return stream.partsOf(dataset)[shard?.index ?? 0]!;
  const asked = shard === undefined ? "names none" : `asks for one of ${shard.count}`;
  throw new CodedError(
    "FAILED_PRECONDITION",
    "PARTITION_OF_SESSION",
    count === undefined
      ? `session ${id} has no partitions, and the request ${asked}: leave shard out, or start a session with partitions`
      : `session ${id} is shared out to ${count} partitions, and the request ${asked}: read {"session":"${id}","shard":{"index":0,"count":${count}}} to index ${count - 1}, which GetFlightInfo answers with too`,
  );
}
