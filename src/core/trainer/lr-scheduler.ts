import { ANYTHING, NUMBER, oneOf, optional, type WantedValue, type WantedValues } from "./argument-values.ts";
import { isTransformersAdafactor } from "./optimizers.ts";
import { numberOf, type PythonValue, readKeyword } from "./python-literal.ts";
import { scheduleCombinationFault, scheduleFunction } from "./schedule-functions.ts";
import { bringsItsOwnSchedule } from "./schedules.ts";
import { type NamedScheduler, torchCombinationFault, torchScheduler } from "./torch-schedulers.ts";

/**
 * Whether the trainer can build a learning-rate scheduler (`get_lr_scheduler` in its `training/trainer_base.py`, with the
 * schedules of transformers 4.57 and diffusers 0.32). Every row was tried on the trainer.
 */

export interface SchedulerChoice {
  readonly name: string;
  /** `lr_scheduler_type`, which replaces the name; empty for none. */
  readonly type: string;
  /** Whole steps, or a fraction of all. */
  readonly warmup: number;
  readonly minLrRatio: number | undefined;
  readonly words: readonly string[];
  readonly learningRate: number;
  readonly optimizerType: string;
  readonly optimizerWords: readonly string[];
  /** Groups of parameters that the optimizer gets: two with `loraplus_lr_ratio`. */
  readonly groups: number;
  /** Optimizer steps in all, times processes: what fractions are of. Undefined where it is not known. */
  readonly totalSteps: number | undefined;
}

/** What does not fit: the parameters it is about, the first one to be pointed at, and a sentence. */
export interface SchedulerFault {
  readonly parameters: readonly string[];
  /** Which of `lr_scheduler_args` it is about, where it is one. */
  readonly word?: number;
  readonly text: string;
}

/** What rex takes without them (`modules/lr_schedulers.py`). */
const REX_ALPHA = 0.1;
const REX_BETA = 0.9;

/** rex divides by alpha + beta × z, where z goes from 1 to nearly 0 in as many steps as remain after the warm-up. */
function rexDividesByZero(alpha: number, beta: number, remaining = 1): boolean {
  const step = beta === 0 ? 0 : Math.round(remaining * (1 + alpha / beta));
  return step >= 0 && step < remaining && alpha + beta * ((remaining - step) / remaining) === 0;
}

const CURVE = oneOf("linear", "cosine", "1-sqrt");

/** Keyword arguments that each schedule takes in `lr_scheduler_args`, besides those that the trainer gives it itself. */
const ARGUMENTS: Readonly<Record<string, WantedValues>> = {
  constant: {},
  constant_with_warmup: {},
  inverse_sqrt: {},
  linear: {},
  cosine: { num_cycles: NUMBER },
  cosine_with_restarts: {},
  polynomial: { lr_end: NUMBER },
  cosine_with_min_lr: { min_lr: optional(NUMBER) },
  warmup_stable_decay: { num_training_steps: ANYTHING, warmup_type: CURVE, decay_type: CURVE },
  // Judged below, with how it is to be written.
  piecewise_constant: { step_rules: ANYTHING },
  rex: { rex_alpha: NUMBER, rex_beta: NUMBER },
};

/** `step_rules` as diffusers reads them: `1:200,0.1` is factor 1 up to step 200, then 0.1. */
function stepRulesFault(value: PythonValue | undefined): string | undefined {
  const shape = "such as step_rules='1:200,0.1' (factor 1 up to step 200, then 0.1)";
  if (value === undefined) return `it needs \`step_rules\` in \`lr_scheduler_args\`, ${shape}`;
  if (typeof value !== "string") return `\`step_rules\` has to be a text in quotes, ${shape}`;
  const rules = value.split(",");
  const last = rules.pop() ?? "";
  const isNumber = (text: string) => /^\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\s*$/.test(text);
  const fits = rules.every((rule) => {
    const [factor = "", steps = "", ...more] = rule.split(":");
    return more.length === 0 && isNumber(factor) && /^\s*[+-]?\d+\s*$/.test(steps);
  });
  return fits && isNumber(last) ? undefined : `\`step_rules\` cannot be read, it has to be ${shape}`;
}

