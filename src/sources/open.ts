/** From what a user names (config/source-endpoint.ts reads the text) to the source that it means. */

import { dialTarget } from "../config/address.ts";
import type { SourceEndpoint } from "../config/source-endpoint.ts";
import { Lake } from "./lake/lake.ts";
import { openStoreLake } from "./object-store/open-store.ts";
import { RawLedgerSource } from "./raw-ledger/raw-ledger-grpc.ts";
import { RepeatingSource } from "./repeating.ts";
import { RpcSource } from "./rpc/rpc-source.ts";
import type { LedgerSource } from "./source.ts";
import type { SourceAccess } from "./source-access.ts";

/**
 * Opens a source. A lake is looked at here; a service is connected to when it is read.
 * @throws CodedError as Lake.open, openStoreLake, RepeatingSource.open
 */
export async function openSource(endpoint: SourceEndpoint, access: SourceAccess): Promise<LedgerSource> {
  switch (endpoint.kind) {
    case "lake":
      return Lake.open(endpoint.path);
    case "store":
      return openStoreLake(endpoint.address, access);
    case "repeat":
      return RepeatingSource.open(endpoint.path, { reuse: true }); // an object is in a ring before the next is read
    case "rpc":
      return new RpcSource(endpoint.url, access.peer);
    case "grpc":
      return new RawLedgerSource(dialTarget(endpoint.address), { ...access.peer, isSecure: endpoint.tls });
  }
}
