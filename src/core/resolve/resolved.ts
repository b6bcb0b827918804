import type { Diagnostic, Place } from "../diagnostic.ts";
import type { LocatedPath, Spec } from "../spec/spec.ts";
import type { SourceSettings } from "../trainer/dataset.ts";
import type { ModelRole, Noise, ParameterValue, StageId, Tier } from "../vocabulary.ts";

/** Where a value came from, lowest to highest (design §4). `derived` follows from other keys. */
export type Layer = "trainer" | "defaults" | "task" | "size-rule" | "tier" | "project" | "pipeline" | "derived";

export interface ValueSource {
  readonly layer: Layer;
  /** For people: `size rule ≤60 files: 32`, `tier entry caps 64 at 32`, `fox.yaml:17`. */
  readonly text: string;
  readonly file?: string;
  readonly line?: number;
}

export interface ResolvedValue {
  readonly value: ParameterValue;
  readonly source: ValueSource;
  /** The range recommended for this case (size rule, tier), before `strategy` chose. */
  readonly recommended?: readonly [number, number];
  readonly place?: Place;
}

export type ResolvedParameters = Readonly<Record<string, ResolvedValue>>;

/** One dataset source with every key that counts for it; `source_fps: auto` is replaced by the clips' own rate. */
export interface ResolvedSource extends SourceSettings {
  readonly input: LocatedPath;
  /** The folder of its caches, relative to the root with `/`. */
  readonly cacheDir: string;
  readonly importFrom?: LocatedPath;
  readonly captionExtension: string;
  readonly place: Place;
}

/** A train stage: what is trained, on which weights, under which name. */
export interface ResolvedTrainStage {
  readonly id: Extract<StageId, "train" | "train-low" | "train-high">;
  readonly half: "dual" | "low" | "high";
  readonly dit: LocatedPath | undefined;
  readonly ditHighNoise?: LocatedPath | undefined;
  /** `{output.name}`, or `{output.name}-low` and `-high` under `noise: separate`. */
  readonly outputName: string;
  readonly parameters: ResolvedParameters;
}

/** The machine that will train, as far as it is known. Memory in GiB. */
export interface ResolvedHardware {
  /** The card as it was named or found; absent where only a tier was named. */
  readonly card?: string;
  readonly vramGiB?: number;
  readonly ramGiB?: number;
}

/** What the manual expects this pipeline to take; the figure that promises less where it contradicts itself. */
export interface ManualFigures {
  readonly vramGiB: readonly [number, number];
  readonly vramBasis: string;
  readonly ramGiB: number;
  readonly ramBasis: string;
  /** How much longer swapped blocks make each step. */
  readonly slowdownPercent: readonly [number, number];
  readonly slowdownBasis: string;
}

/** Every value decided, each with its source. Nothing in it has been judged yet. */
export interface Resolved {
  readonly spec: Spec;
  /** Devices of which it gets one where it names none (`--gpus`). */
  readonly gpuPool?: readonly number[];
  readonly tier: Tier;
  readonly tierSource: ValueSource;
  readonly noise: Noise;
  readonly noiseSource: ValueSource;
  /** The size rule's number of files, and the files counted. */
  readonly sizeRule: { readonly files: number; readonly counted: number };
  readonly dataset: {
    /** `dataset.NAME` of the plan's parameters. */
    readonly parameters: ResolvedParameters;
    readonly sources: readonly ResolvedSource[];
  };
  readonly cacheLatents: ResolvedParameters;
  readonly cacheText: ResolvedParameters;
  readonly trainStages: readonly ResolvedTrainStage[];
  readonly models: Readonly<Partial<Record<ModelRole, LocatedPath>>>;
  readonly hardware?: ResolvedHardware;
  readonly manual?: ManualFigures;
  /** Clashes resolved, values outside a range, a dataset that does not suit the tier. */
  readonly diagnostics: readonly Diagnostic[];
}
