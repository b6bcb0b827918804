import { type Diagnostic, diagnose } from "../../diagnostic.ts";
import { printable } from "../../printable.ts";
import type { State } from "../../state/state.ts";
import type { StageId } from "../../vocabulary.ts";
import { effectsMoved } from "../effects.ts";
import type { InputValue } from "../fingerprint.ts";
import type { PipelinePlan } from "../plan.ts";
import { valueText } from "../wording.ts";
import type { Binding } from "./binding.ts";
import type { SavedPipeline } from "./saved-plan.ts";
import { SAVED_PLAN_CODES } from "./saved-plan-codes.ts";

/**
 * What has moved since a plan was saved, item by item: what it was made from first. Only where all of that is the same are
 * the values that were decided compared, and only where these are, what would happen: each follows from the one before.
 */

export interface PresentPipeline {
  readonly binding: Binding;
  /** Planned anew as the saved plan asks, with paths as they are written. */
  readonly plan: PipelinePlan;
  readonly state: State | undefined;
}

/** `state: "settled"`: it was compared before, and has only been put in order since. */
export function findMoved(
  saved: SavedPipeline,
  now: PresentPipeline,
  { state }: { readonly state: "compare" | "settled" },
): readonly string[] {
  const bound = [
    ...bindingMoved(saved.madeFrom.binding, now.binding),
    ...(state === "compare" ? stateMoved(saved.plan, now.state) : []),
  ];
  if (bound.length > 0) return bound;
  const decided = decisionsMoved(saved.plan, now.plan);
  return decided.length > 0 ? decided : effectsMoved(saved.plan, now.plan, begunStages(saved.plan.digest, now.state));
}

/** The stages that a plan has begun, by its digest. */
export function begunStages(digest: string, state: State | undefined): readonly StageId[] {
  return Object.entries(state?.stages ?? {}).flatMap(([id, record]) =>
    record?.plan_digest === digest ? [id as StageId] : [],
  );
}

/** A state that only this plan has moved is where it is to go on from. */
export function stateMoved({ state: before, digest }: PipelinePlan, now: State | undefined): readonly string[] {
  if (now !== undefined && now.plan_digest === digest) return [];
  if (before === undefined) return now === undefined ? [] : [`state: nothing was run then; ${movedText(now)} since`];
  if (now === undefined) return [`state: its record (serial ${before.serial}) is gone`];
  if (now.lineage !== before.lineage) {
    return [
      `state: begun anew, with another history (${short(before.lineage)} → ${short(now.lineage)}); ${movedText(now)}`,
    ];
  }
  if (now.serial === before.serial) return [];
  return [`state: ${movedText(now)} since (serial ${before.serial} → ${now.serial})`];
}

/** Whose doing a state is: a main clause. */
function movedText({ run, plan_digest }: State): string {
  const plan = plan_digest === undefined ? "" : `, of another plan (${short(plan_digest)}),`;
  return run === undefined ? "it has moved" : `run ${run}${plan} has moved it`;
}

function short(id: string): string {
  return id.slice(0, 8);
}

/** What differs between what two plans were made from, item by item. */
export function bindingMoved(before: Binding, now: Binding): readonly string[] {
  return [
    ...specMoved(before.spec, now.spec),
    ...digestsMoved("template", before.templates, now.templates),
    ...digestsMoved("preset", before.presets, now.presets),
    ...clipsMoved(before.dataset, now.dataset),
    ...digestsMoved("model", before.models, now.models),
    ...trainerMoved(before.trainer, now.trainer),
  ];
}

type Values = Readonly<Record<string, InputValue>>;

/** Also what can be said of a pipeline that can't be planned any more. */
export function specMoved(before: Values, now: Values): readonly string[] {
  return namesOf(before, now)
    .filter((name) => JSON.stringify(before[name]) !== JSON.stringify(now[name]))
    .map((name) => `${name}: ${shownValue(before[name], name)} → ${shownValue(now[name], name)}`);
}

function shownValue(value: InputValue | undefined, name: string): string {
  return value === undefined ? "not set" : valueText(value, name);
}

type Digests = Readonly<Record<string, string>>;

function namesOf(before: object, now: object): readonly string[] {
  return [...new Set([...Object.keys(before), ...Object.keys(now)])].sort();
}

/** How an entry moved, where it did. */
function changeOf(before: string | undefined, now: string | undefined): "added" | "removed" | "changed" | undefined {
  if (before === now) return undefined;
  return before === undefined ? "added" : now === undefined ? "removed" : "changed";
}

function digestsMoved(what: string, before: Digests, now: Digests): readonly string[] {
  return namesOf(before, now).flatMap((name) => {
    const change = changeOf(before[name], now[name]);
    return change === undefined ? [] : [`${what} ${name}: ${change}`];
  });
}

/** A clip's digest is its content's and its caption's. */
function clipsMoved(before: Digests, now: Digests): readonly string[] {
  return namesOf(before, now).flatMap((name) => {
    const change = changeOf(before[name], now[name]);
    if (change === undefined) return [];
    if (change !== "changed") return [`clip ${name}: ${change}`];
    const [content, caption] = before[name]?.split(".") ?? [];
    const [newContent, newCaption] = now[name]?.split(".") ?? [];
    const parts = [...(content === newContent ? [] : ["content"]), ...(caption === newCaption ? [] : ["caption"])];
    return [`clip ${name}: ${parts.join(" and ")} changed`];
  });
}

/** What was not known when the plan was made, as on a machine without the trainer, can't have moved. */
function trainerMoved(before: Binding["trainer"], now: Binding["trainer"]): readonly string[] {
  return (["version", "commit"] as const)
    .filter((key) => before[key] !== undefined && before[key] !== now[key])
    .map((key) => `trainer ${key}: ${before[key]} → ${now[key] ?? "not found"}`);
}

/** Values that were decided otherwise though the files are the same: by another machine, or another wan22. */
function decisionsMoved(before: PipelinePlan, now: PipelinePlan): readonly string[] {
  const valuesOf = ({ tier, noise, parameters }: PipelinePlan): Values => ({
    tier,
    noise,
    ...Object.fromEntries(Object.entries(parameters).map(([name, { value }]) => [name, value])),
  });
  return specMoved(valuesOf(before), valuesOf(now));
}

/** The refusal of a pipeline, with all that has moved in a list. */
export function staleDiagnostic(
  { name, file }: Pick<PipelinePlan, "name" | "file">,
  moved: readonly string[],
): Diagnostic {
  const list = moved.map((item) => `\n- ${printable(item)}`).join("");
  return diagnose(
    SAVED_PLAN_CODES.stale,
    `Nothing was done. Since the plan of ${name} was saved, this has moved; plan again with \`wan22 plan --out\`, and review that:`,
    { at: { file }, below: list },
  );
}