/** What is wrong with one word for an argument list. */
function valueFault(word: string, wanted: WantedValue | undefined): string | undefined {
  const keyword = readKeyword(word);
  if (wanted === undefined || keyword.problem !== undefined || wanted.fits(keyword.value)) return undefined;
  return `\`${word}\` in \`lr_scheduler_args\` has to be ${wanted.words}.`;
}

/** What `lr_scheduler_type` leads to, as the trainer looks it up; null for nothing that could be used, undefined where it is not known here. */
function namedScheduler({ type, groups }: SchedulerChoice): NamedScheduler | null | undefined {
  const torch = /^(?:torch\.optim\.lr_scheduler\.)?([^.]+)$/.exec(type)?.[1];
  if (torch !== undefined) return torchScheduler(torch, groups) ?? null;
  return type.startsWith("torch.") ? null : scheduleFunction(type);
}

function namedSchedulerFaults(choice: SchedulerChoice): readonly SchedulerFault[] {
  const { type, words } = choice;
  const fault = (text: string): SchedulerFault => ({ parameters: ["lr_scheduler_type", "lr_scheduler_args"], text });
  const known = namedScheduler(choice);
  if (known === undefined) return [];
  if (known === null) {
    return [
      fault(
        `\`lr_scheduler_type\` ${type} is no scheduler that can be made from arguments. Use a class of torch.optim.lr_scheduler such as CosineAnnealingLR, or one of another package by its full dotted name.`,
      ),
    ];
  }
  const values = keywordValues(words);
  const faults = words.flatMap((word, index): readonly SchedulerFault[] => {
    const argument = readKeyword(word).name;
    const wanted = Object.hasOwn(known.takes, argument) ? known.takes[argument] : undefined;
    const text =
      wanted === undefined
        ? `\`${word}\` in \`lr_scheduler_args\` is not taken by ${type}, which takes ${Object.keys(known.takes).join(", ")}.`
        : valueFault(word, wanted);
    return text === undefined ? [] : [{ parameters: ["lr_scheduler_args", "lr_scheduler_type"], word: index, text }];
  });
  const missing = known.needs.filter((argument) => !values.has(argument));
  if (missing.length > 0) {
    faults.push(fault(`\`lr_scheduler_type\` ${type} needs ${missing.join(" and ")} in \`lr_scheduler_args\`.`));
  }
  const rules = values.has("step_rules") ? stepRulesFault(values.get("step_rules")) : undefined;
  const combination =
    (rules === undefined ? undefined : `\`lr_scheduler_type\` ${type}: ${rules}.`) ??
    torchCombinationFault(type.slice(type.lastIndexOf(".") + 1), values, choice) ??
    scheduleCombinationFault(type, values, choice);
  return combination === undefined ? faults : [...faults, fault(combination)];
}

/** Whole steps of warm-up, as the trainer counts them; undefined for a fraction of an unknown total. */
function warmupSteps({ warmup, totalSteps }: SchedulerChoice): number | undefined {
  if (warmup >= 1 && Number.isInteger(warmup)) return warmup;
  if (warmup === 0) return 0;
  return totalSteps === undefined ? undefined : Math.trunc(warmup * totalSteps);
}

