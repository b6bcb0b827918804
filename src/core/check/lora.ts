import { type Diagnostic, type DiagnosticOptions, diagnose } from "../diagnostic.ts";
import type { ResolvedTrainStage } from "../resolve/resolved.ts";
import {
  endlessPatterns,
  type LoraModule,
  loraModulesFromTensors,
  selectModules,
  WAN_14B_MODULES,
} from "../trainer/lora.ts";
import { holdsLayersOf, type LoraTensors, loadingFault, mergingFault, ranksOf } from "../trainer/lora-file.ts";
import { itemsOf, readPythonLiteral } from "../trainer/python-literal.ts";
import { TRAINER_CODES } from "../trainer/refusal-codes.ts";
import { LEARNING_CODES } from "./codes.ts";
import { ditsOf } from "./dit.ts";
import {
  cite,
  isOn,
  type Judged,
  list,
  numberOf,
  pointAt,
  pointAtEntry,
  type StageRule,
  textOf,
  wordsOf,
} from "./rule.ts";

/** Rules about the LoRA: its settings (T24, T30), and the files that it starts from or is trained on top of (T33, T44, T45, T48). */

/** The layers of the model that a stage trains, by its header where that was seen. */
function layersOf(stage: ResolvedTrainStage, judged: Judged): readonly LoraModule[] {
  const tensors = ditsOf(stage, judged)[0]?.facts?.tensors;
  const seen = tensors === undefined ? [] : loraModulesFromTensors(tensors);
  return seen.length === 0 ? WAN_14B_MODULES : seen;
}

/** `float()` and `int()` of Python. */
const PYTHON_FLOAT = /^\s*[+-]?(?:\d(?:_?\d)*\.?(?:\d(?:_?\d)*)?|\.\d(?:_?\d)*)(?:[eE][+-]?\d+)?\s*$/;
const PYTHON_INT = /^\s*[+-]?\d(?:_?\d)*\s*$/;

/** Names that the trainer's network takes from elsewhere, or hands on itself: given again, they end in a TypeError. */
const TAKEN = [
  ...["multiplier", "network_dim", "network_alpha", "vae", "text_encoders", "unet"],
  ...["target_replace_modules", "prefix", "module_class", "module_kwargs"],
];

/** Why the value of a network argument would be refused, as a clause (`create_network` in the trainer's `networks/lora.py`). */
function networkArgumentFault(name: string, value: string): string | undefined {
  if (TAKEN.includes(name)) return "it is given by the trainer itself";
  switch (name) {
    case "neuron_dropout":
      return "it is given by the trainer itself; set `network_dropout` instead";
    case "conv_dim":
      return PYTHON_INT.test(value) ? undefined : "it has to be a whole number";
    case "rank_dropout":
    case "module_dropout":
      if (!PYTHON_FLOAT.test(value)) return "it has to be a number";
      return Number(value.replaceAll("_", "")) < 1 ? undefined : "it has to be below 1: nothing would be left to train";
    case "conv_alpha":
    case "loraplus_lr_ratio":
      return PYTHON_FLOAT.test(value) ? undefined : "it has to be a number";
    case "include_patterns":
    case "exclude_patterns":
      return patternsFault(name, value);
    default:
      return undefined;
  }
}

/** What is excluded is added to by the trainer, so that it has to be a list; what is included may be a tuple, or None. */
function patternsFault(name: string, value: string): string | undefined {
  const patterns = readPythonLiteral(value);
  const isIncluded = name === "include_patterns";
  if (isIncluded && patterns === null) return undefined;
  const isCollection =
    typeof patterns === "object" &&
    patterns !== null &&
    (patterns.kind === "list" || (isIncluded && "items" in patterns));
  const fits = isCollection && itemsOf(patterns)?.every((pattern) => typeof pattern === "string");
  return fits ? undefined : "it has to be a Python list of patterns, such as ['.*ffn.*']";
}

/** T30: patterns that leave no layer; the trainer finds "No LoRA modules" and stops. Those that only Python can read pass. */
function nothingLeft(stage: ResolvedTrainStage, judged: Judged): readonly Diagnostic[] {
  const words = wordsOf(stage.parameters, "network_args");
  if (words.length === 0) return [];
  const layers = layersOf(stage, judged);
  const endless = endlessPatterns(layers, words);
  const finding = (detail: string) => [
    diagnose(LEARNING_CODES.networkArguments, detail, pointAt(stage.parameters, "network_args")),
  ];
  if (endless.length > 0) {
    return finding(
      `The pattern \`${endless[0]}\` in \`network_args\` repeats what repeats itself: comparing it with the layers' names would take the trainer hours or longer. Write it without repetition inside repetition, such as \`.*ffn.*\`.`,
    );
  }
  const { modules, unreadable } = selectModules(layers, words);
  if (modules.length > 0 || unreadable.length > 0) return [];
  return finding(
    "The patterns in `network_args` leave out every layer of the model, and the trainer stops where there is nothing to train. Exclude less, or add `include_patterns`.",
  );
}

/** T30: `network_args`; names that the network does not know are ignored there, and so pass. */
export const networkArgumentsFit: StageRule = (stage, judged) => {
  const { parameters } = stage;
  const words = wordsOf(parameters, "network_args");
  const faults = words.flatMap((word, index): readonly Diagnostic[] => {
    const [name = "", value, ...more] = word.split("=");
    const fault =
      value === undefined || more.length > 0
        ? "it has to be name=value with exactly one `=`"
        : networkArgumentFault(name, value);
    if (fault === undefined) return [];
    const detail = `\`${word}\` in \`network_args\` cannot be used: ${fault}.`;
    const at = pointAtEntry(judged, parameters, { name: "network_args", index });
    return [diagnose(LEARNING_CODES.networkArguments, detail, at)];
  });
  return faults.length > 0 ? faults : nothingLeft(stage, judged);
};

