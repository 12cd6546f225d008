/** Whether each gRPC service of this process answers requests: what health checks report. */

/** Full name of a service; empty = the whole server. */
type ServiceName = string;

type Listener = (serving: boolean) => void;

/**
 * The serving state of each service, by full name, and of the whole server under "". The server serves while all of its
 * services do.
 */
export class HealthState {
  readonly #serving = new Map<ServiceName, boolean>();
  readonly #listeners = new Map<ServiceName, Set<Listener>>();

  /** All services begin as not serving. */
  constructor(services: readonly ServiceName[]) {
    for (const service of ["", ...services]) this.#serving.set(service, false);
  }

  /** Undefined for a service that this server does not have. */
  get(service: ServiceName): boolean | undefined {
    return this.#serving.get(service);
  }

  /** Sets one service, and with it the whole server, which serves while all of its services do. */
  set(service: ServiceName, serving: boolean): void {
    if (service === "" || !this.#serving.has(service)) {
      throw new Error(`health of ${JSON.stringify(service)} cannot be set: it is not among the services given`);
    }
    this.#change(service, serving);
    const all = [...this.#serving].every(([name, value]) => name === "" || value);
    this.#change("", all);
  }

  /** Calls `listener` at every change from now on; the result ends that. */
  subscribe(service: ServiceName, listener: Listener): () => void {
    const listeners = this.#listeners.get(service) ?? new Set();
    this.#listeners.set(service, listeners.add(listener));
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0 && this.#listeners.get(service) === listeners) this.#listeners.delete(service);
    };
  }

  #change(service: ServiceName, serving: boolean): void {
    if (this.#serving.get(service) === serving) return;
    this.#serving.set(service, serving);
    for (const listener of [...(this.#listeners.get(service) ?? [])]) listener(serving);
  }
}
