/** A random source that a seed repeats, so that a failing case can be run again. */
export interface Random {
  /** An integer from `min` to `max`, both included. */
  integer(min: number, max: number): number;
  /** True with the given probability. */
  chance(probability: number): boolean;
  pick<T>(values: readonly T[]): T;
  /** Between `min` and `max` of the values, each at most once, in a random order. */
  some<T>(values: readonly T[], min: number, max: number): readonly T[];
}

/** The generator "mulberry32": 32 bits of state, good enough to vary tests. */
export function randomFrom(seed: number): Random {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const integer = (min: number, max: number) => min + Math.floor(next() * (max - min + 1));
  const pick = <T>(values: readonly T[]): T => {
    if (values.length === 0) throw new Error("nothing to pick from");
    return values[integer(0, values.length - 1)] as T;
  };
  return {
    integer,
    pick,
    chance: (probability) => next() < probability,
    some: (values, min, max) => {
      const left = [...values];
      const count = Math.min(integer(min, max), left.length);
      return Array.from({ length: count }, () => left.splice(integer(0, left.length - 1), 1)).flat();
    },
  };
}
