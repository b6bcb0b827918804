import { type Diagnostic, diagnose } from "../diagnostic.ts";
import type { InputFileFacts } from "../facts.ts";
import type { ResolvedTrainStage } from "../resolve/resolved.ts";
import { SCHEDULE_CODES, TRAINER_CODES } from "./codes.ts";
import { isOn, type Judged, list, numberOf, pointAt, type StageRule, textOf, wordsOf } from "./rule.ts";

/** Rules about samples: T26, and settings that make none. */

const EXTENSIONS = [".txt", ".toml", ".json"] as const;

/** The prompts of a text file, as the trainer takes them: `#` at the very start of a line makes a comment. */
function promptsOfText(text: string): readonly string[] {
  return text
    .replaceAll(/\r\n?/g, "\n")
    .split("\n")
    .filter((line) => line.trim() !== "" && !line.startsWith("#"))
    .map((line) => line.trim());
}

/** The prompts of a JSON file, or why the trainer would fail on it. An entry may be a text or a map of settings. */
function promptsOfJson(text: string): readonly unknown[] | string {
  try {
    const value: unknown = JSON.parse(text);
    if (!Array.isArray(value)) return "it has to be a list of prompts";
    const odd = value.findIndex(
      (entry) => typeof entry !== "string" && (typeof entry !== "object" || entry === null || Array.isArray(entry)),
    );
    return odd < 0 ? value : `its entry ${odd + 1} is neither a text nor a map of settings`;
  } catch {
    return "it is not valid JSON";
  }
}

/** An image for image to video, as the trainer finds it: ` --i PATH` in a line, `image_path` in a map. */
function hasImage(prompt: unknown): boolean {
  if (typeof prompt === "string") return prompt.split(" --").some((part) => /^i .+/i.test(part));
  return typeof prompt === "object" && prompt !== null && "image_path" in prompt;
}

function shorten(prompt: unknown): string {
  const text = typeof prompt === "string" ? prompt : JSON.stringify(prompt);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}

function missingImages(prompts: readonly unknown[], stage: ResolvedTrainStage): readonly Diagnostic[] {
  const without = prompts.filter((prompt) => !hasImage(prompt));
  if (without.length === 0) return [];
  const detail = `${without.length} of ${prompts.length} sample prompts name no image: ${list(
    without.map((prompt) => `"${shorten(prompt)}"`),
    3,
  )}. An image-to-video model samples from one, and the trainer leaves out prompts without. Add \` --i IMAGE\` to each.`;
  const options = pointAt(stage.parameters, "sample_prompts");
  return [diagnose(TRAINER_CODES.samplePrompts, detail, { ...options, severity: "warning" })];
}

function fileFindings(file: string, facts: InputFileFacts | undefined, stage: ResolvedTrainStage, judged: Judged) {
  const options = pointAt(stage.parameters, "sample_prompts");
  const refuse = (text: string) => [diagnose(TRAINER_CODES.samplePrompts, text, options)];
  const extension = EXTENSIONS.find((each) => file.endsWith(each));
  if (extension === undefined) {
    return refuse(
      `\`sample_prompts\` is ${file}, and the trainer reads files whose names end in ${EXTENSIONS.join(", ")} only. Rename it, or write the prompts as a list in the pipeline.`,
    );
  }
  if (facts === undefined) return [];
  if (facts.problem !== undefined) {
    return refuse(`\`sample_prompts\` is ${file}, which cannot be used: ${facts.problem.text}. Correct the path.`);
  }
  // TOML prompts are rare, and only the trainer's own reader knows what it makes of them.
  if (facts.text === undefined || extension === ".toml") return [];
  const prompts = extension === ".json" ? promptsOfJson(facts.text) : promptsOfText(facts.text);
  if (typeof prompts === "string") return refuse(`\`sample_prompts\` is ${file}, and ${prompts}. Correct the file.`);
  if (prompts.length === 0) {
    const detail = `\`sample_prompts\` is ${file}, which holds no prompt: nothing will be sampled. Write one prompt a line.`;
    return [diagnose(SCHEDULE_CODES.samplesNeverMade, detail, options)];
  }
  return judged.resolved.spec.task === "i2v-A14B" ? missingImages(prompts, stage) : [];
}

/** T26: a prompts file that can't be read, prompts that make no sample. */
export const promptsCanBeSampled: StageRule = (stage, judged) => {
  const { parameters } = stage;
  const file = textOf(parameters, "sample_prompts");
  if (file !== undefined) return fileFindings(file, judged.facts.inputFiles?.[file], stage, judged);
  const prompts = wordsOf(parameters, "sample_prompts");
  const comments = prompts.filter((prompt) => prompt.trimStart().startsWith("#") || prompt.trim() === "");
  if (comments.length > 0) {
    const detail = `${list(
      comments.map((prompt) => `"${shorten(prompt)}"`),
      3,
    )} in \`sample_prompts\` would be taken for a comment or an empty line. Begin each prompt with a word.`;
    return [diagnose(TRAINER_CODES.samplePrompts, detail, pointAt(parameters, "sample_prompts"))];
  }
  return prompts.length > 0 && judged.resolved.spec.task === "i2v-A14B" ? missingImages(prompts, stage) : [];
};

/** Prompts without a moment, or a moment without prompts: the trainer loads what it needs, and samples nothing. */
export const samplesAreMade: StageRule = ({ parameters }) => {
  const hasPrompts =
    textOf(parameters, "sample_prompts") !== undefined || wordsOf(parameters, "sample_prompts").length > 0;
  const moments = ["sample_every_n_epochs", "sample_every_n_steps"].filter(
    (name) => numberOf(parameters, name) !== undefined,
  );
  if (isOn(parameters, "sample_at_first")) moments.push("sample_at_first");
  const [moment] = moments;
  if (hasPrompts && moment === undefined) {
    const detail =
      "`sample_prompts` is given, and no moment to sample at. Add `sample_every_n_epochs: 1`, say, or remove the prompts: training loads the text encoder for them.";
    return [diagnose(SCHEDULE_CODES.samplesNeverMade, detail, pointAt(parameters, "sample_prompts"))];
  }
  if (hasPrompts || moment === undefined) return [];
  const detail = `\`${moment}\` is given, and no \`sample_prompts\`: nothing will be sampled. Add prompts, or remove the line.`;
  return [diagnose(SCHEDULE_CODES.samplesNeverMade, detail, pointAt(parameters, moment))];
};
