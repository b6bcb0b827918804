import * as z from "zod";
import type { DiagnosticKind } from "../diagnostic.ts";
import { DERIVED, LEFT_OUT } from "../trainer/left-out.ts";
import { TRAINER_CODES } from "../trainer/refusal-codes.ts";
import { SECTION_OF } from "../vocabulary.ts";
import { clip } from "./clip.ts";
import { SPEC_CODES } from "./codes.ts";
import { unwrap } from "./field.ts";
import { KNOWN_NAMES, KNOWN_NAMES_OF_A_MAP, type KnownName } from "./known-names.ts";
import { pipelineShape, projectShape } from "./shape.ts";
import { editDistance, nearest, normalizeKey } from "./suggest.ts";
import type { KeyPath } from "./yaml-tree.ts";

/** What to say about a key that no shape knows: another name, another place, a reason, or the nearest known one. */

export type FileKind = "pipeline" | "project";

export interface KeyFinding {
  readonly kind: DiagnosticKind;
  readonly detail: string;
}

/** Keys by the map they stand in; maps are written as `dataset.sources[]`, the root as the empty text. */
type KeyIndex = ReadonlyMap<string, readonly string[]>;

const SHAPES: Readonly<Record<FileKind, z.ZodType>> = { pipeline: pipelineShape, project: projectShape };
const indexes = new Map<FileKind, KeyIndex>();

/** A key that no shape knows. */
export interface UnknownKey {
  readonly file: FileKind;
  /** The map that it stands in. */
  readonly path: KeyPath;
  readonly key: string;
  /** Its value, where that is a single one. */
  readonly value?: string | number | boolean | null | undefined;
}

/** Explains an unknown key of the map at `path`. */
export function explainUnknownKey({ file, path, key, value }: UnknownKey): KeyFinding {
  const map = mapName(path);
  const question: Question = { file, map, key, value, spelled: normalizeKey(key), index: keysOf(file) };
  for (const explain of EXPLANATIONS) {
    const finding = explain(question);
    if (finding !== undefined) return finding;
  }
  return { kind: SPEC_CODES.unknownKey, detail: `${unknown(question)} ${remainder(question)}` };
}

interface Question {
  readonly file: FileKind;
  readonly map: string;
  readonly key: string;
  readonly value: UnknownKey["value"];
  readonly spelled: string;
  readonly index: KeyIndex;
}

type Explain = (question: Question) => KeyFinding | undefined;

/** In this order: what is certain before what is likely. */
const EXPLANATIONS: readonly Explain[] = [
  otherSpelling,
  knownName,
  ownSection,
  otherPlace,
  otherFile,
  anySection,
  nearHere,
  nearElsewhere,
];

/** `learning-rate`, `--learning_rate`, `learningRate`. */
function otherSpelling({ map, key, spelled, index }: Question): KeyFinding | undefined {
  if (index.get(map)?.includes(spelled) !== true) return undefined;
  return { kind: SPEC_CODES.unknownKey, detail: `\`${key}\` is spelled \`${spelled}\` here. Write \`${spelled}:\`.` };
}

function knownName(question: Question): KeyFinding | undefined {
  const known = KNOWN_NAMES_OF_A_MAP.get(question.map)?.get(question.spelled) ?? KNOWN_NAMES.get(question.spelled);
  return known === undefined ? undefined : explainKnownName(question, known);
}

function explainKnownName({ file, map, key, value }: Question, known: KnownName): KeyFinding | undefined {
  if ("note" in known)
    return { kind: SPEC_CODES.leftOutKey, detail: `\`${key}\` is not available here. ${known.note}` };
  if ("advice" in known) return { kind: SPEC_CODES.renamedKey, detail: `\`${key}\` is not read. ${known.advice}` };
  const { home, name } = split(known.to);
  if (known.to === map) return undefined;
  // `max_train_epoch` is a slip of the pen, and no other program's name.
  if (home === map && editDistance(normalizeKey(key), name) <= MOST_SLIPS) {
    return { kind: SPEC_CODES.unknownKey, detail: `${unknown({ key, map })} Did you mean \`${name}\`?` };
  }
  const line = known.value === undefined ? `${name}:` : `${name}: ${known.value}`;
  // `sdpa: false` chooses nothing.
  if (known.value !== undefined && value === false) {
    return {
      kind: SPEC_CODES.renamedKey,
      detail: `\`${key}\` is not read. Remove the line: \`${name}:\` says which is used.`,
    };
  }
  const where = home === map ? "" : ` ${under(home)}`;
  const elsewhere = keysOf(file).get(home)?.includes(name) === true ? "" : ` in ${OTHER_FILE[file]}`;
  return {
    kind: SPEC_CODES.renamedKey,
    detail: `\`${key}\` is not read. Write \`${line}\`${where}${elsewhere} instead.`,
  };
}

/** The trainer's own arguments that a section does not take. */
function ownSection(question: Question): KeyFinding | undefined {
  return Object.values<string>(SECTION_OF).includes(question.map) ? anySection(question) : undefined;
}

function anySection({ key, spelled, map }: Question): KeyFinding | undefined {
  const scripts = Object.entries(SECTION_OF);
  const script = scripts.find(([, section]) => section === map)?.[0];
  const takes = (row: { readonly name: string; readonly scripts: readonly string[] }) =>
    row.name === spelled && (script === undefined || row.scripts.includes(script));
  const derived = DERIVED.find(takes);
  if (derived !== undefined) {
    return {
      kind: SPEC_CODES.derivedKey,
      detail: `\`${key}\` is not written in a pipeline. ${derived.from} Remove the line.`,
    };
  }
  const leftOut = LEFT_OUT.find(takes);
  if (leftOut !== undefined) {
    const kind = key === "dim_from_weights" ? TRAINER_CODES.dimFromWeights : SPEC_CODES.leftOutKey;
    return { kind, detail: `\`${key}\` is left out. ${leftOut.reason}` };
  }
  return undefined;
}

