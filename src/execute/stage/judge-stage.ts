import { dirname, resolve } from "node:path";
import { formatBytes } from "../../core/bytes.ts";
import { type Diagnostic, diagnose } from "../../core/diagnostic.ts";
import { pathInside } from "../../core/paths.ts";
import { namesText } from "../../core/plan/wording.ts";
import { scriptOf } from "../../core/vocabulary.ts";
import { countOomKills } from "../../host/oom-kills.ts";
import type { ProcessEnd } from "../../host/process.ts";
import { isThere } from "../../host/read-file.ts";
import { runFiles } from "../../host/records/run-store.ts";
import { EXECUTE_CODES } from "../codes.ts";
import { roomText } from "../system-error.ts";
import { explainFailure } from "./failure.ts";
import type { FollowResult } from "./follow.ts";
import { keepLess } from "./keep-less.ts";
import type { Progress, StageInput } from "./stage.ts";
import { findIncompleteCaches, findWrongCheckpoints } from "./verify.ts";

/** Decides how a stage ended, by what its process said and by what it left. */

export interface Judgement {
  readonly outcome: "finished" | "stopped" | "failed" | "lost";
  readonly end: ProcessEnd | undefined;
  readonly message?: string;
  readonly diagnostics: readonly Diagnostic[];
}

/** The end of a stage that never ran. */
export function judgeUnstarted(diagnostic: Diagnostic): Judgement {
  return { outcome: "failed", end: undefined, message: diagnostic.summary, diagnostics: [diagnostic] };
}

/** The end of a caching stage that took everything from elsewhere. */
export async function judgeFilled(input: StageInput): Promise<Judgement> {
  const found = await verify(input);
  const [error] = found;
  if (error === undefined) return { outcome: "finished", end: undefined, diagnostics: [] };
  return { outcome: "failed", end: undefined, message: error.summary, diagnostics: found };
}

const EXIT_STOPPED = 85;

/** The last terminal event decides; the exit code only where there is none, and what is on disk where there is neither. */
export async function judgeStage(
  input: StageInput,
  progress: Progress,
  { end, manner }: FollowResult,
): Promise<Judgement> {
  const { terminal } = progress;
  if (terminal?.type === "stopped" || (terminal === undefined && end?.exitCode === EXIT_STOPPED)) {
    return { outcome: "stopped", end, diagnostics: [] };
  }
  if (terminal === undefined && manner === "ended") {
    return { outcome: "stopped", end, message: `it was ended at once; ${whatFollows(input)}`, diagnostics: [] };
  }
  const verified = await verify(input);
  if (terminal?.type === "finished" || (terminal === undefined && end?.exitCode === 0)) {
    const error = verified.find(({ severity }) => severity === "error");
    if (error === undefined) return { outcome: "finished", end, diagnostics: verified };
    return { outcome: "failed", end, message: error.summary, diagnostics: verified };
  }
  // Nobody could wait for a process that another runner started: if all is there, it did finish.
  if (terminal === undefined && end === undefined && verified.length === 0)
    return { outcome: "finished", end, diagnostics: [] };
  const { apply, stage, recorder } = input;
  const logFile = runFiles.log(recorder.runDir, stage.id);
  const diagnostic = await explainFailure({
    stage: stage.id,
    end,
    event: terminal?.type === "failed" ? terminal : undefined,
    logFile,
    shownLog: pathInside(apply.root, logFile),
    memoryKills: (countOomKills() ?? 0) > (progress.oomKillsBefore ?? 0) ? "seen" : "none",
    whatFollows: lastStateStep(input) === undefined ? undefined : whatFollows(input),
    room: () => roomFor(input),
    keepLess: keepLess(stage, input.plan),
    remediesFor: apply.remediesFor,
  });
  const lost = terminal === undefined && end === undefined;
  return { outcome: lost ? "lost" : "failed", end, message: diagnostic.summary, diagnostics: [diagnostic] };
}

/** What a stage that writes to a full disk wanted to write there. */
async function roomFor({ apply, plan, stage }: StageInput): Promise<string> {
  const folder = stage.output_dir ?? dirname(stage.cache_files?.[0] ?? ".");
  const room = await roomText(resolve(apply.root, folder));
  let toCome = 0;
  for (const { stage: of, action, file, bytes } of plan.checkpoints) {
    const isMade = of === stage.id && (action === "create" || action === "replace");
    if (isMade && !(await isThere(resolve(apply.root, file)))) toCome += bytes;
  }
  if (toCome === 0) return `${folder} is where it writes, and ${room}`;
  return `${formatBytes(toCome)} of checkpoints and training states were still to come in ${folder}, and ${room}`;
}

/** The step of the last training state that the stage has saved. */
function lastStateStep({ stage, recorder }: StageInput): number | undefined {
  return recorder.state()?.training_states.findLast((known) => known.stage === stage.id)?.done_steps;
}

/** What is kept of a stage that did not come to its end, and what applying again does with it (design §5); a clause. */
function whatFollows(input: StageInput): string {
  const { apply, stage } = input;
  if (scriptOf(stage.id) !== "train") return "what was cached stays, and applying again goes on from there";
  const step = lastStateStep(input);
  if (step === undefined) return "no training state was saved before, so applying again starts over";
  const kept = `its training state of step ${step} is kept`;
  const { file } = apply.plan;
  return stage.driver === "scripts"
    ? `${kept}, but Musubi's own scripts do not resume exactly: applying again will be refused, and \`wan22 apply --replace ${stage.id} ${file}\` starts over with everything archived`
    : `${kept}, and applying again goes on from there`;
}

/** What is not as planned, now that the stage says that it finished. */
async function verify({ apply, plan, stage }: StageInput): Promise<readonly Diagnostic[]> {
  if (scriptOf(stage.id) !== "train") {
    const incomplete = await findIncompleteCaches(stage.cache_files ?? [], apply.root);
    if (incomplete.length === 0) return [];
    const shown = incomplete.slice(0, 10).join(", ");
    const text = `${incomplete.length} of ${stage.cache_files?.length ?? 0} cache files are missing or cut short: ${shown}${incomplete.length > 10 ? ", …" : ""}.`;
    return [diagnose(EXECUTE_CODES.missingCaches, `${text} ${EXECUTE_CODES.missingCaches.mend}`)];
  }
  const wanted = plan.checkpoints.filter(
    ({ stage: of, kind, action }) =>
      of === stage.id && kind === "checkpoint" && (action === "create" || action === "replace"),
  );
  const wrong = await findWrongCheckpoints(wanted, apply.root);
  const missing = wrong.flatMap(({ checkpoint, bytes }) => (bytes === undefined ? [checkpoint.file] : []));
  const otherSizes = wrong.flatMap(({ checkpoint, bytes }) => {
    if (bytes === undefined) return [];
    const detail = `The tensors of ${checkpoint.file} take ${bytes} bytes; ${checkpoint.bytes} were planned. ${EXECUTE_CODES.otherSize.mend}`;
    return [diagnose(EXECUTE_CODES.otherSize, detail)];
  });
  return missing.length === 0 ? otherSizes : [missingCheckpoints(missing, wanted.length), ...otherSizes];
}

function missingCheckpoints(files: readonly string[], planned: number): Diagnostic {
  const kind = EXECUTE_CODES.missingCheckpoint;
  const are =
    files.length === 1 && planned === 1
      ? "is not there, or not whole"
      : `${files.length === 1 ? "is" : "are"} not there, or not whole: ${files.length} of ${planned} checkpoints`;
  return diagnose(kind, `${namesText(files)} ${are}. ${kind.mend}`);
}
