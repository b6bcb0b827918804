import type { Place } from "../../diagnostic.ts";
import type { Facts, PolicyFacts } from "../../facts.ts";
import { joinPath } from "../../paths.ts";
import { isExplicit } from "../../resolve/provenance.ts";
import type { Resolved } from "../../resolve/resolved.ts";
import type { LocatedPath, Spec } from "../../spec/spec.ts";
import { DEFAULT_STATE_DIR } from "../../spec/state-dir.ts";
import { findParameter } from "../../trainer/parameters.ts";

/** Everything that a pipeline has read and written, for the roots of a policy to be held against. */

export interface PolicedPath {
  /** The key that names it. */
  readonly key: string;
  /** As a plan writes paths, or as the trainer opens it. */
  readonly path: string;
  /** Which links in a folder are followed too: those that lie in it, or in it and all its folders. */
  readonly links: "none" | "own" | "all";
  readonly place?: Place | undefined;
  /** Nobody named it: it is where a project keeps its own. */
  readonly isOwn?: boolean;
}

/** What of the outside names more than the files do. */
export interface NamedElsewhere {
  readonly facts: Pick<Facts, "sources" | "trainer">;
  readonly promptImages: PolicyFacts["promptImages"];
}

/** Everything that is read, the folders first and then what was found in them. */
export function policedInputs(resolved: Resolved, { facts, promptImages }: NamedElsewhere): readonly PolicedPath[] {
  const { spec } = resolved;
  const musubi = spec.trainer.backend === "musubi";
  return [
    ...spec.dataset.sources.flatMap((source, index) => {
      const key = `dataset.sources.${index}.${source.kind}`;
      const imports = source.cache_directory;
      return [
        located(key, source.input),
        ...mediaOf(facts.sources[index]).map((path) => ({
          ...located(key, source.input),
          path,
          links: "own" as const,
        })),
        ...(imports === undefined ? [] : [located(`dataset.sources.${index}.cache_directory`, imports, "own")]),
      ];
    }),
    ...Object.entries(spec.models).map(([role, path]) => located(`models.${role}`, path)),
    ...namedByParameters(resolved, "read"),
    ...promptImages.map((path) => ({
      key: "train.sample_prompts",
      path,
      links: "none" as const,
      place: spec.places.get("train.sample_prompts"),
    })),
    ...(spec.templatesDir === undefined ? [] : [located("templates", spec.templatesDir, "all")]),
    ...(musubi && spec.trainer.path !== undefined ? checkout(spec.trainer.path) : []),
    ...pythonOf(resolved, facts.trainer.python),
  ];
}

/** Everything that is written. Whatever lies in these folders may be written over, through a link too. */
export function policedOutputs(resolved: Resolved): readonly PolicedPath[] {
  const { spec, dataset } = resolved;
  const own = (key: string, path: string): PolicedPath => ({
    key,
    path,
    links: "all",
    place: spec.places.get(key),
    isOwn: `${path}/`.startsWith(`${DEFAULT_STATE_DIR}/`),
  });
  return [
    located("output.dir", spec.output.dir, "all"),
    ...namedByParameters(resolved, "written"),
    own("state_dir", spec.stateDir),
    own("cache_dir", spec.cacheDir),
    ...dataset.sources.map(({ cacheDir }) => own("cache_dir", cacheDir)),
  ];
}

function located(key: string, { path, place }: LocatedPath, links: PolicedPath["links"] = "none"): PolicedPath {
  return { key, path, links, place };
}

/** Clips and images with their captions. An item may be a folder of images. */
function mediaOf(source: Facts["sources"][number] | undefined): readonly string[] {
  return (source?.media ?? []).flatMap(({ file, opened, caption }) => [
    opened ?? file,
    ...(caption.file === undefined || caption.problem === "left-out" ? [] : [caption.file]),
  ]);
}

/** The folder, and in it what is run. */
function checkout(path: LocatedPath): readonly PolicedPath[] {
  const folder = located("trainer.path", path);
  return [folder, { ...folder, path: joinPath(path.path, "src/musubi_tuner"), links: "all" }];
}

/** What a plan starts to ask it for its version, as far as files say where it lies; a command's name is the machine's own. */
export function policedPrograms({ trainer: { path, python } }: Spec): readonly PolicedPath[] {
  return [
    ...(path === undefined ? [] : [located("trainer.path", path)]),
    ...(python === undefined || "command" in python ? [] : [located("trainer.python", python)]),
  ];
}

/** One that is named. What a command's name stands for is the file that was found. */
function pythonOf({ spec }: Resolved, found: string | undefined): readonly PolicedPath[] {
  const { python } = spec.trainer;
  if (python === undefined) return [];
  if (!("command" in python)) return [located("trainer.python", python)];
  return [{ key: "trainer.python", path: found ?? python.command, links: "none", place: python.place }];
}

/** The folder that the trainer keeps its logs in is written; every other path of a parameter is read. */
const WRITTEN: readonly string[] = ["logging_dir"];

function namedByParameters(resolved: Resolved, how: "read" | "written"): readonly PolicedPath[] {
  const { trainStages, cacheLatents, cacheText, spec } = resolved;
  const sections = [
    ...trainStages.map(({ parameters }) => ({ section: "train", parameters })),
    { section: "cache_latents", parameters: cacheLatents },
    { section: "cache_text", parameters: cacheText },
  ];
  const found = sections.flatMap(({ section, parameters }) =>
    Object.entries(parameters).flatMap(([name, { value, source, place }]) => {
      const kind = findParameter(name)?.type.kind;
      if (kind !== "path" && kind !== "paths" && kind !== "prompts") return [];
      if (WRITTEN.includes(name) !== (how === "written") || value === "") return [];
      // A list of prompts is written in the pipeline itself, and the rehearsal keeps no logs that nobody asked for.
      if (kind === "prompts" && typeof value === "object") return [];
      if (how === "written" && spec.trainer.backend === "rehearsal" && !isExplicit(source)) return [];
      const links = how === "written" ? ("all" as const) : ("none" as const);
      const paths = typeof value === "object" ? value : [String(value)];
      return paths.map((path) => ({ key: `${section}.${name}`, path, links, place }));
    }),
  );
  // Both halves of a model are told the same.
  return [...new Map(found.map((path) => [`${path.key}\n${path.path}`, path])).values()];
}
