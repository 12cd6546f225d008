/**
 * What fails, and with which error. Not `expect(…).rejects`: bun waits there without letting timers and sockets take
 * their turns as usual, on which HTTP/2 clients and servers of this process hang.
 */
import { CodedError } from "../../src/error.ts";

/** The CodedError with which the promise rejects. @throws Error where it does not reject, or with another error */
export async function failureOf(promise: Promise<unknown>): Promise<CodedError> {
  try {
    await promise;
  } catch (thrown) {
    return codedError(thrown);
  }
  throw new Error("it did not fail as it should");
}

/** The CodedError that `work` throws. @throws Error where it throws nothing, or another error */
export function thrownBy(work: () => unknown): CodedError {
  try {
    work();
  } catch (thrown) {
    return codedError(thrown);
  }
  throw new Error("it did not throw as it should");
}

/** The message with which the promise rejects, whatever the error; grpc-js writes the status before it. */
export async function failureMessage(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (thrown) {
    return CodedError.from(thrown).message;
  }
  throw new Error("it did not fail as it should");
}

function codedError(thrown: unknown): CodedError {
  if (thrown instanceof CodedError) return thrown;
  throw new Error(`this is no CodedError: ${thrown}`, { cause: thrown });
}
