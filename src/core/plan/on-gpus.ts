import type { PipelinePlan } from "./plan.ts";

/** The plan of a pipeline that has got devices out of those shared out: its stages run there. Its digest stays that of what was planned. */
export function onGpus(plan: PipelinePlan, gpus: readonly number[] | undefined): PipelinePlan {
  if (gpus === undefined) return plan;
  const stages = plan.stages.map(({ gpu_pool, ...stage }) =>
    gpu_pool === undefined ? stage : { ...stage, gpus: [...gpus] },
  );
  return { ...plan, stages };
}