/** The right key in the wrong section. */
function otherPlace({ map, key, spelled, index }: Question): KeyFinding | undefined {
  const homes = [...index].filter(([home, keys]) => home !== map && keys.includes(spelled)).map(([home]) => home);
  if (homes.length === 0) return undefined;
  const places = homes.map(under);
  const last = places.at(-1) ?? "";
  const listed = places.length === 1 ? last : `${places.slice(0, -1).join(", ")} or ${last}`;
  return {
    kind: SPEC_CODES.misplacedKey,
    detail: `\`${key}\` is no key ${of(map)}: it belongs ${listed}. Move the line there.`,
  };
}

const OTHER_FILE = { pipeline: "wan22.yaml", project: "a pipeline file" } as const;

/** `state_dir` in a pipeline, `task` in wan22.yaml. */
function otherFile({ file, key, spelled }: Question): KeyFinding | undefined {
  const other = file === "pipeline" ? "project" : "pipeline";
  const homes = [...keysOf(other)].filter(([, keys]) => keys.includes(spelled)).map(([home]) => home);
  const home = homes[0];
  if (home === undefined) return undefined;
  const where = home === "" ? "" : `, ${under(home)}`;
  return {
    kind: SPEC_CODES.misplacedKey,
    detail: `\`${key}\` belongs in ${OTHER_FILE[file]}${where}. Move the line there.`,
  };
}

function nearHere(question: Question): KeyFinding | undefined {
  const near = nearest(question.spelled, question.index.get(question.map) ?? []);
  if (near === undefined) return undefined;
  return { kind: SPEC_CODES.unknownKey, detail: `${unknown(question)} Did you mean \`${near}\`?` };
}

function nearElsewhere(question: Question): KeyFinding | undefined {
  const known = nearest(question.spelled, KNOWN_NAMES.keys());
  const everywhere = new Set([...question.index.values()].flat());
  // A short word is near to something in a hundred keys by mere chance.
  if (question.spelled.length < 5) return undefined;
  const near = nearest(question.spelled, everywhere);
  if (near !== undefined) {
    const home = [...question.index].find(([, keys]) => keys.includes(near))?.[0] ?? "";
    return { kind: SPEC_CODES.unknownKey, detail: `${unknown(question)} Did you mean \`${near}\` ${under(home)}?` };
  }
  const entry = known === undefined ? undefined : KNOWN_NAMES.get(known);
  if (entry === undefined || !("to" in entry)) return undefined;
  const { home, name } = split(entry.to);
  return { kind: SPEC_CODES.unknownKey, detail: `${unknown(question)} Did you mean \`${name}\` ${under(home)}?` };
}

/** Letters by which a known name differs that is only written wrong. */
const MOST_SLIPS = 2;

function unknown({ key, map }: Pick<Question, "key" | "map">): string {
  return `\`${clip(key)}\` is no key ${of(map)}.`;
}

/** The keys to choose from, where they are few enough to read. */
function remainder({ map, index }: Question): string {
  const keys = index.get(map) ?? [];
  if (keys.length === 0) return "Remove it.";
  return keys.length > 20
    ? `Remove it, or look for the right name with \`wan22 explain ${map}\`.`
    : `The keys are ${keys.join(", ")}. Remove it, or use one of these.`;
}

function of(map: string): string {
  if (map === "") return "of the top level";
  return map.endsWith("[]") ? `of an entry of \`${map.slice(0, -2)}\`` : `of \`${map}\``;
}

function under(home: string): string {
  if (home === "") return "at the top level";
  return home.endsWith("[]") ? `in an entry of \`${home.slice(0, -2)}:\`` : `under \`${home}:\``;
}

function split(path: string): { readonly home: string; readonly name: string } {
  const dot = path.lastIndexOf(".");
  return { home: dot < 0 ? "" : path.slice(0, dot), name: path.slice(dot + 1) };
}

/** `["dataset", "sources", 0]` as `dataset.sources[]`. */
function mapName(path: KeyPath): string {
  return path.reduce<string>((name, step) => {
    if (typeof step === "number") return `${name}[]`;
    return name === "" ? step : `${name}.${step}`;
  }, "");
}

/** All keys of a file's shape by the map they stand in. */
function keysOf(file: FileKind): KeyIndex {
  const known = indexes.get(file);
  if (known !== undefined) return known;
  const index = new Map<string, readonly string[]>();
  collectKeys(SHAPES[file], "", index);
  indexes.set(file, index);
  return index;
}

function collectKeys(schema: z.ZodType, map: string, index: Map<string, readonly string[]>): void {
  const inner = unwrap(schema);
  if (inner instanceof z.ZodArray) collectKeys(inner.element as z.ZodType, `${map}[]`, index);
  if (inner instanceof z.ZodUnion) {
    for (const option of inner.options) {
      if (option instanceof z.ZodObject) collectKeys(option, map, index);
    }
  }
  if (!(inner instanceof z.ZodObject)) return;
  const shape = inner.shape as Readonly<Record<string, z.ZodType>>;
  index.set(map, Object.keys(shape));
  for (const [key, child] of Object.entries(shape)) {
    collectKeys(child, map === "" ? key : `${map}.${key}`, index);
  }
}
