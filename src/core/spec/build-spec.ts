import type { Place } from "../diagnostic.ts";
import { DEFAULT_NOTIFICATION_EVENTS, type NotifyHook } from "../notification.ts";
import { isAbsolute, joinPath, pathFrom } from "../paths.ts";
import type { Parameter } from "../trainer/parameter.ts";
import { scalarValue } from "../trainer/parameter-value.ts";
import { parametersOf } from "../trainer/parameters.ts";
import { type ParameterValue, SCRIPTS, SECTION_OF, type Section } from "../vocabulary.ts";
import { buildPolicy } from "./build-policy.ts";
import { type CellOf, writeAddress } from "./cell.ts";
import { type PipelineFile, type ProjectFile, RESOLUTION_PATTERN, SOURCE_KINDS } from "./shape.ts";
import type { DatasetSettings, HardwareRequest, LocatedPath, Override, SourceSpec, Spec } from "./spec.ts";
import { stateBackendOf } from "./state-backend.ts";
import { DEFAULT_STATE_DIR } from "./state-dir.ts";
import { type Environment, expandPath, locatePath } from "./variables.ts";
import { watchRulesOf } from "./watch-shape.ts";
import { dotted, entryAt, type KeyPath, placeAt, walk, type YamlNode } from "./yaml-tree.ts";

/** Two files that fit their shapes, made into one spec: the pipeline over the project, every path located. */

/** A file whose values fit its shape. */
export interface ValidFile<T> {
  readonly file: string;
  /** Every file that a value may stand in: its own first, then those that it extends. */
  readonly files: readonly string[];
  readonly root: YamlNode;
  readonly value: T;
}

export interface BuildInput {
  readonly pipeline: ValidFile<PipelineFile>;
  readonly project: ValidFile<ProjectFile> | undefined;
  /** Where the pipeline is a cell of a matrix. */
  readonly cell?: CellOf | undefined;
  /** Absolute, with `/`. */
  readonly root: string;
  readonly environment: Environment;
}

interface Building extends BuildInput {
  /** Filled while paths are located. */
  readonly expanded: Map<string, string>;
}

export function buildSpec(given: BuildInput): Spec {
  const input: Building = { ...given, expanded: new Map() };
  const { pipeline, project, cell } = input;
  const value = pipeline.value;
  const shared = project?.value;
  const path = pathReader(input);
  const trainerPath = path(["trainer", "path"]);
  const python = pythonOf(input);
  const noise = value.noise;
  const gpus = value.gpus ?? shared?.gpus;
  const templatesDir = path(["templates"]);
  const policy = buildPolicy(input);
  const stateDir = path(["state_dir"])?.path ?? DEFAULT_STATE_DIR;
  const ownName = cell?.pipeline ?? value.name;
  const outputDir: LocatedPath = path(["output", "dir"]) ?? {
    written: `output/${ownName}`,
    path: `output/${ownName}`,
    place: placeOf(pipeline, ["name"]),
    unset: [],
  };
  return {
    name: value.name,
    file: cell === undefined ? pipeline.file : writeAddress(pipeline.file, value.name),
    files: pipeline.files,
    ...(cell === undefined ? {} : { cell: { pipeline: cell.pipeline } }),
    task: value.task,
    ...(noise === undefined ? {} : { noise }),
    hardware: hardwareOf(input),
    strategy: value.strategy ?? shared?.strategy ?? "balanced",
    dataset: {
      settings: { ...settingsOf(shared?.dataset ?? {}), ...settingsOf(value.dataset) },
      sources: value.dataset.sources.map((_, index) => sourceOf(input, index)),
    },
    models: modelsOf(path),
    overrides: [
      ...(project === undefined ? [] : overridesOf(input, project, "project")),
      ...overridesOf(input, pipeline, "pipeline"),
    ],
    output:
      cell === undefined
        ? { dir: outputDir, name: value.output?.name ?? value.name }
        : {
            dir: below(outputDir, value.name),
            // Checkpoints are told apart wherever they are carried to.
            name: `${value.output?.name ?? ownName}${value.name.slice(ownName.length)}`,
          },
    trainer: {
      backend:
        value.trainer?.backend ?? shared?.trainer?.backend ?? (trainerPath === undefined ? "rehearsal" : "musubi"),
      ...(trainerPath === undefined ? {} : { path: trainerPath }),
      ...(python === undefined ? {} : { python }),
      onNan: value.trainer?.on_nan ?? shared?.trainer?.on_nan ?? "stop",
    },
    notify: (value.notify ?? shared?.notify ?? []).map(hookOf),
    ...(gpus === undefined ? {} : { gpus }),
    stateDir,
    stateBackend: stateBackendOf([value.state, shared?.state]),
    cacheDir: path(["cache_dir"])?.path ?? `${stateDir}/cache`,
    ...(templatesDir === undefined ? {} : { templatesDir }),
    ...(policy === undefined ? {} : { policy }),
    watch: watchRulesOf(shared?.watch),
    places: placesOf(input),
    expanded: input.expanded,
  };
}

