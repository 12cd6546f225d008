/** Sessions that only exist in memory and do nothing by themselves: a double for the service behind the control plane. */
import { CodedError } from "../../src/error.ts";
import { changedFilter } from "../../src/sessions/filters.ts";
import { checkedRequest } from "../../src/sessions/request.ts";
import type {
  FilterChange,
  FilterHistoryStep,
  FilterOutcome,
  SessionDetails,
  SessionRequest,
  SessionService,
  SessionSnapshot,
  StopOptions,
  WatchEvent,
  WatchListener,
} from "../../src/sessions/session-service.ts";
import type { FilterRecord } from "../../src/vocabulary/row-filter.ts";
import { TESTNET } from "../support/networks.ts";

const ABILITIES = { schemaVersions: [1, 2], compressions: ["none", "lz4", "zstd"], partitionsMax: 16 };

export class MemorySessions implements SessionService {
  readonly sessions = new Map<string, SessionSnapshot>();
  /** What the next call throws, once. */
  failure: unknown;
  /** Called before each `get`. */
  onGet: () => void = () => {};
  /** What the last stop was asked for. */
  stopOptions: StopOptions | undefined;
  defaultFilter: FilterRecord = { includeDeleted: false };
  readonly #history = new Map<string, FilterHistoryStep[]>();
  readonly #watchers = new Map<string, Set<WatchListener>>();

  async start(request: SessionRequest): Promise<SessionSnapshot & { existed?: boolean }> {
    this.#fail();
    const checked = checkedRequest(request, ABILITIES);
    for (const session of this.sessions.values()) {
      if (checked.idempotencyKey && session.request.idempotencyKey === checked.idempotencyKey) {
        return { ...session, existed: true };
      }
    }
    const now = Date.now();
    const session: SessionSnapshot = {
      id: crypto.randomUUID(),
      state: "RUNNING",
      request: checked,
      source: "memory",
      ledgerCurrent: 0,
      entriesProcessed: 0,
      entriesSkipped: 0,
      ledgersProcessed: 0,
      batchesCreated: 0,
      bytesProcessed: 0,
      batchBytes: 0,
      errors: 0,
      ledgersSkipped: 0,
      ratePerSecond: 0,
      rateOverall: 0,
      ledgerTip: 0,
      lagSeconds: 0,
      clients: 0,
      rowsDelivered: 0,
      bytesDelivered: 0,
      retainedBytes: 0,
      createdUnixMs: now,
      startedUnixMs: now,
      updatedUnixMs: now,
      endedUnixMs: 0,
      activeMs: 0,
      resumes: 0,
      message: "",
    };
    this.sessions.set(session.id, session);
    const filter = checked.filter ?? this.defaultFilter;
    this.#history.set(session.id, [{ ledgerFrom: checked.ledgerStart, filter, changedUnixMs: now }]);
    return session;
  }

  async stop(id: string, options?: StopOptions): Promise<SessionDetails> {
    this.stopOptions = options;
    const session = this.get(id);
    if (session.state === "RUNNING") this.update(id, { state: "STOPPED", message: "cancelled at ledger 0" });
    return this.details(id);
  }

  get(id: string): SessionSnapshot {
    this.#fail();
    this.onGet();
    const session = this.sessions.get(id);
    if (session) return session;
    throw new CodedError("NOT_FOUND", "SESSION_UNKNOWN", `there is no session ${id}`);
  }

  async details(id: string): Promise<SessionDetails> {
    return {
      ...this.get(id),
      checkpoint: { position: { ledger: 8, row: 3 }, savedUnixMs: 1_700_000_000_000 },
      filterHistory: this.#history.get(id)!,
      deliveries: [
        {
          peer: "127.0.0.1:5",
          rows: 1,
          batches: 2,
          bytes: 3,
          joinedUnixMs: 4,
          dataset: "contract_data",
          leftUnixMs: 5,
        },
      ],
    };
  }

  list(): SessionSnapshot[] {
    return [...this.sessions.values()].reverse();
  }

  async resume(id: string): Promise<SessionSnapshot> {
    const session = this.get(id);
    if (session.state === "STOPPED" || session.state === "ERROR") {
      this.update(id, { state: "STARTING", resumes: session.resumes + 1 });
    }
    return this.get(id);
  }

  async remove(id: string, force: boolean): Promise<void> {
    const session = this.get(id);
    if (session.state === "RUNNING" && !force) {
      throw new CodedError("FAILED_PRECONDITION", "SESSION_RUNNING", "stop it first");
    }
    this.sessions.delete(id);
    this.#tell(session, "deleted");
  }

  async configureFilters(change: FilterChange, id?: string): Promise<FilterOutcome> {
    this.#fail();
    const targets = id === undefined ? [...this.sessions.keys()] : [this.get(id).id];
    const applied = targets.map((target) => {
      const steps = this.#history.get(target)!;
      const filter = changedFilter(steps.at(-1)!.filter, change);
      const ledgerFrom = steps.at(-1)!.ledgerFrom + 10;
      steps.push({ ledgerFrom, filter, changedUnixMs: Date.now() });
      return { id: target, ledgerFrom, filter };
    });
    if (id !== undefined) return { applied };
    this.defaultFilter = changedFilter(this.defaultFilter, change);
    return { applied, defaults: this.defaultFilter };
  }

  watch(id: string | undefined, listener: WatchListener): () => void {
    const key = id === undefined ? "" : this.get(id).id;
    const listeners = this.#watchers.get(key) ?? new Set();
    this.#watchers.set(key, listeners.add(listener));
    return () => listeners.delete(listener);
  }

  /** Watches that are open. */
  get watchCount(): number {
    return [...this.#watchers.values()].reduce((count, listeners) => count + listeners.size, 0);
  }

  update(id: string, change: Partial<SessionSnapshot>): void {
    const session = { ...this.sessions.get(id)!, ...change };
    this.sessions.set(id, session);
    this.#tell(session, change.state === undefined ? "progress" : "state");
  }

  #tell(session: SessionSnapshot, event: WatchEvent): void {
    for (const key of [session.id, ""]) {
      for (const listener of [...(this.#watchers.get(key) ?? [])]) listener(session, event);
    }
  }

  #fail(): void {
    const failure = this.failure;
    this.failure = undefined;
    if (failure !== undefined) throw failure;
  }
}

/** What a test's server says of itself. */
export const SERVICE = {
  name: "contract-data-processor",
  version: "9.8.7",
  network: TESTNET,
  startedUnixMs: 1_700_000_000_500,
  flight: { host: "", port: 8816, tls: false },
  advertisedHost: "",
};
