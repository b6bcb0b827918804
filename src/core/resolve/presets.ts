import type * as z from "zod";
import { type Diagnostic, diagnose, hasErrors, type Outcome } from "../diagnostic.ts";
import { fieldAt } from "../spec/field.ts";
import { sectionShape } from "../spec/parameter-shape.ts";
import { readYaml } from "../spec/read-yaml.ts";
import type { SourceText } from "../spec/spec.ts";
import { nearest } from "../spec/suggest.ts";
import { type KeyPath, placeAt, plainValue, type YamlNode } from "../spec/yaml-tree.ts";
import type { Parameter } from "../trainer/parameter.ts";
import { findParameter, PARAMETERS } from "../trainer/parameters.ts";
import { SCRIPTS, type Script, TASKS, TIERS } from "../vocabulary.ts";
import { RESOLVE_CODES } from "./codes.ts";
import {
  type AdvicePreset,
  type DefaultsPreset,
  type MemoryPreset,
  PRESET_SCHEMAS,
  type PresetFile,
  type RemediesPreset,
  type SizeRulesPreset,
  type TasksPreset,
  type TiersPreset,
} from "./preset-schema.ts";

/** The manual's figures and rules, read from the preset files and proved to fit the parameter table. */
export interface Presets {
  readonly defaults: DefaultsPreset;
  readonly tasks: TasksPreset;
  readonly sizeRules: SizeRulesPreset;
  readonly tiers: TiersPreset;
  readonly memory: MemoryPreset;
  readonly remedies: RemediesPreset;
  readonly advice: AdvicePreset;
}

export const PRESET_FILES = Object.keys(PRESET_SCHEMAS) as readonly PresetFile[];

/** A file's tree with its name, to say where something stands in it. */
interface PresetTree {
  readonly file: string;
  readonly root: YamlNode;
}

const KEYS = {
  "defaults.yaml": "defaults",
  "tasks.yaml": "tasks",
  "size-rules.yaml": "sizeRules",
  "tiers.yaml": "tiers",
  "memory.yaml": "memory",
  "remedies.yaml": "remedies",
  "advice.yaml": "advice",
} as const satisfies Record<PresetFile, keyof Presets>;

/**
 * Reads the preset files, built-in or replaced, by their base names (`tiers.yaml`).
 * Every fault of every file is reported with its place; the value is there only when there is none.
 */
export function readPresets(texts: Readonly<Record<string, SourceText>>): Outcome<Presets> {
  const diagnostics: Diagnostic[] = [];
  const parts: Partial<Record<keyof Presets, Presets[keyof Presets]>> = {};
  for (const name of PRESET_FILES) {
    const source = Object.hasOwn(texts, name) ? texts[name] : undefined;
    if (source === undefined) {
      diagnostics.push(diagnose(RESOLVE_CODES.presetMissing, `There is no ${name} among the presets. Put it back.`));
      continue;
    }
    const part = readPresetFile(name, source);
    diagnostics.push(...part.diagnostics);
    Object.assign(parts, part.value);
  }
  return { value: hasErrors(diagnostics) ? undefined : (parts as Presets), diagnostics };
}

function readPresetFile(name: PresetFile, source: SourceText): Outcome<Partial<Presets>> {
  const diagnostics: Diagnostic[] = [];
  const value: unknown = readPreset(source, PRESET_SCHEMAS[name], diagnostics)?.value;
  return { value: value === undefined ? undefined : { [KEYS[name]]: value }, diagnostics };
}

/**
 * Reads one preset file of a project's own as the part of the presets that it is, every recommendation with its place.
 * No file refers to another, so that a replaced file can be laid over presets that were read earlier: reading all of
 * them costs more than planning does.
 */
export function readOwnPresetFile(name: PresetFile, source: SourceText): Outcome<Partial<Presets>> {
  const diagnostics: Diagnostic[] = [];
  const read = readPreset(source, PRESET_SCHEMAS[name], diagnostics);
  return {
    value: read === undefined ? undefined : { [KEYS[name]]: withPlaces(read.tree, read.value, []) },
    diagnostics,
  };
}

/** What a preset holds at `path`, with `place` in every recommendation and in every pair of timesteps. */
function withPlaces(tree: PresetTree, node: unknown, path: KeyPath): unknown {
  if (Array.isArray(node)) return node.map((item, index) => withPlaces(tree, item, [...path, index]));
  if (!isRecord(node)) return node;
  const entries = Object.entries(node).map(([key, child]) => [key, withPlaces(tree, child, [...path, key])]);
  const isPlaced = ("value" in node && "reason" in node) || "min_timestep" in node;
  const place = placeAt(tree.root, path);
  return Object.fromEntries(isPlaced ? [...entries, ["place", place]] : entries);
}

