/** The main thread's answers to the data plane. */
import type { DataPlaneEvents } from "../engine/data-plane-client.ts";
import type { RangeDesk } from "../engine/range-desk.ts";
import type { SessionSnapshot } from "../sessions/session-service.ts";
import type { QuestionName, Questions, SessionSummary } from "../threads/data-plane-messages.ts";
import { DATASET_DEFAULT } from "../vocabulary/dataset.ts";

/** What of the sessions is needed here. */
interface SessionList {
  list(): SessionSnapshot[];
  /** @throws CodedError NOT_FOUND */
  get(id: string): SessionSnapshot;
}

/** What of the cluster is needed here. */
interface NodeList {
  flightLocations(): string[];
  tellCancelled(flights: readonly string[]): void;
}

type Answers = { [N in QuestionName]: (asked: Questions[N]["asked"]) => Promise<Questions[N]["answer"]> };

/**
 * Answers each question of the data plane by its name. An answer rejects with the CodedError of the range desk, or
 * NOT_FOUND / SESSION_UNKNOWN for a session that is not known.
 */
export function answersOf(ranges: RangeDesk, sessions: SessionList, nodes: NodeList): DataPlaneEvents["asked"] {
  const answers: Answers = {
    openRange: async (asked) => ranges.openRange(asked),
    openCatchUp: (asked) => ranges.openCatchUp(asked),
    closeRange: async (asked) => ranges.closeRange(asked),
    rangeSource: () => ranges.rangeSource(),
    cancelled: async ({ flights }) => {
      nodes.tellCancelled(flights);
      return {};
    },
    nodes: async () => ({ locations: nodes.flightLocations() }),
    sessions: async ({ id }) => ({
      sessions: (id === undefined ? sessions.list() : [sessions.get(id)]).map(summaryOf),
    }),
  };
  return (name, asked) => answers[name](asked);
}

function summaryOf(session: SessionSnapshot): SessionSummary {
  return {
    session: session.id,
    state: session.state,
    start_ledger: session.request.ledgerStart,
    end_ledger: session.request.ledgerEnd,
    current_ledger: session.ledgerCurrent,
    rows: session.entriesProcessed,
    rows_filtered: session.entriesSkipped,
    batches: session.batchesCreated,
    batch_bytes: session.batchBytes,
    clients: session.clients,
    datasets: session.request.datasets ?? [DATASET_DEFAULT],
    partitions: session.request.partitions,
    labels: session.request.labels,
    created_unix_ms: session.createdUnixMs,
    message: session.message,
    error: session.error,
  };
}
