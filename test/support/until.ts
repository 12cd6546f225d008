/** Waiting for what happens elsewhere: in another thread, process or turn of the event loop. */

const WAIT_MS_MAX = 60_000; // a machine under full load; what is waited for takes milliseconds otherwise
const POLL_MS = 5;

/**
 * Resolves, with what `holds` gives, at the first look where that is something other than false, undefined or null.
 * @throws Error that names `what` after `msMax`
 */
export async function until<T>(
  holds: () => T | Promise<T>,
  what: string,
  msMax = WAIT_MS_MAX,
): Promise<NonNullable<Exclude<T, false>>> {
  const deadline = performance.now() + msMax;
  for (;;) {
    const value = await holds();
    if (value !== false && value !== undefined && value !== null) return value as NonNullable<Exclude<T, false>>;
    if (performance.now() > deadline) throw new Error(`not within ${msMax} ms: ${what}`);
    await Bun.sleep(POLL_MS);
  }
}
