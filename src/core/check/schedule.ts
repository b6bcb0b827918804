import { type Diagnostic, diagnose } from "../diagnostic.ts";
import type { ResolvedTrainStage } from "../resolve/resolved.ts";
import { LEARNING_CODES, SCHEDULE_CODES } from "./codes.ts";
import { cite, isOn, numberOf, pointAt, type StageRule, textOf } from "./rule.ts";
import { stepsOf } from "./scheduler.ts";

/** Rules about what is saved and when, and about timesteps: nothing that the trainer refuses, much that a user regrets. */

/** Whether anything is saved before the last step. */
function savesBetween(every: number | undefined, total: number | undefined): boolean {
  return every !== undefined && total !== undefined && every < total;
}

export const checkpointsAreSavedBetween: StageRule = (stage, judged) => {
  const { parameters } = stage;
  const epochs = numberOf(parameters, "max_train_epochs");
  const everyEpochs = numberOf(parameters, "save_every_n_epochs");
  const everySteps = numberOf(parameters, "save_every_n_steps");
  // A run of one epoch is short; its steps may still be many, but nobody is surprised by one file.
  if (epochs === undefined || epochs === 1 || savesBetween(everyEpochs, epochs)) return [];
  if (savesBetween(everySteps, stepsOf(stage, judged)?.total)) return [];
  const interval =
    everyEpochs === undefined ? "nothing is saved between" : `${cite(parameters, "save_every_n_epochs")}`;
  const detail = `${cite(parameters, "max_train_epochs")}, and ${interval}: the only checkpoint is that of the last epoch, with none to choose from and none to resume from. Set \`save_every_n_epochs\` to ${Math.max(1, Math.floor(epochs / 4))}, say.`;
  return [
    diagnose(SCHEDULE_CODES.onlyLastCheckpoint, detail, pointAt(parameters, "save_every_n_epochs", "max_train_epochs")),
  ];
};

/**
 * Without a training state nothing can be resumed. The trainer removes the state of the epoch that is
 * `save_every_n_epochs` times the number kept ago; 0 counts as not given (`save_and_remove_state_on_epoch_end`).
 */
export const runsCanBeResumed: StageRule = ({ parameters }) => {
  const epochs = numberOf(parameters, "max_train_epochs") ?? 0;
  if (isOn(parameters, "save_state") || epochs <= 1) return [];
  const atEnd = isOn(parameters, "save_state_on_train_end")
    ? " `save_state_on_train_end` saves one at the end only."
    : "";
  const detail = `${cite(parameters, "save_state")}: an interrupted run starts again from its first epoch.${atEnd} Set \`save_state: true\`; \`save_last_n_epochs_state: 1\` keeps the space it takes small.`;
  return [diagnose(SCHEDULE_CODES.nothingToResume, detail, pointAt(parameters, "save_state"))];
};

/** Retention of 0 checkpoints removes each one right after it was saved (`get_remove_epoch_no`). */
export const retentionKeepsSomething: StageRule = ({ parameters }) => {
  const findings: Diagnostic[] = [];
  const keptEpochs = numberOf(parameters, "save_last_n_epochs");
  const keptSteps = numberOf(parameters, "save_last_n_steps");
  const everySteps = numberOf(parameters, "save_every_n_steps");
  if (keptEpochs === 0) {
    const detail = `${cite(parameters, "save_last_n_epochs")}: each epoch's checkpoint is removed as soon as it is saved. Use 1 or more, or leave it out.`;
    findings.push(diagnose(SCHEDULE_CODES.onlyLastCheckpoint, detail, pointAt(parameters, "save_last_n_epochs")));
  }
  if (keptSteps !== undefined && everySteps !== undefined && keptSteps < everySteps) {
    const detail = `${cite(parameters, "save_last_n_steps")}, and ${cite(parameters, "save_every_n_steps")}: it counts steps, not files, so that at most one checkpoint is kept. Use a multiple of ${everySteps}.`;
    findings.push(
      diagnose(
        SCHEDULE_CODES.onlyLastCheckpoint,
        detail,
        pointAt(parameters, "save_last_n_steps", "save_every_n_steps"),
      ),
    );
  }
  return findings;
};

