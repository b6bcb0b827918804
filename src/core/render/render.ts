import { type Diagnostic, diagnose, type Outcome, type Place } from "../diagnostic.ts";
import type { TrainerFacts } from "../facts.ts";
import type { Resolved, ResolvedTrainStage } from "../resolve/resolved.ts";
import { SCRIPT_FILES } from "../trainer/argument-surface.ts";
import { promptsText } from "../trainer/sample-prompts.ts";
import { type Script, type StageId, scriptOf } from "../vocabulary.ts";
import { findArgumentFaults } from "./argparse.ts";
import {
  ARGUMENT_GROUPS,
  type Argument,
  argumentWords,
  cacheLatentsArguments,
  cacheTextArguments,
  trainArguments,
  whyUnpassable,
} from "./arguments.ts";
import { RENDER_CODES } from "./codes.ts";
import { datasetToml } from "./dataset-toml.ts";
import { findUninstalled } from "./installed.ts";
import type { Rendered, RenderedStage, Templates } from "./rendered.ts";
import { precompileTemplate, renderTemplate, type TemplateHelpers, type TemplateText } from "./template.ts";
import { type TomlValue, tomlLiteral } from "./toml-literal.ts";
import { type DatasetToml, findTomlFaults } from "./toml-proof.ts";
import { DATASET_FILE, PROMPTS_FILE } from "./work-files.ts";

/** The templates that rendering needs, by name. */
export const TEMPLATE_NAMES = {
  dataset: "dataset.toml.hbs",
  "cache-latents": "cache-latents.args.hbs",
  "cache-text": "cache-text.args.hbs",
  train: "train.args.hbs",
} as const satisfies Record<"dataset" | Script, string>;

function findTemplate(templates: Templates, name: string): Outcome<TemplateText> {
  const template = Object.hasOwn(templates, name) ? templates[name] : undefined;
  if (template !== undefined) return { value: template, diagnostics: [] };
  const detail = `There is no template ${name}. Restore it, or remove the folder that replaces the built-in templates.`;
  return { value: undefined, diagnostics: [diagnose(RENDER_CODES.templateMissing, detail)] };
}

function placeOfTemplate(template: TemplateText): Place {
  return { file: template.file };
}

/** What a template may hand to `toml`: a value of the model, or a plain one written in the template itself. */
function asTomlValue(value: unknown): TomlValue {
  if (typeof value === "string") return { type: "string", value };
  if (typeof value === "boolean") return { type: "boolean", value };
  if (typeof value === "number") return { type: Number.isInteger(value) ? "integer" : "float", value };
  if (isTomlValue(value)) return value;
  throw new Error("the helper `toml` takes a value of the dataset, a text, a number or true and false");
}

const TOML_TYPES: readonly unknown[] = [
  "string",
  "boolean",
  "integer",
  "float",
  "integers",
] satisfies TomlValue["type"][];

function isTomlValue(value: unknown): value is TomlValue {
  return typeof value === "object" && value !== null && "type" in value && TOML_TYPES.includes(value.type);
}

function writeToml(value: unknown): string {
  const literal = tomlLiteral(asTomlValue(value));
  if (literal === undefined) throw new Error("a value cannot be written in TOML");
  return literal;
}

const TOML_HELPERS = { toml: writeToml } as const satisfies TemplateHelpers;

/** Values that no TOML text can carry to the trainer, before a template is tried. */
function findUnwritable(meant: DatasetToml, resolved: Resolved): readonly Diagnostic[] {
  return meant.datasets.flatMap((table, index) =>
    Object.entries({ ...meant.general, ...table })
      .filter(([, value]) => tomlLiteral(value) === undefined)
      .map(([key, value]) =>
        diagnose(
          RENDER_CODES.unpassable,
          `\`${key}\` of source ${index + 1} is ${JSON.stringify(value.value)}, which the trainer's TOML reader misreads however it is written. Rename the file or folder.`,
          { at: resolved.dataset.sources[index]?.place },
        ),
      ),
  );
}

function renderDataset(resolved: Resolved, templates: Templates): Outcome<string> {
  const template = findTemplate(templates, TEMPLATE_NAMES.dataset);
  if (template.value === undefined) return { value: undefined, diagnostics: template.diagnostics };
  const { value: source } = template;
  const meant = datasetToml(resolved);
  const unwritable = findUnwritable(meant, resolved);
  if (unwritable.length > 0) return { value: undefined, diagnostics: unwritable };

  const output = renderTemplate(source, { ...meant }, TOML_HELPERS);
  if (output.value === undefined) return output;
  const faults = findTomlFaults(output.value, meant);
  if (faults.length === 0) return output;
  const diagnostics = faults.map(({ kind, line, text }) => {
    const rendered = line === undefined ? "" : ` Line ${line} of what it renders is wrong:`;
    return diagnose(
      kind === "differs" ? RENDER_CODES.tomlDiffers : RENDER_CODES.tomlUnreadable,
      `${source.file} renders a dataset TOML that cannot be used.${rendered} ${text} Correct the template, or remove it so that the built-in one is used.`,
      { at: placeOfTemplate(source) },
    );
  });
  return { value: undefined, diagnostics };
}

