/** Who watches which session, and is told of its changes and of its progress. */
import type { SessionSnapshot, WatchEvent, WatchListener } from "./session-service.ts";

const ALL = ""; // no session has this id

/** The listeners of all sessions. */
export class SessionWatchers {
  private readonly watchers = new Map<string, Set<WatchListener>>();

  /** Whether anybody watches any session. */
  get isEmpty(): boolean {
    return this.watchers.size === 0;
  }

  /**
   * Calls the listener with what `tell` tells; the result ends that.
   * @param id of a session that there is; absent = all sessions
   */
  watch(id: string = ALL, listener: WatchListener): () => void {
    const listeners = this.watchers.get(id) ?? new Set();
    this.watchers.set(id, listeners.add(listener));
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0 && this.watchers.get(id) === listeners) this.watchers.delete(id);
    };
  }

  /** Tells the watchers of the session and those of all sessions. */
  tell(snapshot: SessionSnapshot, event: WatchEvent): void {
    for (const key of [snapshot.id, ALL]) {
      for (const listener of [...(this.watchers.get(key) ?? [])]) listener(snapshot, event);
    }
  }
}
