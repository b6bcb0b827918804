/** Work that must stay linear, measured against itself: CPU time, which a busy machine does not stretch, never a bound in seconds. */

/** CPU milliseconds of one run, the best of three. `prepare` makes the input and does not count. */
function cpuMs<Input>(prepare: (size: number) => Input, work: (input: Input) => void, size: number): number {
  const times = [1, 2, 3].map(() => {
    const input = prepare(size);
    const before = process.cpuUsage();
    work(input);
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1000;
  });
  return Math.min(...times);
}

export interface Growth<Input> {
  readonly from: number;
  readonly to: number;
  readonly prepare: (size: number) => Input;
  readonly work: (input: Input) => void;
}

/**
 * How many times as long `to` takes as `from`, in units of their ratio: about 1 where time is proportional to size, `to / from`
 * where it grows with the square. A first run of each warms up what is compiled on the way.
 */
export function relativeGrowth<Input>({ from, to, prepare, work }: Growth<Input>): number {
  cpuMs(prepare, work, from);
  // Below a few milliseconds the clock's own grain is all that is measured.
  const small = Math.max(cpuMs(prepare, work, from), 5);
  return cpuMs(prepare, work, to) / small / (to / from);
}
