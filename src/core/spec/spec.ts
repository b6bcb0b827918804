import type { Place } from "../diagnostic.ts";
import type { NotifyHook } from "../notification.ts";
import type { FrameExtraction, SourceSettings } from "../trainer/dataset.ts";
import type { Backend, ModelRole, Noise, OnNan, ParameterValue, Section, Strategy, Task } from "../vocabulary.ts";

/** A path as written in a file, and what it means. */
export interface LocatedPath {
  /** As written, before `${VAR}`. */
  readonly written: string;
  /** Inside the project root: relative to it with `/`; otherwise absolute. With an unset variable: as written. */
  readonly path: string;
  readonly place: Place;
  /** Variables that are not set and have no default. Empty where the path is whole. */
  readonly unset: readonly string[];
}

/** A value that the user wrote, for one parameter. The later layer wins. */
export interface Override {
  readonly section: Section;
  readonly name: string;
  readonly value: ParameterValue;
  readonly layer: "project" | "pipeline";
  readonly place: Place;
}

/** Keys of the dataset TOML, as far as a level sets them. Sizes are [width, height] in pixels. */
export interface DatasetSettings {
  readonly resolution?: readonly [number, number];
  readonly enable_bucket?: boolean;
  readonly bucket_no_upscale?: boolean;
  readonly batch_size?: number;
  readonly num_repeats?: number;
  readonly caption_extension?: string;
}

export type SourceKind = SourceSettings["kind"];

/** One entry of `dataset.sources`. */
export interface SourceSpec extends DatasetSettings {
  readonly kind: SourceKind;
  /** The folder or JSONL file. */
  readonly input: LocatedPath;
  /** A folder to take whole caches from, read only. */
  readonly cache_directory?: LocatedPath;
  readonly target_frames?: readonly number[];
  readonly frame_extraction?: FrameExtraction;
  readonly frame_stride?: number;
  readonly frame_sample?: number;
  readonly max_frames?: number;
  /** Frames a second, or the clips' own rate. */
  readonly source_fps?: number | "auto";
  readonly place: Place;
}

/** What the user says about the machine. */
export type HardwareRequest =
  | { readonly kind: "auto" }
  /** A tier or a GPU's name. */
  | { readonly kind: "name"; readonly name: string; readonly place: Place }
  | {
      readonly kind: "described";
      readonly gpu?: string;
      readonly vramGiB?: number;
      readonly ramGiB?: number;
      readonly place: Place;
    };

/** A pipeline over its project file: parsed, valid in itself, every path resolved, every node with its place. */
export interface Spec {
  readonly name: string;
  /** The pipeline file, as shown to people. */
  readonly file: string;
  readonly task: Task;
  /** The tier's choice if absent. */
  readonly noise?: Noise;
  readonly hardware: HardwareRequest;
  readonly strategy: Strategy;
  readonly dataset: {
    /** Project file under pipeline, key by key. */
    readonly settings: DatasetSettings;
    readonly sources: readonly SourceSpec[];
  };
  readonly models: Readonly<Partial<Record<ModelRole, LocatedPath>>>;
  /** Project file first, then pipeline; both kept so that the plan can say which won. */
  readonly overrides: readonly Override[];
  readonly output: { readonly dir: LocatedPath; readonly name: string };
  readonly trainer: {
    readonly backend: Backend;
    /** Musubi's folder; required by the backend `musubi`. */
    readonly path?: LocatedPath;
    /** The Python to run, a path or a command's name. */
    readonly python?: LocatedPath | { readonly command: string; readonly place: Place };
    readonly onNan: OnNan;
  };
  /** Who is told of a run; no part of what is trained. */
  readonly notify: readonly NotifyHook[];
  /** Device ids to run on. */
  readonly gpus?: readonly number[];
  readonly stateDir: string;
  readonly cacheDir: string;
  /** A folder whose templates and presets replace the built-in ones of the same name. */
  readonly templatesDir?: LocatedPath;
  /** Where every key stands, by dotted path (`dataset.sources.0.videos`); the pipeline's place wins over the project's. */
  readonly places: ReadonlyMap<string, Place>;
  /** Paths that came of variables or `~`, each with how it was written: what the environment says stays on its machine. */
  readonly expanded: ReadonlyMap<string, string>;
}

/** A text file that was read: its name as shown to people, and its text. */
export interface SourceText {
  readonly file: string;
  readonly text: string;
}
