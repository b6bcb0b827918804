import { type Diagnostic, diagnose } from "../diagnostic.ts";
import type { Facts } from "../facts.ts";
import { possibleValues } from "../resolve/possible-values.ts";
import type { Presets } from "../resolve/presets.ts";
import type { Spec } from "../spec/spec.ts";
import { imageOf, promptsText, readPromptsFile, readPromptsText } from "../trainer/sample-prompts.ts";
import { trackerSettingsFault } from "../trainer/tracker-settings.ts";
import { LEARNING_CODES } from "./codes.ts";
import { pointAt, type StageRule, textOf, wordsOf } from "./rule.ts";

/** Files that parameters name and the trainer reads while it starts: there, and fitting. LoRA files have rules of their own. */

/** Parameters of the train section that name one. */
const FILES = ["network_weights", "base_weights", "log_tracker_config", "sample_prompts"] as const;

/** The paths of all such files, each once: what the host looks at for `facts.inputFiles`. */
export function namedInputFiles(spec: Pick<Spec, "overrides">, presets: Presets): readonly string[] {
  const named = FILES.flatMap((name) =>
    possibleValues(name, spec, presets).flatMap((value) => {
      if (typeof value === "string") return [value];
      // A list of prompts is written in the pipeline itself.
      return name === "base_weights" && Array.isArray(value) ? value : [];
    }),
  );
  return [...new Set(named)];
}

/** The images that sample prompts of image to video name, in the pipeline or in the files that were looked at. */
export function namedPromptImages(
  spec: Pick<Spec, "task" | "overrides">,
  presets: Presets,
  inputFiles: NonNullable<Facts["inputFiles"]>,
): readonly string[] {
  if (spec.task !== "i2v-A14B") return [];
  const images = possibleValues("sample_prompts", spec, presets).flatMap((value) => {
    const prompts = Array.isArray(value)
      ? readPromptsText(promptsText(value.map(String)))
      : typeof value === "string"
        ? readPromptsFile(value, inputFiles[value]?.text ?? "")
        : undefined;
    return prompts === undefined || typeof prompts === "string"
      ? []
      : prompts.flatMap((prompt) => imageOf(prompt) ?? []);
  });
  return [...new Set(images)];
}

function filesOf(name: string, stage: Parameters<StageRule>[0]): readonly string[] {
  const file = textOf(stage.parameters, name);
  return file === undefined ? wordsOf(stage.parameters, name) : [file];
}

/** T32. Prompts have a rule of their own. */
export const inputFilesAreThere: StageRule = (stage, judged) =>
  FILES.filter((name) => name !== "sample_prompts").flatMap((name) =>
    filesOf(name, stage).flatMap((file): readonly Diagnostic[] => {
      const facts = judged.facts.inputFiles?.[file];
      const settings = name === "log_tracker_config" ? facts?.text : undefined;
      const fault =
        facts?.problem?.text ??
        (settings === undefined ? undefined : trackerSettingsFault(settings, textOf(stage.parameters, "log_with")));
      if (fault === undefined) return [];
      const mend = facts?.problem === undefined ? "Correct the file." : "Correct the path.";
      const detail = `\`${name}\` names ${file}, which cannot be used: ${fault}. ${mend}`;
      return [diagnose(LEARNING_CODES.inputFile, detail, pointAt(stage.parameters, name))];
    }),
  );
