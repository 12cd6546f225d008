/** Items of a source that may pause for as long as it likes. */
import { settlesWithin } from "../base/settles-within.ts";

const PAUSE_MS = 100; // no person notices it, and ledgers that are there come faster

/**
 * The items until they end, or until the signal aborts, also where the next one has not come.
 * @param onPause called, and waited for, when the next item lets wait
 */
export async function* asTheyCome<T>(
  items: AsyncIterable<T>,
  signal: AbortSignal,
  onPause: () => Promise<void>,
): AsyncGenerator<T, void, undefined> {
  const iterator = items[Symbol.asyncIterator]();
  let abort = () => {};
  signal.addEventListener("abort", () => abort(), { once: true });
  try {
    while (!signal.aborted) {
      const next = new Promise<IteratorResult<T, unknown> | undefined>((resolve, reject) => {
        abort = () => resolve(undefined);
        iterator.next().then(resolve, reject);
      });
      if (!(await settlesWithin(next, PAUSE_MS))) await onPause();
      const result = await next;
      if (result === undefined || result.done) return;
      yield result.value;
    }
  } finally {
    // A file's read that waits for a pipe cannot be called off, so nothing waits for it.
    void iterator.return?.().catch(() => {});
  }
}