function readPreset<S extends z.ZodType>(
  source: SourceText,
  schema: S,
  diagnostics: Diagnostic[],
): { readonly tree: PresetTree; readonly value: z.infer<S> } | undefined {
  const yaml = readYaml(source);
  diagnostics.push(...yaml.diagnostics);
  if (yaml.root === undefined || hasErrors(yaml.diagnostics)) return undefined;
  const tree: PresetTree = { file: source.file, root: yaml.root };
  const plain = plainValue(yaml.root);
  const parsed = schema.safeParse(plain);
  if (!parsed.success) {
    for (const issue of parsed.error.issues) diagnostics.push(...describeIssue(tree, issue));
    return undefined;
  }
  const found = [
    ...checkParameters(tree, plain, []),
    ...checkRanges(tree, plain, []),
    ...checkOrder(tree, parsed.data),
  ];
  diagnostics.push(...found);
  return hasErrors(found) ? undefined : { tree, value: parsed.data };
}

function at(tree: PresetTree, path: KeyPath) {
  return { at: placeAt(tree.root, path), path: path.join(".") };
}

function describeIssue(tree: PresetTree, issue: z.core.$ZodIssue): Diagnostic[] {
  const path = issue.path as KeyPath;
  const name = path.length === 0 ? tree.file : `\`${path.join(".")}\``;
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) =>
      diagnose(
        RESOLVE_CODES.presetShape,
        `${name} does not take the key \`${key}\`. Remove it, or compare it with the built-in file of this name.`,
        at(tree, [...path, key]),
      ),
    );
  }
  return [
    diagnose(
      RESOLVE_CODES.presetShape,
      `${name} ${problemOf(issue)}. Give it the shape that the built-in file of this name has.`,
      at(tree, path),
    ),
  ];
}

/** What zod found, as the end of a sentence about the value. */
function problemOf({ code, message }: z.core.$ZodIssue): string {
  if (message.endsWith("received undefined")) return "is missing";
  if (code === "invalid_union") return "has none of the forms that it could have";
  return `cannot be used: ${message.replace(/^Invalid (?:input|key in record)(?:: |$)/, "").replace(/\.$/, "")}`;
}

/** Maps whose keys are the trainer's parameters, wherever they stand. */
const PARAMETER_MAPS = new Set(["parameters", "caps", "advice", ...TASKS]);

/** Every parameter that a preset names must be in the table, and its value must be one that the trainer takes. */
function checkParameters(tree: PresetTree, node: unknown, path: KeyPath): Diagnostic[] {
  if (Array.isArray(node)) return node.flatMap((item, index) => checkParameters(tree, item, [...path, index]));
  if (!isRecord(node)) return [];
  const last = path.at(-1);
  const parent = path.at(-2);
  const isMap = typeof last === "string" && PARAMETER_MAPS.has(last) && (!isTask(last) || parent === "by_task");
  if (isMap) return Object.entries(node).flatMap(([name, entry]) => checkParameter(tree, name, entry, [...path, name]));
  if (last !== undefined && parent === "parameters" && typeof node.name === "string") {
    return checkParameter(tree, node.name, node, [...path, "value"]);
  }
  return Object.entries(node).flatMap(([key, child]) => checkParameters(tree, child, [...path, key]));
}

function checkParameter(tree: PresetTree, name: string, entry: unknown, path: KeyPath): Diagnostic[] {
  const parameter = findParameter(name);
  if (parameter === undefined) {
    const near = nearest(
      name,
      PARAMETERS.map((each) => each.name),
    );
    const hint = near === undefined ? "Remove it." : `Did you mean \`${near}\`?`;
    return [
      diagnose(
        RESOLVE_CODES.presetUnknownParameter,
        `The trainer's scripts have no parameter \`${name}\`. ${hint}`,
        at(tree, path),
      ),
    ];
  }
  const value = isRecord(entry) && "value" in entry ? entry.value : entry;
  const problem = valueProblem(parameter, value);
  if (problem === undefined) return [];
  return [diagnose(RESOLVE_CODES.presetValue, `\`${name}\` ${problem}.`, at(tree, path))];
}

