/** The files of keys, passwords, issuers' keys and roles: read at the start, and again when they change. */
import type { Config } from "../config/schema.ts";
import { CodedError } from "../error.ts";
import type { Logger } from "../ops/log.ts";
import type { ProcessMetrics } from "../ops/metrics.ts";
import { asksWho, type ListenerAccess, readAccess } from "../security/access.ts";

/** Time between two looks at the files, as at certificates (certificates.ts). */
const LOOK_MS = 5000;

/** All of one server. */
export class AccessFiles {
  readonly #config: Config;
  readonly #log: Logger;
  readonly #renew: ((access: ListenerAccess) => void)[] = [];
  readonly #timer: ReturnType<typeof setInterval> | undefined;
  #access: ListenerAccess;
  #text: string;
  /** What the last look found, where it was something else than what is in use: a file that is being written is half there. */
  #seen: { text: string } | { fault: string } | undefined;
  #toldFault: string | undefined;
  #renewals = 0;

  /** @throws CodedError as readAccess */
  constructor(config: Config, log: Logger, lookMs = LOOK_MS) {
    this.#config = config;
    this.#log = log;
    this.#access = readAccess(config);
    this.#text = textOf(this.#access);
    if (!Object.values(asksWho(config)).includes(true)) return;
    this.#timer = setInterval(() => this.look(), lookMs);
    this.#timer.unref();
  }

  get access(): ListenerAccess {
    return this.#access;
  }

  /** How often new files have been taken into use, and whether they cannot be used as they are now. */
  get state(): NonNullable<ProcessMetrics["accessFiles"]> {
    return { renewals: this.#renewals, unusable: this.#toldFault !== undefined };
  }

  /** Tells of new files from now on. */
  onRenewed(renew: (access: ListenerAccess) => void): void {
    this.#renew.push(renew);
  }

  /** Reads the files. What is new is used, and what cannot be used is told, when the second look finds the same. */
  look(): void {
    let access: ListenerAccess;
    try {
      access = readAccess(this.#config);
    } catch (thrown) {
      this.#cannotUse(CodedError.from(thrown).message);
      return;
    }
    const text = textOf(access);
    const isSecondLook = this.#seen !== undefined && "text" in this.#seen && this.#seen.text === text;
    this.#seen = { text };
    if (text !== this.#text && !isSecondLook) return;
    this.#toldFault = undefined;
    if (text === this.#text) return;
    this.#access = access;
    this.#text = text;
    this.#renewals++;
    for (const renew of this.#renew) renew(access);
    this.#log.info("new files of credentials and roles are in use");
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #cannotUse(fault: string): void {
    const isSecondLook = this.#seen !== undefined && "fault" in this.#seen && this.#seen.fault === fault;
    this.#seen = { fault };
    if (!isSecondLook || this.#toldFault === fault) return;
    this.#toldFault = fault;
    this.#log.error(
      "the files of credentials and roles have changed and cannot be used: those from before stay in use",
      {
        why: fault,
      },
    );
  }
}

function textOf(access: ListenerAccess): string {
  return JSON.stringify(access, (_, value) => (value instanceof Map ? [...value] : value));
}