/** A cell's own folder in that of its file. */
function below(dir: LocatedPath, cell: string): LocatedPath {
  return { ...dir, written: `${dir.written}/${cell}`, path: joinPath(dir.path, cell) };
}

function hookOf({ command, url, on }: NonNullable<PipelineFile["notify"]>[number]): NotifyHook {
  // A rule sees to it that one of them is there.
  const target: NotifyHook["target"] =
    url === undefined ? { kind: "command", command: command ?? [] } : { kind: "url", url };
  return { target, on: on ?? DEFAULT_NOTIFICATION_EVENTS };
}

type AnyFile = ValidFile<PipelineFile> | ValidFile<ProjectFile>;

/** What to mark for a key that is written. */
export function placeOf(file: { readonly root: YamlNode }, path: KeyPath): Place {
  return placeAt(file.root, path);
}

/** The files, the one that wins first. */
function filesOf({ pipeline, project }: BuildInput): readonly AnyFile[] {
  return project === undefined ? [pipeline] : [pipeline, project];
}

/** The text of a value as the winning file writes it. */
function written(input: Building, path: KeyPath): { readonly file: AnyFile; readonly text: string } | undefined {
  for (const file of filesOf(input)) {
    const node = entryAt(file.root, path)?.node;
    if (node?.kind === "scalar" && typeof node.value === "string") return { file, text: node.value };
  }
  return undefined;
}

type PathReader = (path: KeyPath) => LocatedPath | undefined;

function pathReader(input: Building): PathReader {
  return (path) => {
    const found = written(input, path);
    return found === undefined ? undefined : located(input, found.file, path, found.text);
  };
}

function located(input: Building, file: AnyFile, path: KeyPath, text: string): LocatedPath {
  const place = placeOf(file, path);
  const found = locatePath({ written: text, place }, input.root, input.environment);
  const seen = pathFrom(input.root, found.path);
  if (expandPath(text, input.environment).text !== text) input.expanded.set(found.path, text);
  // Where the project itself lies is this machine's affair too.
  else if (found.unset.length === 0 && seen !== found.path && !isAbsolute(text)) input.expanded.set(found.path, seen);
  return found;
}

/** A name without a slash is a command to look for, anything else a path. */
function pythonOf(input: Building): Spec["trainer"]["python"] {
  const path = ["trainer", "python"];
  const found = written(input, path);
  if (found === undefined) return undefined;
  const { text, unset } = expandPath(found.text, input.environment);
  if (unset.length === 0 && !/[/\\]/.test(text)) {
    if (text !== found.text) input.expanded.set(text, found.text);
    return { command: text, place: placeOf(found.file, path) };
  }
  return located(input, found.file, path, found.text);
}

function modelsOf(path: PathReader): Spec["models"] {
  const [dit, high, vae, t5] = ["dit", "dit_high_noise", "vae", "t5"].map((role) => path(["models", role]));
  return {
    ...(dit === undefined ? {} : { dit }),
    ...(high === undefined ? {} : { dit_high_noise: high }),
    ...(vae === undefined ? {} : { vae }),
    ...(t5 === undefined ? {} : { t5 }),
  };
}

function hardwareOf(input: Building): HardwareRequest {
  const [file, below] = filesOf(input).filter((candidate) => candidate.value.hardware !== undefined);
  const own = file?.value.hardware;
  if (file === undefined || own === undefined) return { kind: "auto" };
  const request = hardwareOver(own, below?.value.hardware);
  const place = placeOf(file, ["hardware"]);
  if (typeof request === "string") {
    const name = request.trim();
    return name.toLowerCase() === "auto" ? { kind: "auto" } : { kind: "name", name, place };
  }
  return {
    kind: "described",
    ...(request.gpu === undefined ? {} : { gpu: request.gpu.trim() }),
    ...(request.vram_gb === undefined ? {} : { vramGiB: request.vram_gb }),
    ...(request.ram_gb === undefined ? {} : { ramGiB: request.ram_gb }),
    place,
  };
}

