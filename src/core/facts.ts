/** What was observed outside: files, models, machine, trainer. Made by `host`, read by `core`. All plain data. */
import type { ModelRole, Script } from "./vocabulary.ts";

/**
 * What is wrong with a file that was looked at, in a sentence without a full stop. `empty` and `broken` lie in its bytes
 * and stay as long as these do; `unreadable` is the system's word, and the next look may end otherwise.
 */
export interface FileProblem {
  readonly kind: "missing" | "empty" | "broken" | "unreadable" | "needs-ffprobe" | "unsupported" | "name-not-utf8";
  readonly text: string;
}

/** Damage in a file that the trainer makes something of all the same. */
export interface MediaDamage {
  /** In a sentence without a full stop. */
  readonly text: string;
  /**
   * Frames that are decoded for certain before the decoder may fail; it does not fail where reading ends by then. Absent
   * where it doesn't fail at all.
   */
  readonly intactFrames?: number;
}

export interface CaptionFacts {
  /** The caption file; absent for a JSONL row. */
  readonly file?: string;
  /** As the trainer reads it: UTF-8, universal newlines, stripped. Absent where it could not be read. */
  readonly text?: string;
  /**
   * `left-out`: the trainer's glob finds no caption for an image, which it then leaves out. `missing`: the trainer would
   * open the file, and it is not there. `not-utf8` of a row: half a surrogate pair, which no UTF-8 can hold.
   */
  readonly problem?: "left-out" | "missing" | "not-utf8" | "unreadable" | "too-large";
}

/** A clip, an image or a folder of images, with its caption. */
export interface MediaFacts {
  readonly kind: "video" | "image";
  /** Relative to the project root with `/` where inside it, else absolute. */
  readonly file: string;
  /** As the trainer opens it, where that is not `file`: a row's `..` after a link may lead elsewhere. */
  readonly opened?: string;
  /** Base name with and without its extension, as the trainer takes them. */
  readonly name: string;
  readonly stem: string;
  readonly bytes: number;
  /** Of the file's bytes (of a folder of images: of its sorted names and their bytes). Absent where unreadable. */
  readonly sha256?: string;
  readonly width?: number;
  readonly height?: number;
  /** Decoded frames, counted, not taken from the header. 1 for an image. */
  readonly frames?: number;
  /** Average frames a second of a video, to three decimals. */
  readonly fps?: number;
  /** Frames by the container's header, where that says something else. */
  readonly headerFrames?: number;
  /** Degrees clockwise (90, 180, 270) that players turn the picture by and the trainer does not; width and height are unturned. */
  readonly rotation?: number;
  readonly caption: CaptionFacts;
  /** Why nothing can be made of it. */
  readonly problem?: FileProblem;
  readonly damage?: MediaDamage;
  /** Line of a JSONL row, from 1, and the path as the row writes it. */
  readonly line?: number;
  readonly written?: string;
}

/** A dataset source as found. `media` is in the trainer's order: sorted by name, or by row. */
export interface SourceFacts {
  readonly media: readonly MediaFacts[];
  /** The folder or JSONL file itself. */
  readonly problem?: FileProblem;
  /** Base names in the folder that look like media of this kind and that the trainer passes over, for their extension. */
  readonly passedOver?: readonly string[];
  /** Rows of a JSONL file that cannot be used, by line. */
  readonly rows?: readonly { readonly line: number; readonly text: string }[];
}

/** What a model file's header and a sample of its blocks say. */
export interface ModelFacts {
  readonly file: string;
  readonly bytes: number;
  readonly format: "safetensors" | "other";
  /** Tensor name to dtype (`F16`, `BF16`, `F32`, `F8_E4M3`, …) and shape. Absent for other formats. */
  readonly tensors?: Readonly<Record<string, { readonly dtype: string; readonly shape: readonly number[] }>>;
  /** Identity of design §5: bytes, header digest, digest of 64 blocks of 64 KiB spread evenly. */
  readonly headerSha256?: string;
  readonly blocksSha256: string;
  readonly problem?: FileProblem;
}

export interface GpuFacts {
  readonly index: number;
  readonly name: string;
  readonly vramGiB: number;
}

/** One argument of a script. `list` is argparse's `nargs="*"`: as many values as follow. */
export interface ArgumentSurface {
  readonly kind: "flag" | "value" | "list";
  readonly type: "string" | "int" | "float" | "int_or_float";
  readonly choices?: readonly string[];
  readonly required: boolean;
}

/** A script's arguments by name with dashes; undefined where its parser could not be followed to the end. */
export type InstalledArguments = Readonly<Record<Script, ReadonlyMap<string, ArgumentSurface> | undefined>>;

