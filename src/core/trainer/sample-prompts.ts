import { isPythonFloat, isTable, readPythonJson, readPythonToml } from "./python-data.ts";

/** Sample prompts as the trainer reads and uses them (`training/sampling_prompts.py`, `sample_image_inference`). */

/** What one prompt sets, by the trainer's names. */
export type SamplePrompt = Readonly<Record<string, unknown>>;

/** The prompts of a file, or a clause on why the trainer would fail on it. */
export type ReadPrompts = readonly SamplePrompt[] | string;

/** `--w 64` and the like, in the trainer's order: the first that matches decides. */
const OPTIONS: readonly (readonly [RegExp, string])[] = [
  [/^w (\d+)/i, "width"],
  [/^h (\d+)/i, "height"],
  [/^f (\d+)/i, "frame_count"],
  [/^d (\d+)/i, "seed"],
  [/^s (\d+)/i, "sample_steps"],
  [/^g ([\d.]+)/i, "guidance_scale"],
  [/^fs ([\d.]+)/i, "discrete_flow_shift"],
  [/^l ([\d.]+)/i, "cfg_scale"],
  [/^n (.+)/i, "negative_prompt"],
  [/^i (.+)/i, "image_path"],
];

/** Options whose value stays a text. */
const TEXTS = ["negative_prompt", "image_path"];

/** One line of a text file, or one text of a list: the prompt, and options after ` --`. */
function readLine(line: string): SamplePrompt {
  const parts = line.split(" --");
  const settings: Record<string, unknown> = { prompt: parts[0] ?? "" };
  for (const part of parts) {
    const option = OPTIONS.find(([pattern]) => pattern.test(part));
    const value = option?.[0].exec(part)?.[1];
    if (option === undefined || value === undefined) continue;
    const [, name] = option;
    // What is no number is logged by the trainer, and left out.
    if (TEXTS.includes(name)) settings[name] = value.trim();
    else if (!Number.isNaN(Number(value))) settings[name] = Number(value);
  }
  // Bounded there, so that any number will do.
  if ("sample_steps" in settings) settings.sample_steps = Math.min(1000, Math.max(1, Number(settings.sample_steps)));
  return settings;
}

/** A prompt of several lines is one prompt: line ends become spaces. */
function promptLine(prompt: string): string {
  return prompt.trim().replaceAll(/\s*[\r\n]+\s*/g, " ");
}

/** The prompts file of a list written in the pipeline, as `readPromptsText` takes it. */
export function promptsText(prompts: readonly string[]): string {
  return prompts.map((prompt) => `${promptLine(prompt)}\n`).join("");
}

/** The prompts of a text file. A `#` at the very start of a line makes a comment. */
export function readPromptsText(text: string): readonly SamplePrompt[] {
  return text
    .replaceAll(/\r\n?/g, "\n")
    .split("\n")
    .filter((line) => line.trim() !== "" && !line.startsWith("#"))
    .map((line) => readLine(line.trim()));
}

/** Entries may be texts as in a text file, or maps of settings. */
function readEntries(entries: readonly unknown[]): ReadPrompts {
  const odd = entries.findIndex((entry) => typeof entry !== "string" && !isTable(entry));
  if (odd >= 0) return `its entry ${odd + 1} is neither a text nor a map of settings`;
  return entries.flatMap((entry) => (typeof entry === "string" ? [readLine(entry)] : isTable(entry) ? [entry] : []));
}

function readJson(text: string): ReadPrompts {
  const { value, problem } = readPythonJson(text);
  if (problem !== undefined) return problem;
  return Array.isArray(value) ? readEntries(value) : "it has to be a list of prompts";
}

/** `[prompt]` with what all prompts share, and a `[[prompt.subset]]` for each. */
function readToml(text: string): ReadPrompts {
  const { value, problem } = readPythonToml(text);
  if (problem !== undefined) return problem;
  const shared = isTable(value) ? value.prompt : undefined;
  if (!isTable(shared) || !Array.isArray(shared.subset) || !shared.subset.every(isTable)) {
    return "it has to hold a `[prompt]` table with a `[[prompt.subset]]` for each prompt";
  }
  const { subset, ...common } = shared;
  const prompts: SamplePrompt[] = [];
  for (const own of shared.subset.filter(isTable)) {
    const twice = Object.keys(own).find((name) => Object.hasOwn(shared, name));
    if (twice !== undefined)
      return `\`${twice}\` stands in \`[prompt]\` and in a \`[[prompt.subset]]\`, which the trainer refuses`;
    prompts.push({ ...common, ...own });
  }
  return prompts;
}

/** How the trainer reads a prompts file, by the end of its name. */
const READERS = { ".txt": readPromptsText, ".toml": readToml, ".json": readJson } as const;

/** The ends of names that it knows. */
export const PROMPT_FILE_EXTENSIONS = Object.keys(READERS);

