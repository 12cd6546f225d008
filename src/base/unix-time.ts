/** The time since 1970 in milliseconds and fractions of them, the same in every thread; it never goes back. */
export function unixNowMs(): number {
  return performance.timeOrigin + performance.now();
}
