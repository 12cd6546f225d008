/** Headers of calls beside who calls: those that the server or its library read, and others, with anything in them. */
import type { Metadata } from "@grpc/grpc-js";
import type { Dice } from "./dice.ts";

const NAMES = [
  ...[
    "traceparent",
    "tracestate",
    "grpc-timeout",
    "grpc-encoding",
    "grpc-accept-encoding",
    "user-agent",
    "x-forwarded-for",
  ],
  ...["cookie", "grpc-previous-rpc-attempts", "reason", "cursor", "x-unknown", "a".repeat(200)],
];
const BINARY_NAMES = ["auth-token-bin", "grpc-status-details-bin", "grpc-trace-bin", "x-unknown-bin"];
const VALUES = [
  ...["", "0", "-1S", "1n", "99999999H", "999999999999S", "none", "gzip", "zstd", "identity,,gzip;q=2", "%00%ff", "{}"],
  ...["00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "00-0-0-0", "ff-x", "=,=;", "x".repeat(5000)],
];

/** Adds up to four headers. */
export function addOddMetadata(dice: Dice, metadata: Metadata): void {
  for (let count = dice.below(5); count > 0; count--) {
    if (dice.chance(0.3)) metadata.add(dice.pick(BINARY_NAMES), Buffer.from(dice.bytes(dice.below(300))));
    else metadata.add(dice.pick(NAMES), dice.pick(VALUES));
  }
}
