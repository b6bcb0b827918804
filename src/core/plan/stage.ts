import type { Diagnostic } from "../diagnostic.ts";
import type { DiskFacts } from "../facts.ts";
import type { Rendered, RenderedStage } from "../render/rendered.ts";
import { deviceChoice, devicesOf } from "../resolve/devices.ts";
import type { Resolved } from "../resolve/resolved.ts";
import type { StageRecord, State } from "../state/state.ts";
import type { DatasetItems } from "../trainer/dataset.ts";
import type { Driver, StageId } from "../vocabulary.ts";
import type { Sha256 } from "./canonical.ts";
import type { Provenance } from "./changes.ts";
import type { SettledChoices } from "./choices.ts";
import type { InputsOptions } from "./inputs.ts";
import type { CheckpointPlan, Reason, StageAction, StagePlan } from "./plan.ts";
import type { SavesIn } from "./schedule.ts";
import { listWords } from "./wording.ts";

/** What every stage of a pipeline is planned from. */
export interface Planning {
  readonly resolved: Resolved;
  readonly rendered: Rendered;
  readonly items: DatasetItems;
  readonly inputs: InputsOptions;
  readonly provenance: Provenance;
  readonly state: State | undefined;
  /** Absent where the state speaks of another machine's disk. */
  readonly disk: DiskFacts | undefined;
  /** What is known of this machine where the state speaks of another one. */
  readonly here: Here | undefined;
  /** What the user asked for beside the file. */
  readonly choices: SettledChoices;
  /** Items that pipelines planned before this one put into the store. */
  readonly promised: PromisedCaches;
  /** Stages whose recorded process is alive. */
  readonly alive: ReadonlySet<StageId>;
  /** The machine that wrote the state, where it is not this one. */
  readonly elsewhere: string | undefined;
  readonly driverOf: (stage: StageId) => Driver;
  /** Why a stage of Musubi runs without the bridge, as a clause. */
  readonly whyUnbridged: (stage: StageId) => string | undefined;
  readonly savesIn: SavesIn;
  readonly sha256: Sha256;
}

/** A machine that plans by another one's record: what lies on it is its own, and must be neither lost nor taken for the other's. */
export interface Here {
  readonly disk: DiskFacts;
  /** This checkout's own record: it tells what files here were made from. */
  readonly state: State | undefined;
}

/** The pipeline that makes an item, by the item's name in the store. */
export type PromisedCaches = ReadonlyMap<string, string>;

/** A stage planned, or the errors that forbid it. */
export interface PlannedStage {
  readonly stage: StagePlan;
  readonly checkpoints: readonly CheckpointPlan[];
  readonly diagnostics: readonly Diagnostic[];
  /** Of a stage that waits: what would be done with it otherwise. */
  readonly withheld?: Withheld;
}

export interface Withheld {
  readonly action: StageAction;
  readonly reasons: readonly Reason[];
}

/** Why a stage waits that would have something to do. */
export function waitReason({ choices }: Planning, withheld: Withheld): Reason {
  const others = `only ${listWords(choices.only)} ${choices.only.length === 1 ? "is" : "are"} asked for`;
  const why = withheld.reasons.map(({ text }) => text).join("; ");
  return { cause: "requested", text: `${others}; ${withheld.action} otherwise: ${why}` };
}

/** The devices of a stage as a plan holds them: its own, or those of which it gets one. */
export function stageDevices(id: StageId, resolved: Resolved): Pick<StagePlan, "gpus" | "gpu_pool"> {
  const gpus = devicesOf(id, deviceChoice(resolved));
  if (gpus !== undefined) return { gpus: [...gpus] };
  return resolved.gpuPool === undefined ? {} : { gpu_pool: [...resolved.gpuPool] };
}

/** The devices that a stage's last process was started on. */
export function recordedDevices({ gpus }: Pick<StageRecord, "gpus">): Pick<StagePlan, "gpus"> {
  return gpus === undefined ? {} : { gpus: [...gpus] };
}

/** The stage's arguments and files; a stage that was not rendered has none. */
export function renderedStage(rendered: Rendered, id: StageId): RenderedStage {
  return rendered.stages.find((stage) => stage.id === id) ?? { id, argv: [], files: {} };
}
