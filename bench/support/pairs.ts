/** Two ways that take turns, and what one costs by the other. */

const T_95 = 2.045; // Student's, 29 degrees of freedom; a little too small below 30 pairs

/** `count` pairs of turns; who goes first alternates. @returns what `other` took, divided by what `one` took, of each pair */
export async function pairs(
  count: number,
  one: () => Promise<number>,
  other: () => Promise<number>,
): Promise<number[]> {
  const ratios: number[] = [];
  for (let pair = 0; pair < count; pair++) {
    if (pair % 2 === 0) {
      const first = await one();
      ratios.push((await other()) / first);
    } else {
      const first = await other();
      ratios.push(first / (await one()));
    }
  }
  return ratios;
}

/** The geometric mean of ratios with its 95 % interval, and as text. */
export function pairedRatio(ratios: readonly number[]): { mean: number; text: string } {
  const logs = ratios.map(Math.log);
  const mean = logs.reduce((sum, log) => sum + log, 0) / logs.length;
  const deviation = Math.sqrt(logs.reduce((sum, log) => sum + (log - mean) ** 2, 0) / (logs.length - 1));
  const half = (T_95 * deviation) / Math.sqrt(logs.length);
  const shown = (log: number) => Math.exp(log).toFixed(3);
  return { mean: Math.exp(mean), text: `${shown(mean)}, 95 % interval ${shown(mean - half)} to ${shown(mean + half)}` };
}
