import { diagnose } from "../diagnostic.ts";
import { groupDigits as count } from "../digits.ts";
import { countSaves, MAX_SAVES } from "../trainer/checkpoints.ts";
import { SCHEDULE_CODES } from "./codes.ts";
import { cite, isOn, numberOf, pointAt, type Rule, type StageRule } from "./rule.ts";
import { stepsOf } from "./scheduler.ts";

/** Rules about runs so long that nobody can have meant them: what neither the trainer nor a plan can hold in memory. */

/** The trainer lists the batches of an epoch and their order, about a hundred bytes each (`BucketBatchManager`, `RandomSampler`). */
const MAX_BATCHES = 1_000_000_000;

export const anEpochCanBeListed: Rule = ({ resolved, items }) => {
  if (items.batches <= MAX_BATCHES) return [];
  const repeats = resolved.dataset.sources.map(({ numRepeats }) => numRepeats);
  const most = repeats.reduce((largest, repeat) => Math.max(largest, repeat), 1);
  const index = repeats.indexOf(most);
  const path = `dataset.sources.${index}.num_repeats`;
  const { places } = resolved.spec;
  const at = places.get(path) ?? places.get("dataset.num_repeats") ?? resolved.dataset.sources[index]?.place;
  const detail = `One epoch would be ${count(items.batches)} batches, with \`num_repeats\` ${count(most)}; the trainer lists them in memory, and above ${count(MAX_BATCHES)} there is no computer that could. Lower \`num_repeats\`, and raise \`max_train_epochs\` instead.`;
  return [diagnose(SCHEDULE_CODES.endless, detail, { at, path })];
};

export const stepsCanBeCounted: StageRule = (stage, judged) => {
  const steps = stepsOf(stage, judged);
  if (steps === undefined || steps.total <= Number.MAX_SAFE_INTEGER) return [];
  const detail = `${cite(stage.parameters, "max_train_epochs")}, and an epoch has ${count(steps.perEpoch)} steps: so many steps cannot be counted exactly. Lower \`max_train_epochs\`.`;
  return [diagnose(SCHEDULE_CODES.endless, detail, pointAt(stage.parameters, "max_train_epochs"))];
};

export const savesCanBeListed: StageRule = (stage, judged) => {
  const { parameters } = stage;
  const steps = stepsOf(stage, judged);
  if (steps === undefined) return [];
  const saves = countSaves({
    epochs: steps.epochs,
    stepsPerEpoch: steps.perEpoch,
    saveEveryEpochs: numberOf(parameters, "save_every_n_epochs"),
    saveEverySteps: numberOf(parameters, "save_every_n_steps"),
    saveState: isOn(parameters, "save_state"),
  });
  if (saves <= MAX_SAVES) return [];
  const names = ["save_every_n_steps", "save_every_n_epochs"].filter(
    (name) => numberOf(parameters, name) !== undefined,
  );
  const detail = `${count(saves)} checkpoints and training states would be saved: ${names.map((name) => cite(parameters, name)).join(", ")}, over ${count(steps.epochs)} epochs of ${count(steps.perEpoch)} steps. A plan lists them one by one, and at most ${count(MAX_SAVES)}. Raise ${names.map((name) => `\`${name}\``).join(" and ")}, or lower \`max_train_epochs\`.`;
  return [diagnose(SCHEDULE_CODES.tooManySaves, detail, pointAt(parameters, ...names, "max_train_epochs"))];
};
