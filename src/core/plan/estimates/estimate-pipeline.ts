import { estimateDisk } from "./disk.ts";
import type { EstimateInput, Estimates } from "./estimate-input.ts";
import { estimateMemory } from "./memory.ts";
import { estimateSteps, estimateTime } from "./steps-and-time.ts";

/** Steps, time, memory and disk that a plan needs, each with its basis (design §5, "Estimates"). */
export function estimatePipeline(input: EstimateInput): Estimates {
  const memory = estimateMemory(input);
  const disk = estimateDisk(input);
  return {
    estimates: { ...estimateSteps(input), ...estimateTime(input), ...memory.estimates, ...disk.estimates },
    diagnostics: [...memory.diagnostics, ...disk.diagnostics],
  };
}