export interface TrainerFacts {
  /** Musubi's version from its `pyproject.toml`. */
  readonly version?: string;
  readonly commit?: string;
  /** What its scripts take, read from their source. Absent where no checkout was looked at. */
  readonly arguments?: InstalledArguments;
  /** Whether the lines that the bridge stands for are in its source. */
  readonly bridge?: "fits" | "does-not-fit";
  /** The Python that will run: the path found, and its version. */
  readonly python?: string;
  readonly pythonVersion?: string;
  readonly problem?: string;
  /** Optimizer modules that could be looked for and were not found in `trainer.python`. */
  readonly missingModules: readonly string[];
}

/** What exists on disk where caches, checkpoints and states belong. Absent when the state's host is another machine. */
export interface DiskFacts {
  /** Cache folder to its files: name, bytes, whether whole by its safetensors header, and what the header says. */
  readonly caches: Readonly<Record<string, readonly CacheFileFacts[]>>;
  /** What lies in the cache store of the files that are wanted there, by path. */
  readonly store?: Readonly<Record<string, CacheFileFacts>>;
  /** The output folders that were looked at: the present one, and those that the record names. */
  readonly outputFolders: readonly string[];
  /** The files in them, by path. */
  readonly outputs: Readonly<Record<string, OutputFileFacts>>;
  /** The training states in them: what `wan22.json` says, and whether they are complete. */
  readonly states: readonly TrainingStateFacts[];
  /** Those that output, caches and state lie on. Absent where nobody asked. */
  readonly fileSystems?: readonly FileSystemFacts[];
}

export interface FileSystemFacts {
  /** Where it is mounted, absolute. */
  readonly mount: string;
  /** For this user, a quota counted where the file system tells it so. */
  readonly freeBytes: number;
  readonly totalBytes: number;
  /** Those asked about that lie on it, or would if they existed, by the path as given. */
  readonly folders: readonly string[];
}

export interface OutputFileFacts {
  readonly bytes: number;
  /** Of the tensors of a safetensors file that is whole; absent of anything else. */
  readonly tensorBytes?: number;
  /** Of the whole file, where it was asked for: it is read from end to end. */
  readonly sha256?: string;
}

export interface CacheFileFacts {
  readonly name: string;
  readonly bytes: number;
  /** Size = 8 + header length + last data offset. */
  readonly whole: boolean;
  /** The header's `__metadata__`. */
  readonly metadata: Readonly<Record<string, string>>;
  readonly tensors: readonly string[];
}

export interface TrainingStateFacts {
  /** Path of the folder, relative to the root where inside it. */
  readonly dir: string;
  readonly complete: boolean;
  readonly fingerprint?: string;
  readonly stage?: string;
  readonly doneEpochs?: number;
  readonly doneSteps?: number;
  readonly doneBatches?: number;
  readonly totalEpochs?: number;
  /** Why it was saved. A `stop`'s, and a finished run's `last` once it has a step's name, go when a later one is complete. */
  readonly kind?: "scheduled" | "stop" | "last";
}

/** A file that a parameter names and the trainer reads while it starts. */
export interface InputFileFacts {
  readonly problem?: FileProblem;
  /** Of a prompts file. */
  readonly text?: string;
  /** Of a file in safetensors, whatever its name. */
  readonly tensors?: ModelFacts["tensors"];
}

/** Where a path leads with every symbolic link followed; of what is not there yet, where it would be made. Absolute with `/`. */
export interface RealPath {
  /** Absent where nobody may look, or links lead in a circle. */
  readonly real?: string;
  /** The links that lie in it, where it is a folder, with where each leads. */
  readonly links?: readonly { readonly path: string; readonly real?: string }[];
}

/** What a policy is judged by beside the plan. Looked at only where there is one. */
export interface PolicyFacts {
  /** By the path as asked. What is not in here was not looked at. */
  readonly realPaths: Readonly<Record<string, RealPath>>;
  /** Whether the pipeline has its lock file beside it. */
  readonly hasLockFile: boolean;
  /** Images that sample prompts name, as the trainer opens them. */
  readonly promptImages: readonly string[];
}

export interface Facts {
  /** In the order of `spec.dataset.sources`. */
  readonly sources: readonly SourceFacts[];
  readonly models: Readonly<Partial<Record<ModelRole, ModelFacts>>>;
  readonly gpus: readonly GpuFacts[];
  readonly ramGiB?: number;
  readonly trainer: TrainerFacts;
  /** By the path as resolved. A file that is not in here was not looked at. */
  readonly inputFiles?: Readonly<Record<string, InputFileFacts>>;
  /** What stands in the way of folders that are to be made, by the path as resolved. Absent where nobody looked. */
  readonly folders?: Readonly<Record<string, FileProblem>>;
  /** `WAN22_MINIATURE=1`: the contract tests' small models are allowed. */
  readonly miniature: boolean;
}