type WrittenHardware = NonNullable<ProjectFile["hardware"]>;

/** Key by key; the memory of a card goes with its card. */
function hardwareOver(own: WrittenHardware, below: WrittenHardware | undefined): WrittenHardware {
  if (typeof own === "string" || typeof below !== "object") return own;
  const { vram_gb, ...shared } = below;
  const keepsCard = own.gpu === undefined && own.vram_gb === undefined && vram_gb !== undefined;
  return { ...shared, ...(keepsCard ? { vram_gb } : {}), ...own };
}

type WrittenSettings = NonNullable<ProjectFile["dataset"]>;

function settingsOf(settings: WrittenSettings): DatasetSettings {
  const { resolution, enable_bucket, bucket_no_upscale, batch_size, num_repeats, caption_extension } = settings;
  return {
    ...(resolution === undefined ? {} : { resolution: sidesOf(resolution) }),
    ...(enable_bucket === undefined ? {} : { enable_bucket }),
    ...(bucket_no_upscale === undefined ? {} : { bucket_no_upscale }),
    ...(batch_size === undefined ? {} : { batch_size }),
    ...(num_repeats === undefined ? {} : { num_repeats }),
    ...(caption_extension === undefined ? {} : { caption_extension }),
  };
}

function sidesOf(resolution: NonNullable<WrittenSettings["resolution"]>): readonly [number, number] {
  if (typeof resolution !== "string") return resolution;
  const sides = RESOLUTION_PATTERN.exec(resolution);
  return [Number(sides?.[1]), Number(sides?.[2])];
}

function sourceOf(input: Building, index: number): SourceSpec {
  const { pipeline } = input;
  const path: KeyPath = ["dataset", "sources", index];
  const source: PipelineFile["dataset"]["sources"][number] = pipeline.value.dataset.sources[index] ?? {};
  const kind = SOURCE_KINDS.find((candidate) => source[candidate] !== undefined) ?? "videos";
  const { target_frames, frame_extraction, frame_stride, frame_sample, max_frames, source_fps } = source;
  const cache = source.cache_directory;
  return {
    kind,
    input: located(input, pipeline, [...path, kind], source[kind] ?? ""),
    ...(cache === undefined ? {} : { cache_directory: located(input, pipeline, [...path, "cache_directory"], cache) }),
    ...settingsOf(source),
    ...(target_frames === undefined ? {} : { target_frames }),
    ...(frame_extraction === undefined ? {} : { frame_extraction }),
    ...(frame_stride === undefined ? {} : { frame_stride }),
    ...(frame_sample === undefined ? {} : { frame_sample }),
    ...(max_frames === undefined ? {} : { max_frames }),
    ...(source_fps === undefined ? {} : { source_fps }),
    place: placeOf(pipeline, [...path, kind]),
  };
}

function overridesOf(input: Building, file: AnyFile, layer: Override["layer"]): Override[] {
  return SCRIPTS.flatMap((script) => {
    const section = SECTION_OF[script];
    const values: Readonly<Record<string, unknown>> = file.value[section] ?? {};
    return parametersOf(script).flatMap((parameter) => {
      const { name } = parameter;
      if (!Object.hasOwn(values, name) || values[name] === undefined) return [];
      const value = parameterValue(input, file, parameter, values[name], [section, name]);
      return [{ section, name, value, layer, place: placeOf(file, [section, name]) }];
    });
  });
}

/** A value as the trainer's arguments need it: paths located, lists of texts, words trimmed. */
function parameterValue(
  input: Building,
  file: AnyFile,
  parameter: Parameter,
  value: unknown,
  path: readonly [Section, string],
): ParameterValue {
  const toPath = (text: string) => located(input, file, path, text).path;
  switch (parameter.type.kind) {
    case "path":
      return toPath(String(value));
    case "paths":
      return textsOf(value).map(toPath);
    case "prompts":
      return Array.isArray(value) ? textsOf(value).map((prompt) => prompt.trim()) : toPath(String(value));
    case "words":
    case "numbers":
      return textsOf(value);
    default:
      return scalarValue(parameter, value as string | number | boolean);
  }
}

function textsOf(value: unknown): string[] {
  return Array.isArray(value) ? value.map(String) : [];
}

function placesOf(input: Building): ReadonlyMap<string, Place> {
  const places = new Map<string, Place>();
  for (const file of [...filesOf(input)].reverse()) {
    walk(file.root, (_, path) => {
      if (path.length > 0) places.set(dotted(path), placeOf(file, path));
    });
  }
  return places;
}
