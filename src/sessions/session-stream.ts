/** What a session asks of the engine: its next stream, from the checkpoint on. */

import type { StreamRequest } from "../engine/engine-stream.ts";
import type { SourceWait } from "../engine/source-patience.ts";
import type { LedgerSource } from "../sources/source.ts";
import type { LedgerSkip } from "../workers/records.ts";
import type { SessionHost } from "./session-host.ts";
import type { SessionProgress } from "./session-progress.ts";
import type { FilterHistoryStep, SessionSnapshot } from "./session-service.ts";
import type { StoredSession } from "./store.ts";

const SOURCE_WAIT_LOG_MS = 3_000; // a source that fails for less is not worth a line

/** A session as far as its streams go. */
interface StreamedSession {
  readonly id: string;
  readonly stored: StoredSession;
  readonly progress: SessionProgress;
  readonly steps: readonly FilterHistoryStep[];
  snapshot(): SessionSnapshot;
}

/** The request for a stream that begins at the session's checkpoint. Its callbacks belong to this stream alone. */
export function streamRequestOf(session: StreamedSession, source: LedgerSource, host: SessionHost): StreamRequest {
  const { id, progress, steps } = session;
  const { request } = session.stored;
  return {
    id,
    source,
    start: progress.checkpoint.position,
    ledgerStart: request.ledgerStart,
    ledgerEnd: request.ledgerEnd,
    filters: steps.map(({ ledgerFrom, filter }) => ({ ledgerFrom, filter })),
    assets: progress.assets,
    learnsAssets: true,
    datasets: request.datasets,
    schemaVersion: (request.schemaVersion ?? 1) as StreamRequest["schemaVersion"],
    dictionaries: request.dictionaries,
    compression: request.compression ?? "none",
    batchRows: request.batchRows || host.defaults.batchRows,
    slotsMax: host.defaults.slotsMax,
    partitions: request.partitions,
    reserve: (ledger) => host.checkpointer.reserve(session, ledger, request.replicated === true),
    skipped: (skips: readonly LedgerSkip[], count) => {
      progress.skippedLast = skips.at(-1) ?? progress.skippedLast;
      host.log.skipped(session, skips, count, performance.now());
    },
    // A session with an end has somebody who waits for that end, and who is told what is wrong.
    sourceWaits: request.ledgerEnd === 0 ? waitTeller(session, host) : undefined,
  };
}

/** Logs when a stream waits for its source and when the source delivers again, and tells the watchers. */
function waitTeller(session: StreamedSession, host: SessionHost): NonNullable<StreamRequest["sourceWaits"]> {
  let isLogged = false;
  return ({ ledger, error, sinceUnixMs }: SourceWait, over) => {
    const sinceMs = Date.now() - sinceUnixMs;
    if (isLogged === !over) return;
    if (over) host.log.info("its source delivers again", session, { ledger, waitedMs: sinceMs });
    else if (sinceMs < SOURCE_WAIT_LOG_MS) return;
    else {
      const { code, reason, message } = error;
      host.log.warn("a session waits for its source", session, { ledger, code, reason, why: message, sinceMs });
    }
    isLogged = !over;
    host.watchers.tell(session.snapshot(), "state");
  };
}
