/** A stream as the workers are told of it, with nothing special; tests change what they are about. */
import type { StreamSpec } from "../../src/workers/records.ts";
import { NETWORK } from "../ledger/build.ts";

export const PLAIN_SPEC: StreamSpec = {
  stream: 1,
  revision: 1,
  networkPassphrase: NETWORK,
  compat: "default",
  filters: [{ ledgerFrom: 1, filter: { includeDeleted: true } }],
  schemaVersion: 1,
  compression: "none",
  onError: "strict",
  verifyChain: true,
  start: { ledger: 1, row: 0 },
  batchRowsMax: 0,
  batchRowsMinTarget: 1000,
  batchBytesTarget: 1 << 20,
  batchBytesMax: 2 << 20,
  ledgerBytesMax: 1 << 20,
};
