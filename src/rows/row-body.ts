/** A response's body that is made at the pace of its client. */

const UNREAD_MS_MAX = 120_000; // HTTP has no ping: whoever takes nothing of what waits for him for so long is given up
const UNREAD_FAILED_MS_MAX = 10_000; // as over gRPC (FLUSH_STILL_MS_MAX): time to take what comes before the error

interface BodyOptions {
  /** Aborts when the read has failed: nothing more will come than its error. */
  failed: AbortSignal;
  /** Called once, in any case, before the last byte where it comes to that. */
  over: () => void;
  unreadMsMax?: number;
}

/**
 * The pieces as a stream that asks for the next one when the client has taken the one before. A piece that throws cuts the
 * connection without the end of its last chunk, which is how HTTP says that a body is not whole.
 */
export function rowBody(
  pieces: AsyncGenerator<Uint8Array, void>,
  { failed, over, unreadMsMax = UNREAD_MS_MAX }: BodyOptions,
): ReadableStream<Uint8Array> {
  let unread: ReturnType<typeof setTimeout> | undefined;
  let isOver = false;
  const finish = () => {
    clearTimeout(unread);
    if (isOver) return;
    isOver = true;
    over();
  };
  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        failed.addEventListener("abort", () => {
          if (unread !== undefined && !isOver) wait(controller, UNREAD_FAILED_MS_MAX);
        });
      },
      async pull(controller) {
        clearTimeout(unread);
        unread = undefined;
        try {
          const { value, done } = await pieces.next();
          if (isOver) return;
          if (done) {
            finish();
            controller.close();
          } else {
            controller.enqueue(value);
            wait(controller, failed.aborted ? UNREAD_FAILED_MS_MAX : unreadMsMax);
          }
        } catch {
          cut(controller);
        }
      },
      cancel: finish,
    },
    { highWaterMark: 0 },
  );

  function wait(controller: ReadableStreamDefaultController, ms: number): void {
    clearTimeout(unread);
    unread = setTimeout(() => cut(controller), ms);
  }

  function cut(controller: ReadableStreamDefaultController): void {
    if (isOver) return;
    finish();
    controller.error(undefined); // an error object would be printed on stderr
  }
}
