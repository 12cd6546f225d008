/** All that is remembered of one replicated session, as one record: it is read and written as a whole. */
import { CodedError } from "../error.ts";
import type { AssetRecord } from "../workers/records.ts";
import type { FilterHistoryStep } from "./session-service.ts";
import type { Change, StoredCheckpoint, StoredSession, StoredState } from "./store.ts";
import { packStored, unpackStored } from "./stored-record.ts";

const REPLICA_BYTES_MAX = 768 << 10; // NATS takes messages of 1 MiB by default

/** One replicated session. */
export interface Replica {
  session: StoredSession;
  /** In rising order of ledgers. */
  filters: FilterHistoryStep[];
  checkpoint?: StoredCheckpoint;
  /** No ledger above has ever been given to a worker. */
  reservation: number;
  learned: AssetRecord[];
  /** Settings that decide about rows: a node that has others leaves the session alone. */
  terms: string;
}

/** The session after some changes that are its own; the given replica stays as it is. */
export function changedReplica(before: Replica | undefined, changes: readonly Change[], terms: string): Replica {
  const replica = { filters: [], reservation: 0, learned: [], terms, ...before } as Omit<Replica, "session"> as Replica;
  for (const change of changes) {
    if ("cutFilters" in change) {
      replica.filters = replica.filters.filter(({ ledgerFrom }) => ledgerFrom < change.ledgerFrom);
    } else if ("put" in change) {
      if (change.put === "session") replica.session = { ...change.record };
      else if (change.put === "filter") replica.filters = [...replica.filters, change.record];
      else if (change.put === "checkpoint") replica.checkpoint = change.record;
      else if (change.put === "reservation") replica.reservation = change.record.ledger;
      else if (change.put === "assets") replica.learned = [...replica.learned, ...change.record.learned];
    }
  }
  return replica;
}

/** @throws CodedError RESOURCE_EXHAUSTED / REPLICA_TOO_LARGE */
export function packReplica(replica: Replica): Uint8Array {
  const { id } = replica.session;
  const bytes = packStored(keyOf(id), replica);
  if (bytes.length <= REPLICA_BYTES_MAX) return bytes;
  throw new CodedError(
    "RESOURCE_EXHAUSTED",
    "REPLICA_TOO_LARGE",
    `the record of replicated session ${id} has ${bytes.length} B, over max ${REPLICA_BYTES_MAX} B: select by fewer values, or start it without replicated`,
  );
}

/** @throws Error that says what is wrong with it */
export function unpackReplica(id: string, bytes: Uint8Array): Replica {
  return unpackStored(keyOf(id), bytes) as Replica;
}

/** The session as a store of DATA_DIR would have it. */
export function stateOfReplica({ session, filters, checkpoint, reservation, learned }: Replica): StoredState {
  const { id } = session;
  return {
    sessions: [session],
    filters: new Map([[id, [...filters]]]),
    checkpoints: new Map(checkpoint === undefined ? [] : [[id, checkpoint]]),
    reservations: new Map([[id, reservation]]),
    learned: new Map(learned.length === 0 ? [] : [[id, [learned]]]),
  };
}

function keyOf(id: string): string {
  return `replica/${id}`;
}
