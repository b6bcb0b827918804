import { isAbsolute, join, resolve } from "node:path";
import type { Diagnostic } from "../core/diagnostic.ts";
import type { Finding, FolderSpace } from "../core/doctor/examination.ts";
import { examine, examineBareMachine } from "../core/doctor/examine.ts";
import { fileNameOf } from "../core/resolve/dataset.ts";
import { resolveHardware } from "../core/resolve/hardware.ts";
import type { Presets } from "../core/resolve/presets.ts";
import { SPEC_CODES } from "../core/spec/codes.ts";
import type { Spec } from "../core/spec/spec.ts";
import { observeGpus } from "../host/gpu.ts";
import { freeBytes, observeMachine } from "../host/machine.ts";
import { openStatCache } from "../host/stat-cache.ts";
import { findExecutable } from "../host/trainer/executable.ts";
import { askPythonEnvironment, readRequirements } from "../host/trainer/python-environment.ts";
import { observeTrainer } from "../host/trainer/trainer.ts";
import { installationFolder } from "./built-in.ts";
import { observeFacts } from "./observe.ts";
import { type ReadOptions, readPipelines } from "./read.ts";
import { readTemplatesAndPresets } from "./replacements.ts";

/** From file names to findings about the machine: what a plan looks at, and what only starting Python can tell. */

export interface ExaminedPipeline {
  /** As shown to people. */
  readonly file: string;
  readonly findings: readonly Finding[];
}

export interface Examined {
  readonly pipelines: readonly ExaminedPipeline[];
  /** Of files that could not be read as pipelines; of others, what the environment lacks beside their paths. */
  readonly diagnostics: readonly Diagnostic[];
  readonly texts: ReadonlyMap<string, string>;
}

/** Looks at everything that pipelines need on this machine. Changes nothing on disk except the stat cache. */
export async function examinePipelines(files: readonly string[], options: ReadOptions): Promise<Examined> {
  const read = await readPipelines(files, options);
  const pipelines: ExaminedPipeline[] = [];
  const diagnostics: Diagnostic[] = [];
  for (const { file, spec, root, diagnostics: found } of read) {
    if (spec === undefined) diagnostics.push(...found);
    else {
      diagnostics.push(...found.filter(({ code }) => code === SPEC_CODES.unsetInHook.code));
      const { presets, diagnostics: replacing } = await readTemplatesAndPresets(spec.templatesDir, root);
      diagnostics.push(...replacing);
      if (presets !== undefined) pipelines.push({ file, findings: await examineOne({ spec, root, presets }, options) });
    }
  }
  return { pipelines, diagnostics, texts: new Map(read.flatMap(({ texts }) => [...texts])) };
}

interface ReadSpec {
  readonly spec: Spec;
  readonly root: string;
  readonly presets: Presets;
}

async function examineOne(
  { spec, root, presets }: ReadSpec,
  { environment }: ReadOptions,
): Promise<readonly Finding[]> {
  const statCache = openStatCache(resolve(root, spec.stateDir, "index", `${fileNameOf(spec)}.json`));
  const facts = await observeFacts({ spec, root, statCache, environment }, presets);
  await statCache.save();
  const { backend, path } = spec.trainer;
  const checkout = path === undefined ? undefined : isAbsolute(path.path) ? path.path : resolve(root, path.path);
  const requirements = backend === "musubi" && checkout !== undefined ? await readRequirements(checkout) : [];
  const python = facts.trainer.python;
  const script = join(installationFolder(), "python", "environment.py");
  const packages = [...requirements.map(({ name }) => name), "opencv-python-headless"];
  const hardware = resolveHardware(spec, presets.tiers, facts);
  return examine({
    spec,
    facts,
    hardware,
    tierRamGiB: presets.tiers.tiers[hardware.tier].ram_gib,
    environment: python === undefined ? undefined : await askPythonEnvironment({ python, script, packages }),
    requirements,
    folders: await foldersOf(spec, root),
    ffprobe: (await findExecutable("ffprobe")) === undefined ? "missing" : "found",
  });
}

/** Looks at the machine by itself, for who has no pipeline yet. Changes nothing on disk. */
export async function examineMachine({ folder }: Pick<ReadOptions, "folder">): Promise<readonly Finding[]> {
  const [gpus, trainer, folders, ffprobe] = await Promise.all([
    observeGpus(),
    observeTrainer({ root: folder, backend: "rehearsal" }),
    spacesOf([{ what: "disk", path: "." }], folder),
    findExecutable("ffprobe"),
  ]);
  const { python } = trainer;
  const script = join(installationFolder(), "python", "environment.py");
  return examineBareMachine({
    facts: { gpus, ramGiB: observeMachine().ramGiB, trainer },
    environment: python === undefined ? undefined : await askPythonEnvironment({ python, script, packages: [] }),
    folders,
    ffprobe: ffprobe === undefined ? "missing" : "found",
  });
}

function foldersOf(spec: Spec, root: string): Promise<readonly FolderSpace[]> {
  const folders = [
    { what: "output", path: spec.output.dir.path },
    { what: "caches", path: spec.cacheDir },
    { what: "state", path: spec.stateDir },
  ];
  return spacesOf(folders, root);
}

function spacesOf(
  folders: readonly Pick<FolderSpace, "what" | "path">[],
  root: string,
): Promise<readonly FolderSpace[]> {
  return Promise.all(
    folders.map(async (folder) => ({ ...folder, freeBytes: await freeBytes(resolve(root, folder.path)) })),
  );
}