/** The boundary between the halves, and the range that is trained. The trainer divides a boundary above 1 by 1000. */
export const timestepsFitEachOther: StageRule = ({ half, parameters }, { resolved }) => {
  const boundary = numberOf(parameters, "timestep_boundary");
  const low = numberOf(parameters, "min_timestep") ?? 0;
  const high = numberOf(parameters, "max_timestep") ?? 1000;
  const warn = (detail: string, ...names: readonly string[]) =>
    diagnose(SCHEDULE_CODES.timestepRange, detail, pointAt(parameters, ...names));
  const findings: Diagnostic[] = [];
  // What is left for each of two halves was judged when the range was cut.
  if (low >= high && resolved.noise !== "separate") {
    const detail = `${cite(parameters, "min_timestep")}, and ${cite(parameters, "max_timestep")}: no range is left between them. Set \`min_timestep\` below \`max_timestep\`.`;
    findings.push(warn(detail, "min_timestep", "max_timestep"));
  }
  if (half !== "dual" || boundary === undefined || low >= high) return findings;
  if (boundary <= 1) {
    const detail = `${cite(parameters, "timestep_boundary")}, which gives ${boundary === 0 ? "every timestep to the high-noise model" : "nearly every timestep to the low-noise model"}. The boundary is in thousandths: 875 for text to video, 900 for image to video.`;
    findings.push(warn(detail, "timestep_boundary"));
  } else if (boundary <= low || boundary >= high) {
    const idle = boundary >= high ? "high-noise" : "low-noise";
    const detail = `${cite(parameters, "timestep_boundary")}, and timesteps ${low} to ${high} are trained: the ${idle} model is never used. Move the boundary into the range, or train one half with \`noise: ${boundary >= high ? "low" : "high"}\`.`;
    findings.push(warn(detail, "timestep_boundary", "min_timestep", "max_timestep"));
  }
  return findings;
};

/** Where the draws of a `weighting_scheme` end (`compute_density_for_timestep_sampling`): 0 and 1, where all is well. */
function drawnFrom({ parameters }: ResolvedTrainStage): readonly [number, number] {
  const scheme = textOf(parameters, "weighting_scheme");
  if (scheme === "mode") {
    const scale = numberOf(parameters, "mode_scale") ?? 1.29;
    const draws = Array.from({ length: 1001 }, (_, index) => {
      const u = index / 1000;
      return 1 - u - scale * (Math.cos((Math.PI * u) / 2) ** 2 - 1 + u);
    });
    return [Math.min(...draws), Math.max(...draws)];
  }
  if (scheme !== "logit_normal") return [0, 1];
  const mean = numberOf(parameters, "logit_mean") ?? 0;
  const spread = numberOf(parameters, "logit_std") ?? 1;
  return [0, mean + FARTHEST * spread > ROUNDS_TO_1 ? ROUNDED_UP : 1];
}

/** Standard deviations that a run of many thousand steps meets. */
const FARTHEST = 4.5;
/** From here on a sigmoid in float32 is 1, which is one too many for an index below 1000. */
const ROUNDS_TO_1 = 16.6;
const ROUNDED_UP = 1 + 1e-6;
const TIMESTEPS = 1000;

/** T42: the trainer's table has 1000 timesteps, and Python counts negative places from its end. */
export const timestepsCanBeDrawn: StageRule = (stage) => {
  const { parameters } = stage;
  if (textOf(parameters, "timestep_sampling") !== "sigma") return [];
  const low = numberOf(parameters, "min_timestep") ?? 0;
  const high = numberOf(parameters, "max_timestep") ?? TIMESTEPS;
  const places = drawnFrom(stage).map((u) => u * (high - low) + low);
  // All of the table is [0, 1000): a draw is below 1, so that 1000 itself is met only where nothing else is.
  const outside =
    Math.max(...places) > TIMESTEPS || Math.min(...places) < -TIMESTEPS || (low === high && low === TIMESTEPS);
  if (!outside) return [];
  const scheme = textOf(parameters, "weighting_scheme");
  const blamed =
    scheme === "mode" ? ["mode_scale"] : scheme === "logit_normal" ? ["logit_mean", "logit_std"] : ["min_timestep"];
  const detail = `${cite(parameters, "timestep_sampling")}, and ${blamed.map((name) => cite(parameters, name)).join(", ")}: draws beyond the last timestep would come up, at which the trainer stops. Set \`timestep_sampling: shift\`, or leave ${blamed.map((name) => `\`${name}\``).join(" and ")} out.`;
  return [diagnose(LEARNING_CODES.timestepDraw, detail, pointAt(parameters, ...blamed, "timestep_sampling"))];
};

export const bucketsSuitTheHalves: StageRule = ({ half, parameters }) => {
  const buckets = numberOf(parameters, "num_timestep_buckets") ?? 0;
  if (half !== "dual" || buckets <= 1) return [];
  const detail = `${cite(parameters, "num_timestep_buckets")}, and both halves are trained in one run, which the trainer itself warns of. Leave it out, or use \`noise: separate\`.`;
  return [diagnose(SCHEDULE_CODES.bucketsInDualTraining, detail, pointAt(parameters, "num_timestep_buckets"))];
};
