import type { Place } from "../diagnostic.ts";
import type { Resolved, ResolvedParameters, ResolvedTrainStage } from "../resolve/resolved.ts";
import type { LocatedPath } from "../spec/spec.ts";
import { ARGUMENT_SURFACE } from "../trainer/argument-surface.ts";
import { NETWORK_MODULE } from "../trainer/left-out.ts";
import { optimizerTypeForTrainer } from "../trainer/optimizers.ts";
import type { Parameter } from "../trainer/parameter.ts";
import { parametersOf } from "../trainer/parameters.ts";
import type { ParameterValue, Script } from "../vocabulary.ts";
import { DATASET_FILE, PROMPTS_FILE, workFile } from "./work-files.ts";

/** What each script is to be told, before any template writes it down. */

/** The chapters a template can go through, in the order of the built-in ones. */
export const ARGUMENT_GROUPS = ["model", "dataset", "learning", "memory", "data", "output"] as const;
export type ArgumentGroup = (typeof ARGUMENT_GROUPS)[number];

/** One argument of a script as meant. A flag has no values, a list any number, everything else one. */
export interface Argument {
  /** With its dashes: `--learning_rate`. */
  readonly name: string;
  readonly group: ArgumentGroup;
  readonly values: readonly string[];
  /** Where the user wrote it. */
  readonly place?: Place | undefined;
}

const GROUP_OF = {
  learning: "learning",
  memory: "memory",
  data: "data",
  io: "output",
} as const satisfies Record<Parameter["group"], ArgumentGroup>;

/** Digits without an exponent, since argparse takes `-1e-07` in a list for an option. */
function plainNumber(value: number): string {
  const text = String(value);
  const match = /^(-?)(\d)(?:\.(\d+))?e([+-]\d+)$/.exec(text);
  if (match === null) return text;
  const [, sign = "", first = "", rest = "", exponent = "0"] = match;
  const shift = Number(exponent);
  const digits = first + rest;
  if (shift < 0) return `${sign}0.${"0".repeat(-shift - 1)}${digits}`;
  return `${sign}${digits.padEnd(shift + 1, "0")}`;
}

/** A number such that Python reads the same double, or the same integer. */
function numberText(value: number): string {
  return Number.isInteger(value) ? plainNumber(value) : String(value);
}

/** A path that starts with a dash would be taken for an option; `./` in front names the same file. */
function pathText(path: string): string {
  return path.startsWith("-") ? `./${path}` : path;
}

/** The values of a parameter as arguments; undefined where the argument is to be left out. */
function valuesOf(parameter: Parameter, value: ParameterValue, resolved: Resolved): readonly string[] | undefined {
  if (value === false) return undefined;
  if (value === true) return [];
  if (typeof value === "number") return [numberText(value)];
  if (typeof value === "string") {
    if (parameter.name === "optimizer_type") return [optimizerTypeForTrainer(value) ?? value];
    return [parameter.type.kind === "path" || parameter.type.kind === "prompts" ? pathText(value) : value];
  }
  switch (parameter.type.kind) {
    case "prompts":
      return [pathText(workFile(resolved.spec, PROMPTS_FILE))];
    case "paths":
      return value.length === 0 ? undefined : value.map(pathText);
    case "numbers":
      return value.length === 0 ? undefined : value.map((each) => plainNumber(Number(each)));
    default:
      return value.length === 0 ? undefined : value;
  }
}

/** The table's parameters of a stage, in the table's order. What the trainer does anyway is left to it. */
function parameterArguments(script: Script, parameters: ResolvedParameters, resolved: Resolved): readonly Argument[] {
  const result: Argument[] = [];
  for (const parameter of parametersOf(script)) {
    const found = Object.hasOwn(parameters, parameter.name) ? parameters[parameter.name] : undefined;
    if (found === undefined || found.source.layer === "trainer") continue;
    const { value, place } = found;
    const group = GROUP_OF[parameter.group];
    const flag = typeof value === "string" ? parameter.flagOf?.[value] : undefined;
    if (flag !== undefined) {
      result.push({ name: flag, group, values: [], place });
      continue;
    }
    const values = valuesOf(parameter, value, resolved);
    if (values !== undefined) result.push({ name: `--${parameter.name}`, group, values, place });
  }
  return result;
}

