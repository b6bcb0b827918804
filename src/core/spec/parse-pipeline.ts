import type * as z from "zod";
import { type Diagnostic, diagnose, hasErrors, type Outcome } from "../diagnostic.ts";
import { buildSpec, placeOf, type ValidFile } from "./build-spec.ts";
import { SPEC_CODES } from "./codes.ts";
import { type Bases, type ExtendedFile, readExtended } from "./extend.ts";
import { diagnoseIssues, isTrusted, type ShapedFile } from "./issues.ts";
import { type Cell, readMatrix } from "./matrix.ts";
import { readYaml } from "./read-yaml.ts";
import { checkRules } from "./rules.ts";
import {
  NAME_PATTERN,
  type PipelineFile,
  type ProjectFile,
  pipelineShape,
  projectShape,
  SOURCE_KINDS,
} from "./shape.ts";
import { isFault, leavesSomethingToJudge, soundPart } from "./sound-part.ts";
import type { SourceText, Spec } from "./spec.ts";
import type { FileKind } from "./unknown-key.ts";
import type { Environment } from "./variables.ts";
import { entryAt, type KeyPath, nodeAt, plainValue, type YamlNode } from "./yaml-tree.ts";

export interface ParseInput {
  /** Named relative to the root, or absolute where it lies outside. */
  readonly pipeline: SourceText;
  /** Files that it extends; none where it extends none. */
  readonly bases?: Bases | undefined;
  /** wan22.yaml, if the project has one. */
  readonly project?: SourceText | undefined;
  /** The project's root, absolute, with `/`. */
  readonly root: string;
  readonly environment: Environment;
}

export interface ParsedPipeline extends Outcome<Spec> {
  /** The pipeline's name where it could be read, also of a file that is wrong elsewhere. */
  readonly name: string | undefined;
  /** Whether it is one of several that its file holds. */
  readonly isCell: boolean;
}

/**
 * Reads the pipelines of a file over its project file: one, or every cell of a matrix. Every fault of both files is reported
 * at once. The value comes with errors too, so that the rest can be checked: what is faulty is left out of it, and a path with
 * a variable that is not set says so in `unset`. There is none where what is left says too little.
 */
export function parsePipelines(input: ParseInput): readonly [ParsedPipeline, ...ParsedPipeline[]] {
  const read = readExtended(input.pipeline, input.bases ?? new Map());
  const project = input.project === undefined ? undefined : readShared(input.project);
  const parse = (root: YamlNode | undefined, diagnostics: readonly Diagnostic[], cell?: Cell) => {
    const tree = { ...read, root, diagnostics: [...read.diagnostics, ...diagnostics] };
    const shape: ReadOptions<PipelineFile> = { kind: "pipeline", shape: pipelineShape };
    return parsePipeline(shapeFile(input.pipeline.file, tree, shape), { input, project, cell });
  };
  // What is a guess says nothing of how many pipelines were meant.
  if (read.root === undefined || read.trustedUntil.size > 0) return [parse(read.root, [])];
  const { root, cells, diagnostics } = readMatrix(read.root);
  const [first, ...others] = cells ?? [];
  if (first === undefined) return [parse(root, diagnostics)];
  return [parse(first.root, [], first), ...others.map((cell) => parse(cell.root, [], cell))];
}

interface Parsing {
  readonly input: ParseInput;
  readonly project: ReadFile<ProjectFile> | undefined;
  readonly cell: Cell | undefined;
}