/** T24: not in the parameter table; this holds whatever else may bring it in. */
export const dimIsGiven: StageRule = ({ parameters }) => {
  if (!isOn(parameters, "dim_from_weights")) return [];
  const detail = `${cite(parameters, "dim_from_weights")}, which always fails in the trainer. Set \`network_dim\` to the rank of \`network_weights\`.`;
  return [diagnose(TRAINER_CODES.dimFromWeights, detail, pointAt(parameters, "dim_from_weights"))];
};

/** What the header of a file that a parameter names says; undefined for what was not seen, or is no safetensors file. */
function tensorsOf(file: string, { facts }: Judged): LoraTensors | undefined {
  return facts.inputFiles?.[file]?.tensors;
}

/** Whether a file was read and turned out to be of another format. */
function isOtherFormat(file: string, { facts }: Judged): boolean {
  const seen = facts.inputFiles?.[file];
  return seen !== undefined && seen.problem === undefined && seen.tensors === undefined;
}

/** T45: the trainer goes by names, and passes over what it does not know (`load_state_dict` without `strict`). */
function nothingFits(parameter: string, file: string, at: DiagnosticOptions): Diagnostic {
  const detail = `\`${parameter}\` names ${file}, and no tensor in it is named as this trainer names the layers of Wan (\`lora_unet_blocks_0_self_attn_q.lora_down.weight\`): nothing of it would be used. Convert it with Musubi's \`convert_lora.py --target default\`, or leave it out.`;
  return diagnose(LEARNING_CODES.foreignLora, detail, at);
}

function doesNotFit(parameter: string, file: string, fault: string, at: DiagnosticOptions): Diagnostic {
  const detail = `\`${parameter}\` names ${file}, and ${fault}. Name a LoRA that was trained for this model.`;
  return diagnose(LEARNING_CODES.loraMisfit, detail, at);
}

/** T33, T44 and T45 for `network_weights`: `load_state_dict` refuses tensors of other shapes (`load_weights` in the trainer's `networks/lora.py`). */
export const networkWeightsFit: StageRule = (stage, judged) => {
  const { parameters } = stage;
  const file = textOf(parameters, "network_weights");
  const tensors = file === undefined ? undefined : tensorsOf(file, judged);
  if (file === undefined || tensors === undefined) return [];
  const at = pointAt(parameters, "network_weights");
  if (!file.endsWith(".safetensors")) {
    const fault =
      "the trainer reads it with PyTorch, for its name, while it holds safetensors; it has to end in .safetensors";
    return [doesNotFit("network_weights", file, fault, at)];
  }
  const layers = layersOf(stage, judged);
  if (!holdsLayersOf(tensors, layers)) return [nothingFits("network_weights", file, at)];
  const { modules, unreadable } = selectModules(layers, wordsOf(parameters, "network_args"));
  // Which layers are trained is not known then; what the others hold is passed over.
  if (unreadable.length > 0) return [];
  const fault = loadingFault(tensors, modules);
  if (fault !== undefined) return [doesNotFit("network_weights", file, fault, at)];
  return rankFindings(file, ranksOf(tensors, modules), stage);
};

function rankFindings(
  file: string,
  ranks: readonly number[],
  { parameters }: ResolvedTrainStage,
): readonly Diagnostic[] {
  const dim = numberOf(parameters, "network_dim");
  if (dim === undefined || ranks.every((rank) => rank === dim)) return [];
  const [only, ...others] = ranks;
  const detail =
    others.length > 0
      ? `\`network_weights\` (${file}) have layers of the ranks ${ranks.join(", ")}, and a LoRA that is trained has one. Name another file, or leave it out.`
      : `\`network_weights\` (${file}) have rank ${only}, and \`network_dim\` is ${dim}. Set \`network_dim: ${only}\`.`;
  const options = pointAt(parameters, "network_weights", "network_dim");
  return [diagnose(LEARNING_CODES.networkWeightsRank, detail, options)];
}

/** T48: `_build_network` merges into the model at hand, `dit_inactive_state_dict` keeps the other half's weights as they were read. */
export const baseWeightsReachBothHalves: StageRule = ({ half, parameters }) => {
  const files = wordsOf(parameters, "base_weights");
  if (half !== "dual" || files.length === 0) return [];
  const detail = `\`base_weights\` names ${list(files, 3)}, and both halves are trained in one run: the trainer merges them into the low-noise half only. Set \`noise: separate\`, or merge them into both models beforehand.`;
  return [diagnose(LEARNING_CODES.baseOfOneHalf, detail, pointAt(parameters, "base_weights"))];
};

/** T44 and T45 for `base_weights`, which are merged into every layer of the model, whatever is trained. */
export const baseWeightsFit: StageRule = (stage, judged) =>
  wordsOf(stage.parameters, "base_weights").flatMap((file, index): readonly Diagnostic[] => {
    const at = pointAtEntry(judged, stage.parameters, { name: "base_weights", index });
    if (isOtherFormat(file, judged)) {
      return [
        doesNotFit("base_weights", file, "the trainer reads `base_weights` as safetensors only, which it is not", at),
      ];
    }
    const tensors = tensorsOf(file, judged);
    if (tensors === undefined) return [];
    const layers = layersOf(stage, judged);
    if (!holdsLayersOf(tensors, layers)) return [nothingFits("base_weights", file, at)];
    const fault = mergingFault(tensors, layers);
    return fault === undefined ? [] : [doesNotFit("base_weights", file, fault, at)];
  });