/** Why a preset's value cannot be used; undefined where it can. A range may reach beyond what the trainer takes: it is cut. */
function valueProblem(parameter: Parameter, value: unknown): string | undefined {
  const { kind } = parameter.type;
  if ((kind === "path" || kind === "prompts") && typeof value === "string" && /\$\{|^~/.test(value)) {
    return "must be a plain path, seen from the project's root: variables and `~` work in pipelines and wan22.yaml only";
  }
  if (Array.isArray(value)) {
    const { type } = parameter;
    if (type.kind !== "integer" && type.kind !== "number") return "is not a number, so that it has no range";
    const [low, high] = value;
    if (low > high) return `has a range that ends at ${high} before it begins at ${low}`;
    return misfit(parameter, low) ?? misfit(parameter, Math.min(high, type.max ?? high));
  }
  return misfit(parameter, value);
}

/** Made once and only when needed: a section's shape is a hundred schemas, and built-in presets are not read at run time. */
const shapes = new Map<Script, z.ZodType>();

function shapeOf(script: Script): z.ZodType {
  const shape = shapes.get(script) ?? sectionShape(script, "");
  shapes.set(script, shape);
  return shape;
}

function misfit(parameter: Parameter, value: unknown): string | undefined {
  const script = SCRIPTS.find((each) => parameter.takes[each] !== undefined);
  if (script === undefined) return undefined;
  const shape = shapeOf(script);
  if (shape.safeParse({ [parameter.name]: value }).success) return undefined;
  const wanted = fieldAt(shape, [parameter.name])?.expected ?? "a value of another type";
  return `must be ${wanted}, not \`${String(value)}\``;
}

/** Ranges that are no parameter's: percentages, memory, numbers of blocks. */
function checkRanges(tree: PresetTree, node: unknown, path: KeyPath): Diagnostic[] {
  if (Array.isArray(node)) {
    const [low, high] = node;
    const isRange = node.length === 2 && typeof low === "number" && typeof high === "number";
    if (!isRange) return node.flatMap((item, index) => checkRanges(tree, item, [...path, index]));
    const isParameter = path.some((key) => typeof key === "string" && PARAMETER_MAPS.has(key) && !isTask(key));
    if (low <= high || isParameter) return [];
    return [
      diagnose(
        RESOLVE_CODES.presetOrder,
        `The range \`${path.join(".")}\` ends at ${high} before it begins at ${low}. Write the smaller figure first.`,
        at(tree, path),
      ),
    ];
  }
  if (!isRecord(node)) return [];
  const { from, to } = node;
  const own =
    typeof from === "number" && typeof to === "number" && from > to
      ? [
          diagnose(
            RESOLVE_CODES.presetOrder,
            `\`${path.join(".")}\` ends at ${to} before it begins at ${from}. Write the smaller figure as \`from\`.`,
            at(tree, path),
          ),
        ]
      : [];
  return [...own, ...Object.entries(node).flatMap(([key, child]) => checkRanges(tree, child, [...path, key]))];
}

/** Rows that are searched from the top must be sorted; every name that stands for another thing must exist. */
function checkOrder(tree: PresetTree, parsed: unknown): Diagnostic[] {
  if (!isRecord(parsed)) return [];
  const disorder = (path: KeyPath, detail: string) => diagnose(RESOLVE_CODES.presetOrder, detail, at(tree, path));
  const found: Diagnostic[] = [];
  if (isSizeRules(parsed)) {
    parsed.rules.forEach((rule, index) => {
      const isLast = index === parsed.rules.length - 1;
      const before = parsed.rules[index - 1]?.files ?? 0;
      if (isLast !== (rule.from !== undefined) || (rule.from === undefined) === (rule.files === undefined)) {
        const wanted = isLast
          ? "The last size rule has `from` instead of `files`"
          : "Every size rule but the last has `files` and no `from`";
        found.push(disorder(["rules", index], `${wanted}, so that each number of files has a rule.`));
      } else if ((rule.files ?? rule.from ?? 0) <= before) {
        found.push(
          disorder(["rules", index], `This rule comes after the one for ${before} files and must be for more.`),
        );
      }
    });
  }
  if (isTiers(parsed)) {
    let above = Number.POSITIVE_INFINITY;
    for (const tier of TIERS) {
      const from = parsed.tiers[tier].memory_from_gib;
      if (from >= above) {
        found.push(
          disorder(["tiers", tier], `The tier \`${tier}\` begins at ${from} GB and must begin below ${above}.`),
        );
      }
      above = from;
    }
    if (above > 0)
      found.push(disorder(["tiers", "entry"], "The lowest tier begins at 0 GB, so that every card has one."));
    parsed.cards.forEach((card, index) => {
      if (Object.hasOwn(parsed.architectures, card.architecture)) return;
      const known = Object.keys(parsed.architectures).join(", ");
      found.push(
        diagnose(
          RESOLVE_CODES.presetShape,
          `The card ${card.name} has the architecture \`${card.architecture}\`, which is none of ${known}. Add it to \`architectures\`, or correct it.`,
          at(tree, ["cards", index, "architecture"]),
        ),
      );
    });
  }
  if (isMemory(parsed)) {
    parsed.ram_by_blocks_to_swap.forEach((row, index) => {
      const before = parsed.ram_by_blocks_to_swap[index - 1];
      if (before === undefined || (row.blocks[0] >= before.blocks[1] && row.ram_gib >= before.ram_gib)) return;
      found.push(
        disorder(
          ["ram_by_blocks_to_swap", index],
          "Each row is for more swapped blocks than the one before, and asks for no less memory.",
        ),
      );
    });
  }
  return found;
}

function isTask(key: string): boolean {
  return (TASKS as readonly string[]).includes(key);
}

function isRecord(node: unknown): node is Readonly<Record<string, unknown>> {
  return typeof node === "object" && node !== null && !Array.isArray(node);
}

function isSizeRules(parsed: object): parsed is SizeRulesPreset {
  return "rules" in parsed;
}

function isTiers(parsed: object): parsed is TiersPreset {
  return "tiers" in parsed && "cards" in parsed;
}

function isMemory(parsed: object): parsed is MemoryPreset {
  return "ram_by_blocks_to_swap" in parsed;
}