function model(name: string, path: LocatedPath | undefined): readonly Argument[] {
  return path === undefined ? [] : [{ name, group: "model", values: [pathText(path.path)], place: path.place }];
}

function datasetConfig(resolved: Resolved): Argument {
  return {
    name: "--dataset_config",
    group: "dataset",
    values: [pathText(workFile(resolved.spec, DATASET_FILE))],
  };
}

/** Files that exist are skipped: the runner removes those that are stale first (trainer facts §5). */
const SKIP_EXISTING: Argument = { name: "--skip_existing", group: "dataset", values: [] };

/** What `wan_cache_latents.py` is told. Image to video needs `--i2v` here, and only here (trainer facts §1). */
export function cacheLatentsArguments(resolved: Resolved): readonly Argument[] {
  const i2v: Argument = { name: "--i2v", group: "model", values: [] };
  return [
    ...model("--vae", resolved.models.vae),
    ...(resolved.spec.task === "i2v-A14B" ? [i2v] : []),
    datasetConfig(resolved),
    SKIP_EXISTING,
    ...parameterArguments("cache-latents", resolved.cacheLatents, resolved),
  ];
}

/** What `wan_cache_text_encoder_outputs.py` is told. */
export function cacheTextArguments(resolved: Resolved): readonly Argument[] {
  return [
    ...model("--t5", resolved.models.t5),
    datasetConfig(resolved),
    SKIP_EXISTING,
    ...parameterArguments("cache-text", resolved.cacheText, resolved),
  ];
}

/** What `wan_train_network.py` is told for one train stage. */
export function trainArguments(resolved: Resolved, stage: ResolvedTrainStage): readonly Argument[] {
  return [
    { name: "--task", group: "model", values: [resolved.spec.task] },
    ...model("--dit", stage.dit),
    ...model("--dit_high_noise", stage.ditHighNoise),
    ...model("--vae", resolved.models.vae),
    ...model("--t5", resolved.models.t5),
    datasetConfig(resolved),
    { name: "--network_module", group: "learning", values: [NETWORK_MODULE] },
    ...parameterArguments("train", stage.parameters, resolved),
    {
      name: "--output_dir",
      group: "output",
      values: [pathText(resolved.spec.output.dir.path)],
      place: resolved.spec.output.dir.place,
    },
    { name: "--output_name", group: "output", values: [stage.outputName] },
  ];
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: NUL ends an argument for the operating system.
const IMPOSSIBLE = /\u0000|\p{Surrogate}/u;

/** Python takes these for numbers, also where an option could stand. */
const NEGATIVE_NUMBER = /^-\d+$|^-\d*\.\d+$/;

/**
 * Why an argument can't be passed through argparse at all, as a clause; undefined where it can. argparse reads a value
 * with a dash in front as an option, in a list without a way around it, and drops `--`.
 */
export function whyUnpassable(script: Script, argument: Argument): string | undefined {
  for (const value of argument.values) {
    if (IMPOSSIBLE.test(value)) return "it holds a character that no argument can hold";
    if (value === "--") return "the trainer's argument parser drops a value that is just two dashes";
  }
  const inList = ARGUMENT_SURFACE[script].get(argument.name)?.kind === "list" && argument.values.length > 1;
  const dashed = argument.values.find((value) => value.startsWith("-") && !NEGATIVE_NUMBER.test(value));
  if (!inList || dashed === undefined) return undefined;
  return `\`${dashed}\` starts with a dash, and in a list the trainer's argument parser takes that for an option`;
}

/** An argument as the words of a command line. A value that starts with a dash is joined to its name. */
export function argumentWords(argument: Argument): readonly string[] {
  const [only, ...more] = argument.values;
  if (only?.startsWith("-") && more.length === 0) return [`${argument.name}=${only}`];
  return [argument.name, ...argument.values];
}

/** A train stage's arguments with the training state to go on from; the plan knows it, rendering does not. */
export function withResume(argv: readonly string[], dir: string): readonly string[] {
  return [...argv, "--resume", pathText(dir)];
}
