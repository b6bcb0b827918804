/** Steps of an epoch (`_build_optimizer_and_dataloader` in the trainer's `training/trainer_base.py`; trainer facts §4). */

export interface StepCounting {
  /** One pass over all datasets, repeats counted. */
  readonly batches: number;
  /** GPUs that share the batches. */
  readonly processes: number;
  /** `gradient_accumulation_steps`. */
  readonly accumulation: number;
}

/** Optimizer steps of one epoch; an epoch's last batches make a step even when they are fewer than `accumulation`. */
export function stepsPerEpoch({ batches, processes, accumulation }: StepCounting): number {
  return Math.ceil(batches / processes / accumulation);
}
