import { type Diagnostic, type DiagnosticKind, diagnose } from "../diagnostic.ts";
import { nearest } from "../spec/suggest.ts";
import { combinationFaults, GIVEN_TO_OPTIMIZERS, optimizerArguments } from "../trainer/optimizer-arguments.ts";
import { modulesOf, OPTIMIZER_NAMES, optimizerTypeForTrainer, PARAMETERS_OF_MODULES } from "../trainer/optimizers.ts";
import { type PythonValue, readKeyword } from "../trainer/python-literal.ts";
import { TRAINER_CODES } from "../trainer/refusal-codes.ts";
import { LEARNING_CODES } from "./codes.ts";
import { cite, isExplicit, list, numberOf, pointAt, pointAtEntry, type StageRule, textOf, wordsOf } from "./rule.ts";

/** Rules about what is learnt and how: the optimizer (T7, T22, T29), the learning rate (T28) and timesteps (T15). */

/** What a missing module is told as, and the value that needs none. */
const WITHOUT_MODULES: Readonly<Record<string, { readonly kind: DiagnosticKind; readonly instead: string }>> = {
  optimizer_type: { kind: TRAINER_CODES.optimizerModule, instead: "optimizer_type: adamw" },
  lr_scheduler_type: { kind: LEARNING_CODES.trainerModule, instead: "lr_scheduler: cosine" },
  attention: { kind: LEARNING_CODES.trainerModule, instead: "attention: sdpa" },
  log_with: { kind: LEARNING_CODES.trainerModule, instead: "log_with: tensorboard" },
};

/** What to ask pip for. FlashAttention 3 has a module of another name than its project. */
function packageOf(module: string): string {
  return module === "flash_attn" ? "flash-attn" : module;
}

/** T7: a name that neither the trainer nor torch.optim nor bitsandbytes knows. */
export const optimizerIsKnown: StageRule = ({ parameters }) => {
  const name = textOf(parameters, "optimizer_type");
  const options = pointAt(parameters, "optimizer_type");
  if (name === undefined) {
    const detail = `${cite(parameters, "optimizer_type")}, and the trainer has no default that works. Set \`optimizer_type: adamw8bit\`, or adamw.`;
    return [diagnose(TRAINER_CODES.unknownOptimizer, detail, options)];
  }
  if (optimizerTypeForTrainer(name) !== undefined) return [];
  const similar = nearest(name.slice(name.lastIndexOf(".") + 1), OPTIMIZER_NAMES);
  const hint = similar === undefined ? "" : ` Did you mean ${similar}?`;
  if (name.includes(".")) {
    const detail = `${cite(parameters, "optimizer_type")}, and ${name.split(".")[0]} has no optimizer of this name that a LoRA can be trained with.${hint === "" ? " Use adamw8bit, or adamw." : hint}`;
    return [diagnose(TRAINER_CODES.unknownOptimizer, detail, options)];
  }
  const detail = `${cite(parameters, "optimizer_type")}, which is neither one of the trainer's own names nor an optimizer of torch.optim or bitsandbytes.${hint} An optimizer of another package needs its full dotted name, such as prodigyopt.Prodigy.`;
  return [diagnose(TRAINER_CODES.unknownOptimizer, detail, options)];
};

/** T22, and T41 for other parameters: modules, where the trainer's Python could be looked into. */
export const modulesAreInstalled: StageRule = ({ parameters }, { facts, resolved }) => {
  if (resolved.spec.trainer.backend !== "musubi") return [];
  const python = facts.trainer.python ?? "the trainer's Python";
  return PARAMETERS_OF_MODULES.flatMap((parameter): readonly Diagnostic[] => {
    const value = textOf(parameters, parameter);
    if (value === undefined) return [];
    const missing = modulesOf(parameter, value).filter((module) => facts.trainer.missingModules.includes(module));
    if (missing.length === 0) return [];
    const { kind, instead } = WITHOUT_MODULES[parameter] ?? { kind: LEARNING_CODES.trainerModule, instead: "" };
    const detail = `${cite(parameters, parameter)}, which needs the Python module ${list(missing)}, and ${python} has none of that name. Install it there (\`pip install ${missing.map(packageOf).join(" ")}\`), or set \`${instead}\` instead.`;
    return [diagnose(kind, detail, pointAt(parameters, parameter))];
  });
};

