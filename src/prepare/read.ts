import type { Diagnostic } from "../core/diagnostic.ts";
import { baseName } from "../core/paths.ts";
import { parsePipeline } from "../core/spec/parse-pipeline.ts";
import type { Spec } from "../core/spec/spec.ts";
import { readProject } from "../host/project.ts";

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
}

export interface ReadOptions {
  readonly folder: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** Reads and parses pipeline files; what is wrong with one is its own affair. */
export function readPipelines(files: readonly string[], options: ReadOptions): Promise<readonly ReadPipeline[]> {
  return Promise.all([...new Set(files)].map((file) => readPipeline(file, options)));
}

async function readPipeline(file: string, { folder, environment }: ReadOptions): Promise<ReadPipeline> {
  const texts = await readProject(file, folder);
  if ("severity" in texts)
    return { file, name: nameOfFile(file), root: "", spec: undefined, diagnostics: [texts], texts: new Map() };
  const { root, pipeline, project } = texts;
  const parsed = parsePipeline({ pipeline, project, root, environment });
  const sources = project === undefined ? [pipeline] : [pipeline, project];
  return {
    file: pipeline.file,
    name: parsed.name ?? nameOfFile(pipeline.file),
    root,
    spec: parsed.value,
    diagnostics: parsed.diagnostics,
    texts: new Map(sources.map((source) => [source.file, source.text])),
  };
}

function nameOfFile(file: string): string {
  return baseName(file).replace(/\.ya?ml$/, "");
}
