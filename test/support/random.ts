/** Seeded randomness, so that a failure can be run again: set SEED to the number that the failure printed. */

export function seedOf(): number {
  const given = Number(process.env.SEED);
  return Number.isInteger(given) && given > 0 ? given : 1 + Math.floor(Math.random() * 0x7ffffffe);
}

/** Numbers in [0, 1): xorshift, good enough to pick sizes and moments. */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state / 0x100000000;
  };
}
