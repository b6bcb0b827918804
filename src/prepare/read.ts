import { type Diagnostic, diagnose } from "../core/diagnostic.ts";
import { baseName } from "../core/paths.ts";
import { POLICY_CODES } from "../core/plan/policy/policy-codes.ts";
import { readAddress, writeAddress } from "../core/spec/cell.ts";
import { SPEC_CODES } from "../core/spec/codes.ts";
import { type ParsedPipeline, parsePipelines } from "../core/spec/parse-pipeline.ts";
import type { SourceText, Spec } from "../core/spec/spec.ts";
import { hasPolicy } from "../core/spec/state-dir.ts";
import { nearest } from "../core/spec/suggest.ts";
import { type ProjectTexts, readProject } from "../host/project.ts";

/** A pipeline file as read; `spec` lacks what is faulty in it, and is absent where too little would be left. */
export interface ReadPipeline {
  /** As shown to people. */
  readonly file: string;
  /** The pipeline's, where it could be read; the file's without its ending otherwise. */
  readonly name: string;
  /** The project's root, absolute. Empty where the file could not be read. */
  readonly root: string;
  readonly spec: Spec | undefined;
  readonly diagnostics: readonly Diagnostic[];
  /** The texts read, by the name shown to people. */
  readonly texts: ReadonlyMap<string, string>;
  /** Its file and all that it extends, relative to the root; also those that could not be read. */
  readonly files: readonly string[];
}

export interface ReadOptions {
  readonly folder: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** The folder, absolute, that a change under review must not lead out of; absent where the files are the user's own. */
  readonly within?: string | undefined;
}

/** Reads and parses pipeline files, each cell of a matrix by itself; what is wrong with one is its own affair. */
export async function readPipelines(files: readonly string[], options: ReadOptions): Promise<readonly ReadPipeline[]> {
  const read = (await Promise.all([...new Set(files)].map((file) => readPipeline(file, options)))).flat();
  // A cell may be named beside its file.
  const seen = new Set<string>();
  return read.filter(({ root, file }) => {
    const key = `${root}\n${file}`;
    const isNew = root === "" || !seen.has(key) || !file.includes("#");
    seen.add(key);
    return isNew;
  });
}

/** `address`: a file, or one cell of it. */
async function readPipeline(
  address: string,
  { folder, environment, within }: ReadOptions,
): Promise<readonly ReadPipeline[]> {
  const { file, cell } = readAddress(address);
  const texts = await readProject(file, folder, { within });
  const unreadable = (diagnostic: Diagnostic): readonly ReadPipeline[] => [
    { file, name: nameOfFile(file), root: "", spec: undefined, diagnostics: [diagnostic], texts: new Map(), files: [] },
  ];
  if (maybePlan(texts)) {
    // Loaded only here: hardly any pipeline looks like a saved plan.
    const { refuseSavedPlan } = await import("./read-saved-plans.ts");
    const refused = await refuseSavedPlan(file, folder);
    if (refused !== undefined) return unreadable(refused);
  }
  if ("severity" in texts) return unreadable(texts);
  const { root, pipeline, bases, project, above = [] } = texts;
  const parsed = parsePipelines({ pipeline, bases, project, root, environment });
  const read = [...bases.values()].filter((base) => "text" in base);
  const sources = [pipeline, ...read, ...(project === undefined ? [] : [project])];
  const found = parsed.map((one) => ({
    file: one.isCell && one.name !== undefined ? writeAddress(pipeline.file, one.name) : pipeline.file,
    name: one.name ?? nameOfFile(pipeline.file),
    root,
    spec: one.value,
    diagnostics: [...policiesAbove(above, project?.file ?? pipeline.file), ...one.diagnostics],
    texts: new Map(sources.map((source) => [source.file, source.text])),
    files: [pipeline.file, ...bases.keys()],
  }));
  // A file that is wrong says so, whichever of its cells was asked for.
  if (cell === undefined || !parsed.some(({ isCell, value }) => isCell || value !== undefined)) return found;
  const named = found.filter(({ name }, index) => name === cell && parsed[index]?.isCell === true);
  return named.length > 0 ? named : [noSuchCell(cell, pipeline.file, parsed)];
}

function noSuchCell(cell: string, file: string, parsed: readonly ParsedPipeline[]): ReadPipeline {
  const names = parsed.flatMap(({ isCell, name }) => (isCell ? (name ?? []) : []));
  const near = nearest(cell, names);
  const few =
    names.length === 0 ? "It has no matrix" : `It has ${names.slice(0, 8).join(", ")}${names.length > 8 ? ", …" : ""}`;
  const detail = `${file} holds no pipeline \`${cell}\`. ${near === undefined ? `${few}.` : `Did you mean \`${near}\`?`}`;
  const diagnostics = [diagnose(SPEC_CODES.noSuchCell, detail, { at: { file } })];
  return { file, name: cell, root: "", spec: undefined, diagnostics, texts: new Map(), files: [] };
}

/** The rules of a project that another one stands in: with a file of their own anybody could be rid of them. */
function policiesAbove(above: readonly SourceText[], file: string): readonly Diagnostic[] {
  return above
    .filter(hasPolicy)
    .map((further) =>
      diagnose(
        POLICY_CODES.shadowed,
        `${further.file} has a \`policy\`, and pipelines here belong to another project, which is nearer to them. ${POLICY_CODES.shadowed.mend}`,
        { at: { file } },
      ),
    );
}

/** A saved plan is JSON, and so YAML too: as a pipeline it would be a broken one, or a far too large one. */
function maybePlan(texts: ProjectTexts | Diagnostic): boolean {
  if ("severity" in texts) return texts.code === SPEC_CODES.tooLarge.code;
  return texts.pipeline.text.trimStart().startsWith("{");
}

function nameOfFile(file: string): string {
  return baseName(file).replace(/\.ya?ml$/, "");
}
