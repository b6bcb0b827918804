import type { StageId } from "../vocabulary.ts";
import type { CheckpointPlan, PipelinePlan, StagePlan } from "./plan.ts";
import { countText, namesText } from "./wording.ts";

/** Where what would happen differs from what was planned to happen, though both were planned from the same: the disk moved. */

/**
 * Items that name it. A stage in `begun`, which the saved plan has begun itself, goes on from wherever it is; but with
 * nothing else than was planned.
 */
export function effectsMoved(before: PipelinePlan, now: PipelinePlan, begun: readonly StageId[]): readonly string[] {
  return before.stages.flatMap((stage) => {
    const present = now.stages.find(({ id }) => id === stage.id);
    if (present === undefined) return [`stage ${stage.id}: there is none any more`];
    if (begun.includes(stage.id)) return workMoved(stage, present);
    const work = [...actionMoved(stage, present), ...workMoved(stage, present)];
    if (work.length > 0) return work;
    const files = (plan: PipelinePlan) => plan.checkpoints.filter(({ stage: of }) => of === stage.id);
    return [...filesMoved(stage, present), ...checkpointsMoved(files(before), files(now))];
  });
}

function actionMoved(before: StagePlan, now: StagePlan): readonly string[] {
  if (before.action === now.action) return [];
  const why = now.reasons.map(({ text }) => text).join("; ");
  return [`stage ${now.id}: ${before.action} → ${now.action} (${why})`];
}

/** What is trained, or cached, and with what. */
function workMoved(before: StagePlan, now: StagePlan): readonly string[] {
  const differs = (of: (stage: StagePlan) => unknown) => JSON.stringify(of(before)) !== JSON.stringify(of(now));
  return [
    ...(before.driver === now.driver ? [] : [`stage ${now.id}: run by ${before.driver} → ${now.driver}`]),
    ...(devicesMoved(before, now) ? [`stage ${now.id}: other GPUs`] : []),
    ...(differs(({ total_steps, total_epochs }) => [total_steps, total_epochs])
      ? [`stage ${now.id}: ${lengthText(before)} → ${lengthText(now)}`]
      : []),
    ...(differs(({ fingerprint }) => fingerprint) ? [`stage ${now.id}: what shapes its result`] : []),
    ...(differs(({ argv }) => withoutResume(argv)) ? [`stage ${now.id}: its arguments`] : []),
    ...(differs(({ files }) => files) ? [`stage ${now.id}: the files that it reads`] : []),
  ];
}

/** A stage that was to get one out of several may be at work on it by now. */
function devicesMoved(before: StagePlan, now: StagePlan): boolean {
  const { gpu_pool: pool } = before;
  if (pool !== undefined && now.gpus !== undefined) return !now.gpus.every((gpu) => pool.includes(gpu));
  const named = ({ gpus, gpu_pool }: StagePlan) => JSON.stringify([gpus, gpu_pool]);
  return named(before) !== named(now);
}

function lengthText({ total_steps = 0, total_epochs = 0 }: StagePlan): string {
  return `${countText(total_steps, "step")} in ${countText(total_epochs, "epoch")}`;
}

function withoutResume(argv: readonly string[]): readonly string[] {
  const at = argv.indexOf("--resume");
  return at < 0 ? argv : argv.toSpliced(at, 2);
}

/** What it goes on from, makes, moves and removes. */
function filesMoved(before: StagePlan, now: StagePlan): readonly string[] {
  const stored = new Set(now.stored ?? []);
  // More than were there when it was planned are no reason to refuse: they only save work.
  const gone = (before.stored ?? []).filter((file) => !stored.has(file));
  const names = (stage: StagePlan) => ({
    "to be made": stage.pending ?? [],
    "to be removed": stage.leftover ?? [],
    "to be archived": stage.archive ?? [],
    "to be renamed": (stage.renames ?? []).map(({ from, to }) => `${from} to ${to}`),
    "to go on from": stage.resume_from === undefined ? [] : [stage.resume_from],
  });
  const [old, present] = [names(before), names(now)];
  const moved = (Object.keys(old) as (keyof typeof old)[]).flatMap((what) => {
    const [had, has] = [new Set(old[what]), new Set(present[what])];
    const more = present[what].filter((name) => !had.has(name));
    const fewer = old[what].filter((name) => !has.has(name));
    return [
      ...(more.length === 0
        ? []
        : [`stage ${now.id}: ${countText(more.length, "file")} more ${what}: ${namesText(more)}`]),
      ...(fewer.length === 0
        ? []
        : [`stage ${now.id}: ${countText(fewer.length, "file")} fewer ${what}: ${namesText(fewer)}`]),
    ];
  });
  if (moved.length > 0 || gone.length === 0) return moved;
  return [`stage ${now.id}: ${countText(gone.length, "file")} fewer to be taken from the store: ${namesText(gone)}`];
}

function checkpointsMoved(before: readonly CheckpointPlan[], now: readonly CheckpointPlan[]): readonly string[] {
  const [old, present] = [actionsByFile(before), actionsByFile(now)];
  return [...new Set([...old.keys(), ...present.keys()])].sort().flatMap((file) => {
    const [was, is] = [old.get(file), present.get(file)];
    return was === is ? [] : [`${file}: ${was ?? "not there"} → ${is ?? "gone"}`];
  });
}

function actionsByFile(files: readonly CheckpointPlan[]): ReadonlyMap<string, string> {
  return new Map(files.map(({ file, action }) => [file, action]));
}
