/**
 * The one error type of the project. `code` is the gRPC status that a remote caller sees, `reason` a stable string
 * that programs may match on, `message` a sentence with the numbers and the remedy. `cause` is for logs only and
 * never leaves the process.
 *
 * Messages repeat what clients, sources and files say, so they are made safe here, once: whatever is given, `message` is
 * well-formed and short enough for gRPC's trailers, logs and records.
 */
import { withinEncodedBytes } from "./base/text.ts";
import type { Code } from "./codes.ts";
import type { Reason } from "./reasons/registry.ts";

/**
 * Bytes of a message, as gRPC percent-encodes it into a trailer. Clients refuse trailers over 8 KiB in all (C++'s default),
 * and a cursor and a reason go with it.
 */
export const MESSAGE_ENCODED_BYTES_MAX = 4096;

/** What crosses a thread boundary in place of an Error object. */
export interface ErrorRecord {
  code: Code;
  reason: string;
  message: string;
}

/** An error that a caller, local or remote, can act on. */
export class CodedError extends Error {
  readonly code: Code;
  /** Stable, upper snake case: programs match on it. One of src/reasons, unless another program gave it. */
  readonly reason: string;

  /**
   * @param code one of the statuses that the registry has for `reason`
   * @param message cut at a code point where it is over MESSAGE_ENCODED_BYTES_MAX
   */
  constructor(code: Code, reason: Reason, message: string, options?: { cause?: unknown }) {
    super(withinEncodedBytes(message, MESSAGE_ENCODED_BYTES_MAX), options);
    this.name = "CodedError";
    this.code = code;
    this.reason = reason;
  }

  /** True where trying the same thing again may work (the source is away); false where it cannot. */
  get retryable(): boolean {
    return this.code === "UNAVAILABLE";
  }

  toRecord(): ErrorRecord {
    return { code: this.code, reason: this.reason, message: this.message };
  }

  static fromRecord({ code, reason, message }: ErrorRecord): CodedError {
    return CodedError.received(code, reason, message);
  }

  /** An error that another thread, process or version made: its reason may be one that this registry does not have. */
  static received(code: Code, reason: string, message: string, options?: { cause?: unknown }): CodedError {
    return new CodedError(code, reason as Reason, message, options);
  }

  /** Any thrown value as a CodedError: those pass through, everything else becomes INTERNAL / UNEXPECTED. */
  static from(thrown: unknown): CodedError {
    if (thrown instanceof CodedError) return thrown;
    const message = thrown instanceof Error ? thrown.message : String(thrown);
    return new CodedError("INTERNAL", "UNEXPECTED", message, { cause: thrown });
  }
}