/** Reads a prompts file; undefined for a name that the trainer reads nothing from. */
export function readPromptsFile(file: string, text: string): ReadPrompts | undefined {
  return Object.entries(READERS).find(([extension]) => file.endsWith(extension))?.[1](text);
}

/** The image of a prompt for image to video, as the trainer opens it: relative to the project's root. */
export function imageOf(prompt: SamplePrompt): string | undefined {
  return typeof prompt.image_path === "string" ? prompt.image_path : undefined;
}

/** A picture's latents are an eighth of it each way, and the model takes them in pairs. */
const PER_LATENT = 8;
const MAX_SEED = 2 ** 64;
const MIN_SEED = -(2 ** 63);

const isText = (value: unknown) => typeof value === "string";
const isNumber = (value: unknown) => typeof value === "number" || isPythonFloat(value);
const isOptional = (fits: (value: unknown) => boolean) => (value: unknown) => value === null || fits(value);
const isSide = (value: unknown) => {
  if (typeof value !== "number" || !Number.isInteger(value)) return false;
  const latents = Math.floor(value / PER_LATENT);
  return latents > 0 && latents % 2 === 0;
};
/** numpy makes room for one more than there are steps, and for none at -1. */
const isStepCount = (value: unknown) => Number.isInteger(value) && Number(value) >= -1;

/** What each setting has to be, unless it is left out. */
const SETTINGS: Readonly<Record<string, readonly [(value: unknown) => boolean, string]>> = {
  prompt: [isText, "a text"],
  negative_prompt: [isOptional(isText), "a text"],
  width: [isSide, "a multiple of 16 pixels"],
  height: [isSide, "a multiple of 16 pixels"],
  frame_count: [(value) => Number.isInteger(value) && Number(value) >= 1, "a whole number of 1 or more"],
  sample_steps: [isStepCount, "a whole number of 0 or more"],
  seed: [
    isOptional((value) => Number.isInteger(value) && Number(value) < MAX_SEED && Number(value) >= MIN_SEED),
    "a whole number below 2^64",
  ],
  discrete_flow_shift: [isNumber, "a number"],
  cfg_scale: [isOptional(isNumber), "a number"],
};

/** Settings at which sampling would stop the training, as clauses. */
export function promptFaults(prompt: SamplePrompt): readonly string[] {
  const faults = Object.entries(SETTINGS).flatMap(([name, [fits, words]]) => {
    const value = prompt[name];
    return value === undefined || fits(value) ? [] : [`its ${name} is ${shownValue(value)} and has to be ${words}`];
  });
  const steps = stepsFault(prompt);
  return steps === undefined ? faults : [...faults, steps];
}

function shownValue(value: unknown): string {
  if (!isPythonFloat(value)) return JSON.stringify(value);
  return Number.isInteger(value.value) ? value.value.toFixed(1) : String(value.value);
}

/** What a sample takes where its prompt says nothing (`sample_image_inference`, `self.default_discrete_flow_shift`). */
const DEFAULT_STEPS = 20;
const DEFAULT_SHIFT = 14.5;

/** The highest noise level that the sampler begins at, in the float32 that it keeps it in. */
const FIRST_SIGMA = Math.fround(0.999);
const TIMESTEPS = 1000;

/**
 * Whether the sampler's first two timesteps, cut to whole numbers, are one (`set_timesteps` and `index_for_timestep` of
 * `wan/utils/fm_solvers_unipc.py`). It then begins at the second, and its last step asserts that there is another.
 */
function beginsTwice(steps: number, shift: number): boolean {
  if (steps < 2) return false;
  const timestepAt = (step: number) => {
    const sigma = step * (-FIRST_SIGMA / steps) + FIRST_SIGMA;
    return Math.trunc(((shift * sigma) / (1 + (shift - 1) * sigma)) * TIMESTEPS);
  };
  return timestepAt(0) === timestepAt(1);
}

/** More steps than any prompt asks for; the search for the most that work ends here. */
const MAX_STEPS = 1_000_000;

function stepsFault({
  sample_steps: steps = DEFAULT_STEPS,
  discrete_flow_shift: given,
}: SamplePrompt): string | undefined {
  const shift = given === undefined ? DEFAULT_SHIFT : isPythonFloat(given) ? given.value : given;
  if (typeof steps !== "number" || !isStepCount(steps) || typeof shift !== "number") return undefined;
  if (!beginsTwice(steps, shift)) return undefined;
  // The more steps, the closer the first two of them are.
  let [most, tooMany] = [1, Math.min(steps, MAX_STEPS)];
  while (tooMany - most > 1) {
    const middle = (most + tooMany) >> 1;
    if (beginsTwice(middle, shift)) tooMany = middle;
    else most = middle;
  }
  const basis =
    given === undefined ? `the shift of ${DEFAULT_SHIFT} that counts where none is given` : `a shift of ${shift}`;
  return `its ${steps} steps are too many for ${basis}, at which the sampler fails from ${tooMany} steps on: use ${most} at most`;
}
