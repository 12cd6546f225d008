/** A source of grpc-java as its default options make it: raw-ledger-peers.ts. */
import { javaSource } from "../clients/toolchain.ts";
import { SECONDS, testPeer } from "./raw-ledger-peers.ts";

testPeer({ name: "grpc-java", client: await javaSource(), ...SECONDS });
