/** A source of grpc-go as its default options make it: raw-ledger-peers.ts. */
import { goClient } from "../clients/toolchain.ts";
import { testPeer } from "./raw-ledger-peers.ts";

const go = await goClient();
testPeer({
  name: "grpc-go",
  client: go.command === undefined ? go : { command: [...go.command, "source"] },
  gzip: ["-gzip"],
  ping: ["-ping", "1s"],
  goaway: ["-goaway-at", "2"],
});
