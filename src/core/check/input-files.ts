import { parse } from "smol-toml";
import { type Diagnostic, diagnose } from "../diagnostic.ts";
import type { Facts } from "../facts.ts";
import type { Spec } from "../spec/spec.ts";
import { imageOf, promptsText, readPromptsFile, readPromptsText } from "../trainer/sample-prompts.ts";
import { LEARNING_CODES } from "./codes.ts";
import { type Judged, numberOf, pointAt, type StageRule, textOf, wordsOf } from "./rule.ts";

/** Files that parameters name and the trainer reads while it starts: there, and fitting. */

/** Parameters of the train section that name one. */
const WEIGHTS = ["network_weights", "base_weights"] as const;
const FILES = [...WEIGHTS, "log_tracker_config", "sample_prompts"] as const;

/** The paths of all such files, each once: what the host looks at for `facts.inputFiles`. */
export function namedInputFiles({ overrides }: Pick<Spec, "overrides">): readonly string[] {
  const named = FILES.flatMap((name) => {
    const last = overrides.filter((override) => override.section === "train" && override.name === name).at(-1);
    if (last === undefined) return [];
    if (typeof last.value === "string") return [last.value];
    // A list of prompts is written in the pipeline itself.
    return name === "base_weights" && Array.isArray(last.value) ? last.value : [];
  });
  return [...new Set(named)];
}

/** The images that sample prompts of image to video name, in the pipeline or in the file that was looked at. */
export function namedPromptImages(
  { task, overrides }: Pick<Spec, "task" | "overrides">,
  inputFiles: NonNullable<Facts["inputFiles"]>,
): readonly string[] {
  if (task !== "i2v-A14B") return [];
  const written = overrides.filter(({ section, name }) => section === "train" && name === "sample_prompts").at(-1);
  const value = written?.value;
  const prompts = Array.isArray(value)
    ? readPromptsText(promptsText(value.map(String)))
    : typeof value === "string"
      ? readPromptsFile(value, inputFiles[value]?.text ?? "")
      : undefined;
  if (prompts === undefined || typeof prompts === "string") return [];
  return [...new Set(prompts.flatMap((prompt) => imageOf(prompt) ?? []))];
}

function filesOf(name: string, stage: Parameters<StageRule>[0]): readonly string[] {
  const file = textOf(stage.parameters, name);
  return file === undefined ? wordsOf(stage.parameters, name) : [file];
}

/** What the trainer's reader of TOML would stumble over. */
function tomlProblem(text: string | undefined): { readonly text: string } | undefined {
  if (text === undefined) return undefined;
  try {
    parse(text);
    return undefined;
  } catch {
    return { text: "it is not valid TOML" };
  }
}

/** T32. Prompts have a rule of their own. */
export const inputFilesAreThere: StageRule = (stage, judged) =>
  FILES.filter((name) => name !== "sample_prompts").flatMap((name) =>
    filesOf(name, stage).flatMap((file): readonly Diagnostic[] => {
      const facts = judged.facts.inputFiles?.[file];
      const problem = facts?.problem ?? (name === "log_tracker_config" ? tomlProblem(facts?.text) : undefined);
      if (problem === undefined) return [];
      const detail = `\`${name}\` names ${file}, which cannot be used: ${problem.text}. Correct the path.`;
      return [diagnose(LEARNING_CODES.inputFile, detail, pointAt(stage.parameters, name))];
    }),
  );

/** The rank that a LoRA file has: the outputs of any of its down projections. */
function rankOf(file: string, { facts }: Judged): number | undefined {
  const tensors = Object.entries(facts.inputFiles?.[file]?.tensors ?? {});
  return tensors.find(([name]) => name.endsWith(".lora_down.weight"))?.[1].shape[0];
}

/** T33: `load_state_dict` refuses tensors of other shapes (`load_weights` in the trainer's `networks/lora.py`). */
export const networkWeightsHaveTheRank: StageRule = (stage, judged) => {
  const { parameters } = stage;
  const file = textOf(parameters, "network_weights");
  const rank = file === undefined ? undefined : rankOf(file, judged);
  const dim = numberOf(parameters, "network_dim");
  if (rank === undefined || dim === undefined || rank === dim) return [];
  const detail = `\`network_weights\` (${file}) have rank ${rank}, and \`network_dim\` is ${dim}. Set \`network_dim: ${rank}\`.`;
  const options = pointAt(parameters, "network_weights", "network_dim");
  return [diagnose(LEARNING_CODES.networkWeightsRank, detail, options)];
};