function argumentFaults(choice: SchedulerChoice, known: WantedValues): readonly SchedulerFault[] {
  return choice.words.flatMap((word, index): readonly SchedulerFault[] => {
    const keyword = readKeyword(word);
    const fault = (text: string) => [{ parameters: ["lr_scheduler_args", "lr_scheduler"], word: index, text }];
    if (keyword.problem !== undefined) return [];
    if (keyword.name === "last_epoch") {
      return numberOf(keyword.value) === -1
        ? []
        : fault("`last_epoch` in `lr_scheduler_args` belongs to resuming, which is not done with it. Leave it out.");
    }
    if (!Object.hasOwn(known, keyword.name)) {
      const names = Object.keys(known);
      const takes = names.length === 0 ? "none" : `only ${names.join(", ")}`;
      return fault(
        `\`${word}\` in \`lr_scheduler_args\` is not taken by ${choice.name}, which takes ${takes}. Remove it.`,
      );
    }
    const wrong = valueFault(word, known[keyword.name]);
    return wrong === undefined ? [] : fault(wrong);
  });
}

/** The readable words by name; of several of one name the last, as in the trainer. */
function keywordValues(words: readonly string[]): ReadonlyMap<string, PythonValue> {
  return new Map(
    words.map(readKeyword).flatMap((keyword) => (keyword.problem === undefined ? [[keyword.name, keyword.value]] : [])),
  );
}

/** What one schedule wants beyond its arguments' names. */
function ownFaults(choice: SchedulerChoice): readonly SchedulerFault[] {
  const { name, minLrRatio, words, learningRate, totalSteps } = choice;
  const values = keywordValues(words);
  const warmup = warmupSteps(choice);
  const fault = (parameters: readonly string[], text: string) => [{ parameters, text }];
  switch (name) {
    case "constant": {
      if (warmup === undefined || warmup === 0) return [];
      return fault(
        ["lr_warmup_steps", "lr_scheduler"],
        "`lr_scheduler: constant` takes no warm-up. Use `lr_scheduler: constant_with_warmup`, or leave `lr_warmup_steps` out.",
      );
    }
    case "piecewise_constant": {
      const rules = stepRulesFault(values.get("step_rules"));
      return rules === undefined
        ? []
        : fault(["lr_scheduler", "lr_scheduler_args"], `\`lr_scheduler: piecewise_constant\`: ${rules}.`);
    }
    case "cosine_with_min_lr": {
      const minLr = values.get("min_lr");
      const floors = [minLrRatio, minLr ?? undefined].filter((floor) => floor !== undefined).length;
      if (floors === 1) return [];
      return floors === 0
        ? fault(
            ["lr_scheduler", "lr_scheduler_min_lr_ratio"],
            "`lr_scheduler: cosine_with_min_lr` needs `lr_scheduler_min_lr_ratio`, the floor as a fraction of the learning rate, such as 0.1.",
          )
        : fault(
            ["lr_scheduler_min_lr_ratio", "lr_scheduler_args"],
            "`lr_scheduler_min_lr_ratio` and `min_lr` in `lr_scheduler_args` are two floors. Keep one.",
          );
    }
    case "polynomial": {
      if (warmup !== undefined && warmup > 0 && warmup === totalSteps) {
        return fault(
          ["lr_warmup_steps", "lr_scheduler"],
          `\`lr_scheduler: polynomial\` with as many warm-up steps as there are steps (${warmup}) divides by zero at the last one. Use fewer.`,
        );
      }
      const end = numberOf(values.get("lr_end")) ?? 1e-7;
      if (end < learningRate) return [];
      return fault(
        ["learning_rate", "lr_scheduler"],
        `\`lr_scheduler: polynomial\` falls to ${end}, which has to be below \`learning_rate\` (${learningRate}). Raise the rate, or lower \`lr_end\` in \`lr_scheduler_args\`.`,
      );
    }
    case "rex": {
      const alpha = numberOf(values.get("rex_alpha")) ?? REX_ALPHA;
      const beta = numberOf(values.get("rex_beta")) ?? REX_BETA;
      const remaining = totalSteps === undefined || warmup === undefined ? undefined : totalSteps - warmup;
      if (rexDividesByZero(alpha, beta, remaining)) {
        return fault(
          ["lr_scheduler_args", "lr_scheduler"],
          "`rex_alpha` and `rex_beta` in `lr_scheduler_args` cancel each other out, and the trainer divides by `rex_alpha` + `rex_beta` × the part of the steps that remains. Raise one of them.",
        );
      }
      if (minLrRatio !== undefined && minLrRatio > 1) {
        return fault(
          ["lr_scheduler_min_lr_ratio"],
          "`lr_scheduler_min_lr_ratio` is above 1: the floor would be above the learning rate.",
        );
      }
      if (warmup === undefined || totalSteps === undefined || warmup <= totalSteps) return [];
      return fault(
        ["lr_warmup_steps", "lr_scheduler"],
        `\`lr_scheduler: rex\` takes at most as many warm-up steps as there are steps: ${warmup} of ${totalSteps}.`,
      );
    }
    default:
      return [];
  }
}

