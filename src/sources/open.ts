/** From what a user names (config/source-endpoint.ts reads the text) to the source that it means. */

import { dialTarget } from "../config/address.ts";
import type { SourceEndpoint } from "../config/source-endpoint.ts";
import { LocalLake } from "./lake/local-lake.ts";
import { RawLedgerSource } from "./raw-ledger/raw-ledger-grpc.ts";
import { RepeatingSource } from "./repeating.ts";
import type { LedgerSource } from "./source.ts";

/**
 * Opens a source. A lake is looked at here; a service is connected to when it is read.
 * @throws CodedError as LocalLake.open, RepeatingSource.open
 */
export async function openSource(endpoint: SourceEndpoint): Promise<LedgerSource> {
  switch (endpoint.kind) {
    case "lake":
      return LocalLake.open(endpoint.path);
    case "repeat":
      return RepeatingSource.open(endpoint.path, { reuse: true }); // an object is in a ring before the next is read
    case "grpc":
      return new RawLedgerSource(dialTarget(endpoint.address));
  }
}
