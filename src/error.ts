/**
 * The one error type of the project. `code` is the gRPC status that a remote caller sees, `reason` a stable string
 * that programs may match on, `message` a sentence with the numbers and the remedy. `cause` is for logs only and
 * never leaves the process.
 *
 * Messages repeat what clients, sources and files say, so they are made safe here, once: whatever is given, `message` is
 * well-formed and short enough for gRPC's trailers, logs and records.
 */
import { withinEncodedBytes } from "./base/text.ts";

/**
 * Of a message, as gRPC percent-encodes it into a trailer. Clients refuse trailers over 8 KiB in all (C++'s default),
 * and a cursor and a reason go with it.
 */
export const MESSAGE_ENCODED_BYTES_MAX = 4096;

/** gRPC status names that this project uses; the numbers are gRPC's own. */
export const CODE_NUMBERS = {
  CANCELLED: 1,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  OUT_OF_RANGE: 11,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
  UNAUTHENTICATED: 16,
} as const;

/** A gRPC status by its name. */
export type Code = keyof typeof CODE_NUMBERS;

/** What crosses a thread boundary in place of an Error object. */
export interface ErrorRecord {
  code: Code;
  reason: string;
  message: string;
}

/** An error that a caller, local or remote, can act on. */
export class CodedError extends Error {
  /** @param message cut at a code point where it is over MESSAGE_ENCODED_BYTES_MAX */
  constructor(
    readonly code: Code,
    /** Stable, upper snake case: programs match on it. */
    readonly reason: string,
    message: string,
    options?: { cause?: unknown },
  ) {
    super(withinEncodedBytes(message, MESSAGE_ENCODED_BYTES_MAX), options);
    this.name = "CodedError";
  }

  /** True where trying the same thing again may work (the source is away); false where it cannot. */
  get retryable(): boolean {
    return this.code === "UNAVAILABLE";
  }

  toRecord(): ErrorRecord {
    return { code: this.code, reason: this.reason, message: this.message };
  }

  static fromRecord(record: ErrorRecord): CodedError {
    return new CodedError(record.code, record.reason, record.message);
  }

  /** Any thrown value as a CodedError: those pass through, everything else becomes INTERNAL / UNEXPECTED. */
  static from(thrown: unknown): CodedError {
    if (thrown instanceof CodedError) return thrown;
    const message = thrown instanceof Error ? thrown.message : String(thrown);
    return new CodedError("INTERNAL", "UNEXPECTED", message, { cause: thrown });
  }
}
