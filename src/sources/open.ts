/** From what a user names (config/source-endpoint.ts reads the text) to the source that it means. */

import { stat } from "node:fs/promises";
import { dialTarget, parseAddress } from "../config/address.ts";
import type { MemberEndpoint, SourceEndpoint } from "../config/source-endpoint.ts";
import { JoinSource } from "./join/join-source.ts";
import { Lake } from "./lake/lake.ts";
import { MetaFileSource } from "./meta/meta-file-source.ts";
import { META_WINDOW_BYTES_MAX, MetaSource } from "./meta/meta-source.ts";
import { PipeFeed } from "./meta/pipe-feed.ts";
import { TcpFeed } from "./meta/tcp-feed.ts";
import { openStoreLake } from "./object-store/open-store.ts";
import { RawLedgerSource } from "./raw-ledger/raw-ledger-grpc.ts";
import { RepeatingSource } from "./repeating.ts";
import { RpcSource } from "./rpc/rpc-source.ts";
import type { LedgerSource } from "./source.ts";
import type { SourceAccess } from "./source-access.ts";

/** Which sources have the network's newest ledgers at once; a lake has them minutes later. */
const IS_TIP: Readonly<Record<MemberEndpoint["kind"], boolean>> = {
  lake: false,
  store: false,
  repeat: false,
  rpc: true,
  meta: true,
  "meta+tcp": true,
  grpc: true,
};

/**
 * Opens a source. A lake is looked at here; a meta stream is read from now on; a service is connected to when it is read.
 * @param windowBytesMax what a meta stream keeps of its ledgers
 * @throws CodedError as Lake.open, openStoreLake, RepeatingSource.open, JoinSource.open
 */
export async function openSource(
  endpoint: SourceEndpoint,
  access: SourceAccess,
  windowBytesMax = META_WINDOW_BYTES_MAX,
): Promise<LedgerSource> {
  switch (endpoint.kind) {
    case "join":
      return JoinSource.open(
        endpoint.members.map((member) => ({
          name: nameOf(member),
          isTip: IS_TIP[member.kind],
          open: () => openSource(member, access, windowBytesMax),
        })),
      );
    case "lake":
      return Lake.open(endpoint.path);
    case "store":
      return openStoreLake(endpoint.address, access);
    case "repeat":
      return RepeatingSource.open(endpoint.path, { reuse: true }); // an object is in a ring before the next is read
    case "rpc":
      return new RpcSource(endpoint.url, access.peer);
    case "meta":
      return (await isFile(endpoint.path))
        ? new MetaFileSource(endpoint.path)
        : new MetaSource(new PipeFeed(endpoint.path), windowBytesMax);
    case "meta+tcp":
      return new MetaSource(new TcpFeed(parseAddress(dialTarget(endpoint.address))!), windowBytesMax);
    case "grpc":
      return new RawLedgerSource(dialTarget(endpoint.address), { ...access.peer, isSecure: endpoint.tls });
  }
}

/** What a member is called before it is open. */
function nameOf(endpoint: MemberEndpoint): string {
  switch (endpoint.kind) {
    case "lake":
    case "repeat":
      return `lake ${endpoint.path}`;
    case "store":
      return `lake ${endpoint.address.replace(/\?.*$|(?<=\/\/)[^/]*@/g, "")}`;
    case "rpc":
      return `RPC server ${new URL(endpoint.url).host}`;
    case "meta":
      return `meta stream ${endpoint.path}`;
    case "meta+tcp":
      return `meta stream ${dialTarget(endpoint.address)}`;
    case "grpc":
      return `raw ledgers from ${dialTarget(endpoint.address)}`;
  }
}

/** False also where there is nothing yet: what comes may be a FIFO. */
async function isFile(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isFile(),
    () => false,
  );
}