function parsePipeline(pipeline: ReadFile<PipelineFile>, { input, project, cell }: Parsing): ParsedPipeline {
  const { environment: variables } = input;
  const overrides = pipeline.shaped?.root;
  const isUnread = unreadPaths(pipeline.shaped, project?.shaped);
  const diagnostics = [
    ...(project === undefined ? [] : judge(project, { variables, overrides, isUnread })),
    ...judge(pipeline, { variables, overrides: undefined, isUnread }),
    ...checkBackend(pipeline.shaped, project?.shaped),
  ];
  const faults = diagnostics.filter(isFault);
  const sound = <T>(file: ReadFile<T>, shape: z.ZodType<T>) =>
    faults.length === 0 || file.shaped === undefined ? file.valid : soundPart(file.shaped, shape, faults);
  const own = leavesSomethingToJudge(faults) ? sound(pipeline, pipelineShape) : undefined;
  const shared = project === undefined ? undefined : sound(project, projectShape);
  const name = nameOf(pipeline.shaped);
  const unknown = { value: undefined, diagnostics, name, isCell: cell !== undefined };
  if (own === undefined || (project !== undefined && shared === undefined)) return unknown;
  // A source whose files were named by a key that does not exist is none.
  if (!own.value.dataset.sources.every(namesItsFiles)) return unknown;
  const { root, environment } = input;
  return { ...unknown, value: buildSpec({ pipeline: own, project: shared, cell, root, environment }) };
}

function nameOf(shaped: ShapedFile | undefined): string | undefined {
  const node = shaped === undefined || !isTrusted(shaped, ["name"]) ? undefined : nodeAt(shaped.root, ["name"]);
  const name = node?.kind === "scalar" ? node.value : undefined;
  return typeof name === "string" && NAME_PATTERN.test(name) ? name : undefined;
}

function namesItsFiles(source: PipelineFile["dataset"]["sources"][number]): boolean {
  return SOURCE_KINDS.some((kind) => source[kind] !== undefined);
}

/** Undefined for an empty wan22.yaml too: it marks the root and shares nothing. */
function readShared(source: SourceText): ReadFile<ProjectFile> | undefined {
  const file = shapeFile(source.file, readAlone(source), { kind: "project", shape: projectShape });
  return file.diagnostics.every(({ code }) => code === SPEC_CODES.emptyFile.code) && file.shaped === undefined
    ? undefined
    : file;
}

interface ReadFile<T> {
  readonly shaped: ShapedFile | undefined;
  readonly valid: ValidFile<T> | undefined;
  readonly diagnostics: readonly Diagnostic[];
  /** Findings that are not among the diagnostics, since nobody would read so many. */
  readonly more: number;
}

interface ReadOptions<T> {
  readonly kind: FileKind;
  readonly shape: z.ZodType<T>;
}

function shapeFile<T extends PipelineFile | ProjectFile>(
  file: string,
  { root, diagnostics, ...read }: ExtendedFile,
  { kind, shape }: ReadOptions<T>,
): ReadFile<T> {
  if (root === undefined) return { shaped: undefined, valid: undefined, diagnostics, more: 0 };
  if (root.kind !== "map") {
    // What came of a syntax error says nothing about what was meant.
    const fault = diagnose(
      SPEC_CODES.notAMap,
      `${file} is ${root.kind === "list" ? "a list" : "a single value"}. Write \`key: value\` lines at the top level, such as \`${kind === "project" ? "hardware: RTX 4090" : "name: fox"}\`.`,
      { at: { file, range: root.range } },
    );
    const said = hasErrors(diagnostics) ? diagnostics : [fault];
    return { shaped: undefined, valid: undefined, diagnostics: said, more: 0 };
  }
  const shaped: ShapedFile = { file, kind, shape, root, ...read };
  // Compiling the shape costs ten times what reading one file with it does.
  const parsed = shape.safeParse(plainValue(root), { jitless: true });
  if (parsed.success) {
    const valid = { file, files: read.files, root, value: parsed.data };
    return { shaped, valid, diagnostics, more: 0 };
  }
  const issues = diagnoseIssues(shaped, parsed.error.issues);
  return { shaped, valid: undefined, diagnostics: [...diagnostics, ...issues.diagnostics], more: issues.more };
}

/** wan22.yaml extends nothing: it is itself what pipelines share. */
function readAlone(source: SourceText): ExtendedFile {
  const { root, diagnostics, trustedUntil } = readYaml(source);
  const until = new Map(trustedUntil === undefined ? [] : [[source.file, trustedUntil]]);
  return { root, diagnostics, trustedUntil: until, isWhole: true, files: [source.file] };
}

