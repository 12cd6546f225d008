/** A source of grpcio as its default options make it: raw-ledger-peers.ts. */
import { pythonSource } from "../clients/toolchain.ts";
import { SECONDS, testPeer } from "./raw-ledger-peers.ts";

testPeer({ name: "grpcio", client: await pythonSource(), ...SECONDS });