/** T29: `optimizer_args`, as far as the optimizer's constructor is known. */
export const optimizerArgumentsFit: StageRule = ({ parameters }, judged) => {
  const type = optimizerTypeForTrainer(textOf(parameters, "optimizer_type") ?? "");
  if (type === undefined) return [];
  const words = wordsOf(parameters, "optimizer_args");
  const known = optimizerArguments(type);
  const combined = (text: string): Diagnostic =>
    diagnose(LEARNING_CODES.optimizerArguments, text, pointAt(parameters, "optimizer_args", "optimizer_type"));
  const findings = words.map(readKeyword).flatMap((keyword, index): readonly Diagnostic[] => {
    const at = pointAtEntry(judged, parameters, { name: "optimizer_args", index }, "optimizer_type");
    const finding = (text: string): Diagnostic => diagnose(LEARNING_CODES.optimizerArguments, text, at);
    const shown = `\`${words[index] ?? ""}\` in \`optimizer_args\``;
    if (keyword.problem !== undefined) return [finding(`${shown} cannot be read: ${keyword.problem}.`)];
    if (GIVEN_TO_OPTIMIZERS.includes(keyword.name)) {
      return [finding(`${shown} is given by the trainer itself. Set \`learning_rate\` instead.`)];
    }
    if (known === undefined) return [];
    const wanted = Object.hasOwn(known, keyword.name) ? known[keyword.name] : undefined;
    if (wanted?.fits(keyword.value)) return [];
    if (wanted !== undefined) return [finding(`${shown} is not what ${type} takes: it has to be ${wanted.words}.`)];
    const names = Object.keys(known);
    const similar = nearest(keyword.name, names);
    const hint = similar === undefined ? `It takes ${list(names, 12)}.` : `Did you mean ${similar}?`;
    return [finding(`${shown} is no argument of ${type}. ${hint}`)];
  });
  const values = words
    .map(readKeyword)
    .flatMap((keyword): readonly [string, PythonValue][] =>
      keyword.problem === undefined ? [[keyword.name, keyword.value]] : [],
    );
  const combinations = combinationFaults(type, new Map(values));
  return [...findings, ...combinations.map((text) => combined(`${cite(parameters, "optimizer_type")}: ${text}`))];
};

/** T28: without a learning rate the optimizer gets no parameters at all (`prepare_optimizer_params` in `networks/lora.py`). */
export const learningRateIsAboveZero: StageRule = ({ parameters }) => {
  if (numberOf(parameters, "learning_rate") !== 0) return [];
  const detail = `${cite(parameters, "learning_rate")}. The trainer then has nothing to train and fails. Use a rate above 0.`;
  return [diagnose(LEARNING_CODES.learningRateZero, detail, pointAt(parameters, "learning_rate"))];
};

/** T15: only one way of drawing timesteps looks at the shift. A user who chose the other way is told, not warned. */
export const shiftHasAnEffect: StageRule = ({ parameters }) => {
  const sampling = textOf(parameters, "timestep_sampling");
  const shift = numberOf(parameters, "discrete_flow_shift");
  const isDecided = Object.hasOwn(parameters, "discrete_flow_shift");
  const source = isDecided ? parameters.discrete_flow_shift?.source.layer : undefined;
  if (sampling === "shift" || shift === undefined || source === undefined || source === "trainer") return [];
  const isIntended = isExplicit(parameters, "timestep_sampling") && !isExplicit(parameters, "discrete_flow_shift");
  const detail = `${cite(parameters, "discrete_flow_shift")}, and ${cite(parameters, "timestep_sampling")}, which does not use it. Set \`timestep_sampling: shift\` if the shift is wanted${isIntended ? "" : ", or leave it out"}.`;
  const options = pointAt(parameters, "discrete_flow_shift", "timestep_sampling");
  return [diagnose(TRAINER_CODES.shiftIgnored, detail, { ...options, ...(isIntended ? { severity: "note" } : {}) })];
};