/** Everything that the trainer would refuse about the scheduler. An empty list: it can be built. */
export function findSchedulerFaults(given: SchedulerChoice): readonly SchedulerFault[] {
  // Such an optimizer brings no schedule, and the trainer looks at none of it.
  if (given.optimizerType.toLowerCase().endsWith("schedulefree")) return [];
  const choice = { ...given, name: given.name.toLowerCase() === "rex" ? "rex" : given.name };
  const unreadable = choice.words.flatMap((word, index): readonly SchedulerFault[] => {
    const { problem } = readKeyword(word);
    return problem === undefined
      ? []
      : [
          {
            parameters: ["lr_scheduler_args"],
            word: index,
            text: `\`${word}\` in \`lr_scheduler_args\` cannot be read: ${problem}.`,
          },
        ];
  });
  if (choice.type !== "") return [...unreadable, ...namedSchedulerFaults(choice)];

  const isAdafactor = isTransformersAdafactor(choice.optimizerType);
  const replaced = bringsItsOwnSchedule(choice.optimizerType, choice.optimizerWords);
  if (replaced || choice.name.startsWith("adafactor")) {
    const warmup = warmupSteps(choice);
    const faults: SchedulerFault[] = [...unreadable];
    if (!isAdafactor)
      faults.push({
        parameters: ["lr_scheduler", "optimizer_type"],
        text: `\`lr_scheduler: ${choice.name}\` works with \`optimizer_type: adafactor\` only. Choose another scheduler, or that optimizer.`,
      });
    else if (warmup !== undefined && warmup !== 0) {
      const why = replaced
        ? "`optimizer_type: adafactor` brings a schedule of its own, which takes no warm-up. Leave `lr_warmup_steps` out, or add `relative_step=False` to `optimizer_args`."
        : "Adafactor's schedule takes no warm-up. Leave `lr_warmup_steps` out.";
      faults.push({ parameters: ["lr_warmup_steps", "optimizer_type"], text: why });
    }
    if (isAdafactor && !replaced && choice.name === "adafactor") {
      faults.push({
        parameters: ["lr_scheduler", "optimizer_args"],
        text: "`lr_scheduler: adafactor` needs its start, as in `adafactor:1e-3`, with an optimizer that has no relative step.",
      });
    }
    return faults;
  }
  const known = Object.hasOwn(ARGUMENTS, choice.name) ? ARGUMENTS[choice.name] : undefined;
  if (known === undefined) {
    const always = choice.name === "reduce_lr_on_plateau" || choice.name === "cosine_warmup_with_min_lr";
    const text = always
      ? `\`lr_scheduler: ${choice.name}\` always fails in the trainer, which hands it arguments that it does not take. Use cosine_with_min_lr or another one.`
      : `\`lr_scheduler: ${choice.name}\` is not known to the trainer. Use one of ${Object.keys(ARGUMENTS).join(", ")}.`;
    return [...unreadable, { parameters: ["lr_scheduler"], text }];
  }
  return [...unreadable, ...argumentFaults(choice, known), ...ownFaults(choice)];
}
