import { findParameter } from "../trainer/parameters.ts";
import { captionExtension } from "./caption-extension.ts";
import { lockFileOf } from "./lock-file.ts";
import type { LocatedPath, Spec } from "./spec.ts";

/** Everything that a pipeline names and its plan is made from: when none of it changes, neither does the plan. */

/** Files and folders, relative to the root or absolute; a folder stands for all that lies in it. */
export function shapingPaths(spec: Spec): readonly string[] {
  const { trainer, templatesDir } = spec;
  const located: readonly (LocatedPath | undefined)[] = [
    ...spec.dataset.sources.flatMap(({ input, cache_directory }) => [input, cache_directory]),
    ...Object.values(spec.models),
    trainer.path,
    ...(trainer.python !== undefined && "path" in trainer.python ? [trainer.python] : []),
    templatesDir,
  ];
  return [
    ...spec.files,
    lockFileOf(spec),
    ...located.flatMap((path) => (path === undefined || path.unset.length > 0 ? [] : [path.path])),
    ...(templatesDir === undefined ? [] : [`${templatesDir.path}/presets`]),
    ...namedFiles(spec).map(({ path }) => path),
    ...listedFiles(spec),
  ];
}

/** A file of which a plan, or what is said of it, shows the text; or a folder of such. */
export interface ShownText {
  /** The key that names it. */
  readonly key: string;
  readonly path: string;
  /** In a folder only files with this ending count, and not where it lies itself. */
  readonly ending?: string;
}

/** Those of them whose text is read and shown. */
export function shownTexts(spec: Spec): readonly ShownText[] {
  const { settings, sources: all } = spec.dataset;
  const sources = all.map((source, index): ShownText => {
    const { kind, input } = source;
    const isText = kind === "video_jsonl" || kind === "image_jsonl";
    const ending = isText ? {} : { ending: captionExtension(source, settings) };
    return { key: `dataset.sources.${index}.${kind}`, path: input.path, ...ending };
  });
  const { templatesDir } = spec;
  return [
    ...sources,
    ...namedFiles(spec),
    ...(templatesDir === undefined ? [] : [{ key: "templates", path: templatesDir.path }]),
    { key: "lock", path: lockFileOf(spec) },
  ];
}

/** Of parameters that name one file; a list of prompts is written in the pipeline itself. */
function namedFiles({ overrides }: Spec): readonly ShownText[] {
  return overrides.flatMap(({ section, name, value }) => {
    const kind = findParameter(name)?.type.kind;
    if (kind !== "path" && kind !== "prompts") return [];
    return typeof value === "string" && value !== "" ? [{ key: `${section}.${name}`, path: value }] : [];
  });
}

/** Of parameters that name several. */
function listedFiles({ overrides }: Spec): readonly string[] {
  return overrides.flatMap(({ name, value }) =>
    findParameter(name)?.type.kind === "paths" && typeof value === "object" ? value.map(String) : [],
  );
}