/** Nobody reads more of one file; the rest shows once these are mended. */
const MAX_FINDINGS = 100;

interface JudgeOptions {
  readonly variables: Environment;
  /** The file whose values count before this one's. */
  readonly overrides: ShapedFile["root"] | undefined;
  readonly isUnread: (path: KeyPath) => boolean;
}

/** What reading and the rules say about a file, in the order of the lines. */
function judge<T>(file: ReadFile<T>, { variables, overrides, isUnread }: JudgeOptions): Diagnostic[] {
  const rules =
    file.shaped === undefined
      ? []
      : checkRules({
          file: file.shaped,
          environment: variables,
          isOverridden: (path) => overrides !== undefined && nodeAt(overrides, path) !== undefined,
          isUnread,
        });
  const files = file.shaped?.files ?? [];
  const found = [...file.diagnostics, ...rules].sort((a, b) => byFile(a, b, files) || byPosition(a, b));
  const more = file.more + Math.max(0, found.length - MAX_FINDINGS);
  if (more === 0 || file.shaped === undefined) return found;
  const detail = `${file.shaped.file} has ${more} more ${more === 1 ? "finding" : "findings"}. Mend those listed first; the rest shows then.`;
  const rest = diagnose(SPEC_CODES.moreFindings, detail, { at: { file: file.shaped.file } });
  return [...found.slice(0, MAX_FINDINGS), rest];
}

/** The pipeline's own first, then what it extends. */
function byFile(a: Diagnostic, b: Diagnostic, files: readonly string[]): number {
  return files.indexOf(a.file ?? "") - files.indexOf(b.file ?? "");
}

function byPosition(a: Diagnostic, b: Diagnostic): number {
  return (
    (a.range?.line ?? 0) - (b.range?.line ?? 0) ||
    (a.range?.column ?? 0) - (b.range?.column ?? 0) ||
    (a.code < b.code ? -1 : Number(a.code > b.code))
  );
}

/**
 * A project can be rehearsed before its models are there, and before anybody has set where they will be. A root of a policy
 * whose variable is not set holds nothing but what is written with the same variable: nobody can get around a rule by that, and
 * what is missing is said where something lies outside.
 */
function unreadPaths(pipeline: ShapedFile | undefined, project: ShapedFile | undefined): JudgeOptions["isUnread"] {
  const valueAt = (path: KeyPath) =>
    [pipeline, project].flatMap((file) => (file === undefined ? [] : [nodeAt(file.root, path)])).find(Boolean);
  const backend = valueAt(["trainer", "backend"]);
  const isRehearsal = backend?.kind === "scalar" && backend.value === "rehearsal";
  return ([section, key]) =>
    section === "policy" || (isRehearsal && (section === "models" || (section === "trainer" && key === "path")));
}

/** `backend: musubi` in one file, `path` in the other. */
function checkBackend(pipeline: ShapedFile | undefined, project: ShapedFile | undefined): Diagnostic[] {
  const files = [pipeline, project].filter(
    (file) => file !== undefined && file.trustedUntil.size === 0 && file.isWhole,
  );
  if (pipeline === undefined || files.length < (project === undefined ? 1 : 2)) return [];
  const backendFile = files.find((file) => file !== undefined && entryAt(file.root, ["trainer", "backend"]));
  if (backendFile === undefined) return [];
  const backend = nodeAt(backendFile.root, ["trainer", "backend"]);
  const hasPath = files.some((file) => file !== undefined && entryAt(file.root, ["trainer", "path"]) !== undefined);
  if (hasPath || backend?.kind !== "scalar" || backend.value !== "musubi") return [];
  return [
    diagnose(
      SPEC_CODES.trainerPathMissing,
      "`trainer.path` is set neither in the pipeline nor in wan22.yaml. Set it to your Musubi Tuner checkout, such as `path: ../musubi-tuner`, or write `backend: rehearsal`.",
      { at: placeOf(backendFile, ["trainer", "backend"]), path: "trainer.backend" },
    ),
  ];
}
