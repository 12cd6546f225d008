/**
 * The promise's outcome, or a rejection with the signal's reason where that aborts first: then nobody waits for the promise any
 * more, whatever becomes of it.
 */
export function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const aborted = (): void => reject(signal.reason);
    const settled = (): void => signal.removeEventListener("abort", aborted);
    promise.finally(settled).then(resolve, reject);
    if (signal.aborted) aborted();
    else signal.addEventListener("abort", aborted);
  });
}
