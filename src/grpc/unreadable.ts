/**
 * Requests whose bytes are no message of their kind. grpc-js ends such calls by itself, with INTERNAL and no reason, before
 * anybody is asked who calls; so they are taken for a message, and refused in its place.
 */
import { CodedError } from "../error.ts";

/** Stands for such a request. */
class Unreadable {
  constructor(readonly error: CodedError) {}
}

/**
 * The request, or what stands for it.
 * @param codec of the request's message
 */
export function readRequest<T>(
  codec: { readonly typeName: string; decode(bytes: Uint8Array): T },
  bytes: Uint8Array,
): T | Unreadable {
  try {
    return codec.decode(bytes);
  } catch {
    return new Unreadable(
      new CodedError(
        "INVALID_ARGUMENT",
        "REQUEST_UNREADABLE",
        `the request's ${bytes.length} B are no ${codec.typeName}: make it with that message's codec`,
      ),
    );
  }
}

/** @throws CodedError INVALID_ARGUMENT / REQUEST_UNREADABLE */
export function assertReadable(request: unknown): void {
  if (request instanceof Unreadable) throw request.error;
}

/** Has `refuse` called in place of each such message that comes in a stream of requests. */
export function refuseUnreadable(call: { push(message: unknown): boolean }, refuse: (error: CodedError) => void): void {
  const push = call.push.bind(call);
  call.push = (message) => {
    if (!(message instanceof Unreadable)) return push(message);
    refuse(message.error);
    return false;
  };
}