/** Reads one JSON string a line; blank lines separate. Or says which line is none. */
function readWords(output: string): { readonly words: readonly string[] } | { readonly fault: string } {
  const words: string[] = [];
  for (const [index, line] of output.split("\n").entries()) {
    const text = line.trim();
    if (text === "") continue;
    const word = readJsonString(text);
    if (word === undefined) return { fault: `Line ${index + 1} of what it renders is \`${text.slice(0, 80)}\`.` };
    words.push(word);
  }
  return { words };
}

function readJsonString(text: string): string | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "string" ? value : undefined;
  } catch {
    return undefined;
  }
}

function writeArgument(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "number" || typeof value === "boolean") return JSON.stringify(String(value));
  throw new Error("the helper `arg` takes one argument, a text");
}

const ARGUMENT_HELPERS = { arg: writeArgument } as const satisfies TemplateHelpers;

/** The data of an arguments template: each group a list of options, each option a list of words. */
function templateData(script: Script, meant: readonly Argument[]): Readonly<Record<string, unknown>> {
  const groups = ARGUMENT_GROUPS.map((group) => [
    group,
    meant.filter((argument) => argument.group === group).map((argument) => ({ words: argumentWords(argument) })),
  ]);
  return { script: SCRIPT_FILES[script], ...Object.fromEntries(groups) };
}

function renderArguments(stage: StageId, meant: readonly Argument[], templates: Templates): Outcome<readonly string[]> {
  const script = scriptOf(stage);
  const template = findTemplate(templates, TEMPLATE_NAMES[script]);
  if (template.value === undefined) return { value: undefined, diagnostics: template.diagnostics };
  const { value: source } = template;

  const unpassable = meant.flatMap((argument) => {
    const why = whyUnpassable(script, argument);
    if (why === undefined) return [];
    const detail = `\`${argument.name.slice(2)}\` of stage ${stage} cannot be passed to the trainer: ${why}. Change the value.`;
    return [diagnose(RENDER_CODES.unpassable, detail, { at: argument.place, path: argument.name.slice(2) })];
  });
  if (unpassable.length > 0) return { value: undefined, diagnostics: unpassable };

  const output = renderTemplate(source, templateData(script, meant), ARGUMENT_HELPERS);
  if (output.value === undefined) return { value: undefined, diagnostics: output.diagnostics };
  const read = readWords(output.value);
  if ("fault" in read) {
    const detail = `${source.file} renders something else than one argument a line for stage ${stage}. ${read.fault} Write each argument on a line of its own, with the helper \`arg\`.`;
    return {
      value: undefined,
      diagnostics: [diagnose(RENDER_CODES.argumentsUnreadable, detail, { at: placeOfTemplate(source) })],
    };
  }
  const faults = findArgumentFaults(script, read.words, meant);
  if (faults.length === 0) return { value: read.words, diagnostics: [] };
  const detail = `${source.file} renders other arguments than those meant for stage ${stage}. ${faults.join(" ")} Correct the template, or remove it so that the built-in one is used.`;
  return {
    value: undefined,
    diagnostics: [diagnose(RENDER_CODES.argumentsDiffer, detail, { at: placeOfTemplate(source) })],
  };
}

function promptsOf(stage: ResolvedTrainStage): readonly string[] | undefined {
  const value = stage.parameters.sample_prompts?.value;
  return Array.isArray(value) ? value : undefined;
}

interface StageInput {
  readonly id: StageId;
  readonly meant: readonly Argument[];
  readonly prompts: readonly string[] | undefined;
}

function stagesOf(resolved: Resolved): readonly StageInput[] {
  return [
    { id: "cache-latents", meant: cacheLatentsArguments(resolved), prompts: undefined },
    { id: "cache-text", meant: cacheTextArguments(resolved), prompts: undefined },
    ...resolved.trainStages.map((stage) => ({
      id: stage.id,
      meant: trainArguments(resolved, stage),
      prompts: promptsOf(stage),
    })),
  ];
}

export interface RenderInput {
  readonly resolved: Resolved;
  readonly templates: Templates;
  /** The trainer that is installed here, where one was looked at. */
  readonly trainer?: TrainerFacts | undefined;
}

/**
 * Writes the dataset TOML and each stage's argument list through the templates, then reads both back and compares them
 * with what was meant: a template can change how they look and never what they say. No value where anything is wrong.
 */
export function render({ resolved, templates, trainer }: RenderInput): Outcome<Rendered> {
  const dataset = renderDataset(resolved, templates);
  const diagnostics: Diagnostic[] = [...dataset.diagnostics];
  const stages: RenderedStage[] = [];
  for (const { id, meant, prompts } of stagesOf(resolved)) {
    const words = renderArguments(id, meant, templates);
    diagnostics.push(...words.diagnostics, ...findUninstalled(id, meant, trainer));
    if (words.value === undefined || dataset.value === undefined) continue;
    const files = {
      [DATASET_FILE]: dataset.value,
      ...(prompts === undefined ? {} : { [PROMPTS_FILE]: promptsText(prompts) }),
    };
    stages.push({ id, argv: [SCRIPT_FILES[scriptOf(id)], ...words.value], files });
  }
  return diagnostics.length > 0 ? { value: undefined, diagnostics } : { value: { stages }, diagnostics };
}

/**
 * A built-in template as JavaScript source, for the build.
 *
 * @public
 */
export function precompileBuiltIn(name: string, text: string): string {
  return precompileTemplate(text, name === TEMPLATE_NAMES.dataset ? TOML_HELPERS : ARGUMENT_HELPERS);
}
