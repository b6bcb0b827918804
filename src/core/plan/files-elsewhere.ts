import { type Diagnostic, diagnose } from "../diagnostic.ts";
import type { DiskFacts } from "../facts.ts";
import { baseName, folderOf } from "../paths.ts";
import { BRANCH_CODES } from "../state/branch-codes.ts";
import { type StageId, scriptOf } from "../vocabulary.ts";
import { isCarriedOut } from "./carried-out.ts";
import type { PipelinePlan } from "./plan.ts";
import { isGoneOnFrom, stateGoneOnFrom } from "./resumed-state.ts";
import { countText, listWords, namesText } from "./wording.ts";

/** What a plan that believes the record of another machine needs of files, and this machine has not. */

export interface FilesElsewhereInput {
  readonly plan: PipelinePlan;
  /** The machine that the record speaks of. */
  readonly host: string;
  /** This machine's. */
  readonly disk: DiskFacts;
}

/** A stage, and what of its own must be here for those that are carried out. */
interface Missing {
  readonly stage: StageId;
  readonly files: readonly string[];
  readonly kind: "cache file" | "training state";
  /** Whether something else lies here under their names. */
  readonly isTaken: boolean;
}

export interface FilesElsewhere {
  readonly diagnostic: Diagnostic;
  /** Whether this machine has files of its own under these names: whoever plans here should know, even if he applies elsewhere. */
  readonly isTaken: boolean;
}

/** Undefined where everything is here that the plan goes on from: then it is this machine's as well as the other's. */
export function filesElsewhere({ plan, host, disk }: FilesElsewhereInput): FilesElsewhere | undefined {
  const missing = [...missingCaches(plan, disk), ...missingStates(plan, disk)];
  if (missing.length === 0) return undefined;
  const what = missing.map(
    ({ files, kind }) => `${countText(files.length, kind)} (${namesText(placesOf(files, kind))})`,
  );
  const replace = missing.map(({ stage }) => `--replace ${stage}`).join(" ");
  const given = missing.some(({ kind }) => kind === "training state") ? ", which gives up what is trained of it" : "";
  const isOne = missing.length === 1 && missing[0]?.files.length === 1;
  // Whoever copies a cache copies no word of what it was made from.
  const copy = missing.every(({ kind }) => kind === "training state")
    ? `, or copy ${isOne ? "it" : "them"} to the same place here`
    : "";
  const [are, them] = isOne ? ["is", "it"] : ["are", "them"];
  const isTaken = missing.some((one) => one.isTaken);
  const taken = isTaken ? `: what lies there under ${isOne ? "its name" : "their names"} is of another training` : "";
  const detail = `By its record ${plan.name} goes on from ${listWords(what)} that ${host} has made, and ${are} not here${taken}. Apply there${copy}. To make ${them} anew here${given}: \`wan22 apply ${replace} ${plan.file}\`.`;
  return { diagnostic: diagnose(BRANCH_CODES.filesElsewhere, detail, { at: { file: plan.file } }), isTaken };
}

/** Of many caches their folders are enough. */
function placesOf(files: readonly string[], kind: Missing["kind"]): readonly string[] {
  return kind === "cache file" ? [...new Set(files.map(folderOf))] : files;
}

/** Training takes in what lies in the cache folders: what no caching stage is about to make must lie there. */
function missingCaches({ stages }: PipelinePlan, disk: DiskFacts): readonly Missing[] {
  const trains = stages.some((stage) => scriptOf(stage.id) === "train" && isCarriedOut(stage));
  if (!trains) return [];
  const isHere = (file: string) =>
    disk.caches[folderOf(file)]?.some(({ name, whole }) => whole && name === baseName(file)) === true;
  return stages.flatMap(({ id, cache_files = [], pending = [] }): Missing[] => {
    const made = new Set(pending);
    const files = cache_files.filter((file) => !made.has(file) && !isHere(file));
    return files.length === 0 ? [] : [{ stage: id, files, kind: "cache file", isTaken: false }];
  });
}

/** A folder of that name is not enough: before its files are renamed it must say of itself that it is what is gone on from. */
function missingStates({ stages }: PipelinePlan, disk: DiskFacts): readonly Missing[] {
  return stages.flatMap((stage): Missing[] => {
    if (!isCarriedOut(stage)) return [];
    const now = stateGoneOnFrom(stage);
    if (now === undefined) return [];
    const found = disk.states.find(({ dir }) => dir === now);
    if (found !== undefined && isGoneOnFrom(found, stage)) return [];
    return [{ stage: stage.id, files: [now], kind: "training state", isTaken: found !== undefined }];
  });
}
