/** Sessions that only exist in memory and do nothing by themselves: a double for the service behind the control plane. */
import { CodedError } from "../../src/error.ts";
import type { SessionRequest, SessionService, SessionSnapshot } from "../../src/sessions/session.ts";

export class MemorySessions implements SessionService {
  readonly sessions = new Map<string, SessionSnapshot>();
  /** What the next call throws, once. */
  failure: unknown;
  /** Called before each `get`. */
  onGet: () => void = () => {};

  async start(request: SessionRequest): Promise<SessionSnapshot> {
    this.#fail();
    const now = Date.now();
    const session: SessionSnapshot = {
      id: crypto.randomUUID(),
      state: "RUNNING",
      request,
      ledgerCurrent: 0,
      entriesProcessed: 0,
      entriesSkipped: 0,
      ledgersProcessed: 0,
      batchesCreated: 0,
      bytesProcessed: 0,
      batchBytes: 0,
      errors: 0,
      ratePerSecond: 0,
      clients: 0,
      createdUnixMs: now,
      updatedUnixMs: now,
      message: "",
    };
    this.sessions.set(session.id, session);
    return session;
  }

  async stop(id: string): Promise<SessionSnapshot> {
    const session = this.get(id);
    if (session.state === "RUNNING") this.update(id, { state: "STOPPED", message: "cancelled at ledger 0" });
    return this.get(id);
  }

  get(id: string): SessionSnapshot {
    this.#fail();
    this.onGet();
    const session = this.sessions.get(id);
    if (session) return session;
    throw new CodedError("NOT_FOUND", "SESSION_UNKNOWN", `there is no session ${id}`);
  }

  list(): SessionSnapshot[] {
    return [...this.sessions.values()].reverse();
  }

  update(id: string, change: Partial<SessionSnapshot>): void {
    this.sessions.set(id, { ...this.get(id), ...change });
  }

  #fail(): void {
    const failure = this.failure;
    this.failure = undefined;
    if (failure !== undefined) throw failure;
  }
}
