import { type Diagnostic, diagnose } from "../diagnostic.ts";
import type { InputFileFacts } from "../facts.ts";
import type { ResolvedTrainStage } from "../resolve/resolved.ts";
import { TRAINER_CODES } from "../trainer/refusal-codes.ts";
import {
  imageOf,
  PROMPT_FILE_EXTENSIONS,
  promptFaults,
  promptsText,
  readPromptsFile,
  readPromptsText,
  type SamplePrompt,
} from "../trainer/sample-prompts.ts";
import { SCHEDULE_CODES } from "./codes.ts";
import { isOn, type Judged, list, numberOf, pointAt, pointAtEntry, type StageRule, textOf, wordsOf } from "./rule.ts";

/** Rules about samples: T26, and settings that make none. */

function shorten(prompt: SamplePrompt | string): string {
  const text = typeof prompt === "string" ? prompt : String(prompt.prompt ?? "");
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}

function missingImages(prompts: readonly SamplePrompt[], stage: ResolvedTrainStage): readonly Diagnostic[] {
  const without = prompts.filter((prompt) => imageOf(prompt) === undefined);
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
  if (!PROMPT_FILE_EXTENSIONS.some((extension) => file.endsWith(extension))) {
    return refuse(
      `\`sample_prompts\` is ${file}, and the trainer reads files whose names end in ${PROMPT_FILE_EXTENSIONS.join(", ")} only. Rename it, or write the prompts as a list in the pipeline.`,
    );
  }
  if (facts === undefined) return [];
  if (facts.problem !== undefined) {
    return refuse(`\`sample_prompts\` is ${file}, which cannot be used: ${facts.problem.text}. Correct the path.`);
  }
  const prompts = facts.text === undefined ? undefined : readPromptsFile(file, facts.text);
  if (prompts === undefined) return [];
  if (typeof prompts === "string") return refuse(`\`sample_prompts\` is ${file}, and ${prompts}. Correct the file.`);
  if (prompts.length === 0) {
    const detail = `\`sample_prompts\` is ${file}, which holds no prompt: nothing will be sampled. Write one prompt a line.`;
    return [diagnose(SCHEDULE_CODES.samplesNeverMade, detail, options)];
  }
  return promptFindings(prompts, stage, judged);
}

/** Settings and images of prompts that could be read. Sampling fails in the middle of training, at the first of them. */
function promptFindings(
  prompts: readonly SamplePrompt[],
  stage: ResolvedTrainStage,
  judged: Judged,
): readonly Diagnostic[] {
  const isI2v = judged.resolved.spec.task === "i2v-A14B";
  const faults = prompts.flatMap((prompt, index) => {
    const image = isI2v ? imageOf(prompt) : undefined;
    const problem = image === undefined ? undefined : judged.facts.inputFiles?.[image]?.problem;
    const clauses = [
      ...promptFaults(prompt),
      ...(problem === undefined ? [] : [`its image ${image}: ${problem.text}`]),
    ];
    return clauses.length === 0 ? [] : [{ index, text: `"${shorten(prompt)}" (${clauses.join("; ")})` }];
  });
  const images = isI2v ? missingImages(prompts, stage) : [];
  const [first] = faults;
  if (first === undefined) return images;
  const shown = list(
    faults.map(({ text }) => text),
    3,
  );
  const detail = `Training would stop at its first samples, at ${shown}. Correct ${faults.length === 1 ? "the prompt" : "the prompts"}.`;
  const at = pointAtEntry(judged, stage.parameters, { name: "sample_prompts", index: first.index });
  return [diagnose(TRAINER_CODES.samplePrompts, detail, at), ...images];
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
  const read = readPromptsText(promptsText(prompts));
  return read.length === 0 ? [] : promptFindings(read, stage, judged);
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
