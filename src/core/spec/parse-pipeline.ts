import type * as z from "zod";
import { type Diagnostic, diagnose, hasErrors, type Outcome } from "../diagnostic.ts";
import { buildSpec, placeOf, type ValidFile } from "./build-spec.ts";
import { SPEC_CODES } from "./codes.ts";
import { diagnoseIssues, isTrusted, type ShapedFile } from "./issues.ts";
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
import { entryAt, type KeyPath, nodeAt, plainValue } from "./yaml-tree.ts";

export interface ParseInput {
  /** Named relative to the root, or absolute where it lies outside. */
  readonly pipeline: SourceText;
  /** wan22.yaml, if the project has one. */
  readonly project?: SourceText | undefined;
  /** The project's root, absolute, with `/`. */
  readonly root: string;
  readonly environment: Environment;
}

export interface ParsedPipeline extends Outcome<Spec> {
  /** The pipeline's name where it could be read, also of a file that is wrong elsewhere. */
  readonly name: string | undefined;
}

/**
 * Reads a pipeline over its project file. Every fault of both files is reported at once. The value comes with errors too,
 * so that the rest can be checked: what is faulty is left out of it, and a path with a variable that is not set says so in
 * `unset`. There is none where what is left says too little.
 */
export function parsePipeline(input: ParseInput): ParsedPipeline {
  const pipeline = readFile(input.pipeline, "pipeline", pipelineShape);
  const project = input.project === undefined ? undefined : readShared(input.project);
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
  const unknown = { value: undefined, diagnostics, name };
  if (own === undefined || (project !== undefined && shared === undefined)) return unknown;
  // A source whose files were named by a key that does not exist is none.
  if (!own.value.dataset.sources.every(namesItsFiles)) return unknown;
  const { root, environment } = input;
  return { value: buildSpec({ pipeline: own, project: shared, root, environment }), diagnostics, name };
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
  const file = readFile(source, "project", projectShape);
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

function readFile<T extends PipelineFile | ProjectFile>(
  source: SourceText,
  kind: FileKind,
  shape: z.ZodType<T>,
): ReadFile<T> {
  const { root, diagnostics, trustedUntil } = readYaml(source);
  if (root === undefined) return { shaped: undefined, valid: undefined, diagnostics, more: 0 };
  if (root.kind !== "map") {
    // What came of a syntax error says nothing about what was meant.
    const fault = diagnose(
      SPEC_CODES.notAMap,
      `${source.file} is ${root.kind === "list" ? "a list" : "a single value"}. Write \`key: value\` lines at the top level, such as \`${kind === "project" ? "hardware: RTX 4090" : "name: fox"}\`.`,
      { at: { file: source.file, range: root.range } },
    );
    const said = hasErrors(diagnostics) ? diagnostics : [fault];
    return { shaped: undefined, valid: undefined, diagnostics: said, more: 0 };
  }
  const shaped: ShapedFile = { file: source.file, kind, shape, root, trustedUntil };
  // Compiling the shape costs ten times what reading one file with it does.
  const parsed = shape.safeParse(plainValue(root), { jitless: true });
  if (parsed.success) return { shaped, valid: { file: source.file, root, value: parsed.data }, diagnostics, more: 0 };
  const issues = diagnoseIssues(shaped, parsed.error.issues);
  return { shaped, valid: undefined, diagnostics: [...diagnostics, ...issues.diagnostics], more: issues.more };
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
  const found = [...file.diagnostics, ...rules].sort(byPosition);
  const more = file.more + Math.max(0, found.length - MAX_FINDINGS);
  if (more === 0 || file.shaped === undefined) return found;
  const detail = `${file.shaped.file} has ${more} more ${more === 1 ? "finding" : "findings"}. Mend those listed first; the rest shows then.`;
  const rest = diagnose(SPEC_CODES.moreFindings, detail, { at: { file: file.shaped.file } });
  return [...found.slice(0, MAX_FINDINGS), rest];
}

function byPosition(a: Diagnostic, b: Diagnostic): number {
  return (
    (a.range?.line ?? 0) - (b.range?.line ?? 0) ||
    (a.range?.column ?? 0) - (b.range?.column ?? 0) ||
    (a.code < b.code ? -1 : Number(a.code > b.code))
  );
}

/** `backend: musubi` in one file, `path` in the other. */
/** A project can be rehearsed before its models are there, and before anybody has set where they will be. */
function unreadPaths(pipeline: ShapedFile | undefined, project: ShapedFile | undefined): JudgeOptions["isUnread"] {
  const valueAt = (path: KeyPath) =>
    [pipeline, project].flatMap((file) => (file === undefined ? [] : [nodeAt(file.root, path)])).find(Boolean);
  const backend = valueAt(["trainer", "backend"]);
  const isRehearsal = backend?.kind === "scalar" && backend.value === "rehearsal";
  return ([section, key]) => isRehearsal && (section === "models" || (section === "trainer" && key === "path"));
}

function checkBackend(pipeline: ShapedFile | undefined, project: ShapedFile | undefined): Diagnostic[] {
  const files = [pipeline, project].filter((file) => file !== undefined && file.trustedUntil === undefined);
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
