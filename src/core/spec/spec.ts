import type { Place } from "../diagnostic.ts";
import type { NotifyHook } from "../notification.ts";
import type { OpeningHours } from "../opening-hours.ts";
import type { FrameExtraction, SourceSettings } from "../trainer/dataset.ts";
import type { Backend, ModelRole, Noise, OnNan, ParameterValue, Section, Strategy, Task } from "../vocabulary.ts";
import type { CellOf } from "./cell.ts";

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

/** What wan22.yaml asks of every pipeline; a rule that is absent asks nothing. Their places are those of `policy.NAME`. */
export interface Policy {
  readonly max_hours?: number;
  readonly max_gpu_hours?: number;
  readonly max_disk_gb?: number;
  readonly vram_headroom_gb?: number;
  readonly input_roots?: readonly LocatedPath[];
  readonly output_roots?: readonly LocatedPath[];
  readonly tasks?: readonly Task[];
  readonly require_lock?: true;
}

/** What wan22.yaml says of `wan22 watch --apply`. */
export interface WatchRules {
  /** When something may begin; at any time where there are none. */
  readonly allow: readonly OpeningHours[];
  /** Whose clock counts; the machine's where it is left out. */
  readonly timezone?: string;
}

/** Where the record is kept beside the state folder. */
export type StateBackend =
  | { readonly kind: "local" }
  /** Also on a branch of the project's repository, at a remote (docs/decisions/0016). */
  | { readonly kind: "git"; readonly branch: string; readonly remote: string };

/** A pipeline over its project file: parsed, valid in itself, every path resolved, every node with its place. */
export interface Spec {
  readonly name: string;
  /** The pipeline file, as shown to people; of a cell of a matrix with its name (`fox.yaml#fox-dim-16`). */
  readonly file: string;
  /** The files that its values stand in, as shown to people: its own first, then those that it extends. */
  readonly files: readonly string[];
  /** Where it is one of several pipelines that its file holds. */
  readonly cell?: CellOf;
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
  /** Where others can see the record; no part of what is trained. */
  readonly stateBackend: StateBackend;
  readonly cacheDir: string;
  /** A folder whose templates and presets replace the built-in ones of the same name. */
  readonly templatesDir?: LocatedPath;
  /** What it must keep to be carried out; no part of what is trained. */
  readonly policy?: Policy;
  /** When a watch may begin it; no part of what is trained. */
  readonly watch: WatchRules;
  /** Where every key stands, by dotted path (`dataset.sources.0.videos`); the pipeline's place wins over the project's. */
  readonly places: ReadonlyMap<string, Place>;
  /**
   * Paths that hang on the machine, each with what does not: as it was written where it came of variables or `~`, as seen
   * from the project where it was written relative and lies outside.
   */
  readonly expanded: ReadonlyMap<string, string>;
}

/** A text file that was read: its name as shown to people, and its text. */
export interface SourceText {
  readonly file: string;
  readonly text: string;
}
