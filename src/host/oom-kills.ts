import { readFileSync } from "node:fs";

/** How many processes the kernel has killed for want of memory since boot; undefined where it doesn't say (not on Linux). */
export function countOomKills(): number | undefined {
  try {
    const count = /^oom_kill (\d+)$/m.exec(readFileSync("/proc/vmstat", "utf8"))?.[1];
    return count === undefined ? undefined : Number(count);
  } catch {
    return undefined;
  }
}
