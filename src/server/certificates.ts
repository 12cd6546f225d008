/** The listeners' certificates: read at the start, and again when their files change. */
import { counted } from "../base/text.ts";
import { LISTENERS, type Listener, type ListenerTls, readListenerTls } from "../config/listener-tls.ts";
import type { Config } from "../config/schema.ts";
import { CodedError } from "../error.ts";
import type { Logger } from "../ops/log.ts";

/**
 * Time between two looks at the files. They are read, not watched: behind the links that Kubernetes and cert-manager
 * change, a watch sees nothing.
 */
const LOOK_MS = 5000;
const DAY_MS = 86_400_000;
/** Before its end, from when on a certificate is warned of. */
export const CERTIFICATE_WARNING_MS = 21 * DAY_MS; // what renews itself does so a month before
const WARN_AGAIN_MS = DAY_MS;

/** What may be set otherwise, by tests. */
export interface CertificateOptions {
  /** Default LOOK_MS. */
  lookMs?: number;
  /** Milliseconds since 1970. */
  now?: () => number;
}

interface Shown {
  tls: ListenerTls;
  /** Uses renewed certificates. */
  renew: (tls: ListenerTls) => void;
}

/** All of one server. */
export class ListenerCertificates {
  readonly #config: Config;
  readonly #log: Logger;
  readonly #now: () => number;
  readonly #shown = new Map<Listener, Shown>();
  /** By file and end. */
  readonly #warnedUnixMs = new Map<string, number>();
  /** What the last look found: files that are being replaced may not fit for a moment. */
  #faults = new Map<string, "seen" | "told">();
  readonly #timer: ReturnType<typeof setInterval> | undefined;

  /** @throws CodedError INVALID_ARGUMENT / TLS_FILE, TLS_SETTING */
  constructor(config: Config, log: Logger, { lookMs = LOOK_MS, now = Date.now }: CertificateOptions = {}) {
    this.#config = config;
    this.#log = log;
    this.#now = now;
    for (const listener of LISTENERS) {
      const tls = readListenerTls(config, listener);
      if (tls !== undefined) this.#shown.set(listener, { tls, renew: () => {} });
    }
    this.#warnOfEnds();
    if (this.#shown.size === 0) return;
    this.#timer = setInterval(() => this.look(), lookMs);
    this.#timer.unref();
  }

  /** Undefined where the listener has no TLS. */
  of(listener: Listener): ListenerTls | undefined {
    return this.#shown.get(listener)?.tls;
  }

  /** Tells of the listener's certificates from now on. */
  onRenewed(listener: Listener, renew: (tls: ListenerTls) => void): void {
    const shown = this.#shown.get(listener);
    if (shown !== undefined) shown.renew = renew;
  }

  /** When the certificate of each listener with TLS, or one of its chain, ends: seconds since 1970. */
  expirySeconds(): Record<string, number> {
    return Object.fromEntries(
      [...this.#shown].map(([listener, { tls }]) => [listener, tls.validity.untilUnixMs / 1000]),
    );
  }

  /** Reads the files. What cannot be used is told at the second look, and what there is stays. */
  look(): void {
    const renewed: Listener[] = [];
    const faults = new Set<string>();
    for (const [listener, shown] of this.#shown) {
      try {
        const tls = readListenerTls(this.#config, listener);
        if (tls === undefined || isSame(tls, shown.tls)) continue;
        shown.tls = tls;
        shown.renew(tls);
        renewed.push(listener);
      } catch (thrown) {
        faults.add(CodedError.from(thrown).message);
      }
    }
    if (renewed.length > 0) this.#log.info("new TLS files are in use", { listeners: renewed.join(", ") });
    for (const why of faults) if (this.#faults.get(why) === "seen") this.#tell(why);
    this.#faults = new Map([...faults].map((why) => [why, this.#faults.has(why) ? "told" : "seen"]));
    this.#warnOfEnds();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #tell(why: string): void {
    this.#log.error("the TLS files have changed and cannot be used: those from before stay in use", { why });
  }

  /** A line for each file whose certificate has ended, or soon ends, once a day. */
  #warnOfEnds(): void {
    const now = this.#now();
    for (const { tls } of this.#shown.values()) {
      const { validity, certFile } = tls;
      const left = validity.untilUnixMs - now;
      if (left > CERTIFICATE_WARNING_MS && validity.fromUnixMs <= now) continue;
      const id = `${certFile.path} ${validity.untilUnixMs}`;
      if (now - (this.#warnedUnixMs.get(id) ?? Number.NEGATIVE_INFINITY) < WARN_AGAIN_MS) continue;
      this.#warnedUnixMs.set(id, now);
      const level = left > 0 ? "warn" : "error";
      this.#log[level](`${certFile.setting}: the certificate of ${certFile.path} ${stateOf(validity, now)}`);
    }
  }
}

/** What is wrong with a certificate at a moment, or how long it is valid: the end of a sentence. */
export function stateOf({ fromUnixMs, untilUnixMs }: ListenerTls["validity"], nowUnixMs: number): string {
  const day = (unixMs: number) => new Date(unixMs).toISOString().slice(0, 10);
  if (untilUnixMs <= nowUnixMs) return `has expired on ${day(untilUnixMs)}: clients refuse it; renew it`;
  if (fromUnixMs > nowUnixMs) return `is not valid before ${day(fromUnixMs)}: clients refuse it until then`;
  const days = Math.floor((untilUnixMs - nowUnixMs) / DAY_MS);
  const text = `is valid until ${day(untilUnixMs)}, for ${counted(days, "day")}`;
  return untilUnixMs - nowUnixMs > CERTIFICATE_WARNING_MS ? text : `${text}: renew it`;
}

function isSame(one: ListenerTls, other: ListenerTls): boolean {
  const same = one.cert === other.cert && one.key === other.key;
  return same && (one.ca ?? []).join() === (other.ca ?? []).join();
}
