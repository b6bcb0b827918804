import { present } from "../present.ts";
import { scriptOf } from "../vocabulary.ts";
import type { Difference } from "./base.ts";
import type { ParameterPlan, PipelinePlan } from "./plan.ts";

/** What two plans of one pipeline differ in, as people review it: what was written first, what comes of it after. */
export function findDifferences(base: PipelinePlan, now: PipelinePlan): readonly Difference[] {
  const values = [...settings(base, now), ...parameters(base, now), ...policies(base, now)];
  const things = [...items(base, now), ...models(base, now)];
  return [
    ...values,
    ...things,
    ...texts(base, now, values),
    ...actions(base, now),
    ...amounts(base, now),
    ...estimates(base, now),
  ];
}

type Values = Readonly<Record<string, Difference["from"]>>;

/** By name, in the order in which the two name them. */
function compare(subject: Difference["subject"], base: Values, now: Values): readonly Difference[] {
  const names = [...new Set([...Object.keys(base), ...Object.keys(now)])];
  return names.flatMap((name): readonly Difference[] => {
    const [from, to] = [base[name], now[name]];
    if (JSON.stringify(from) === JSON.stringify(to)) return [];
    const how = from === undefined ? "added" : to === undefined ? "removed" : "changed";
    return [{ subject, name, how, ...present({ from, to }) }];
  });
}

function settings(base: PipelinePlan, now: PipelinePlan): readonly Difference[] {
  const of = ({ task, noise, tier, backend, stages }: PipelinePlan): Values => {
    const train = stages.find(({ id }) => scriptOf(id) === "train");
    return { task, noise, hardware: tier, "trainer.backend": backend, ...present({ "output.dir": train?.output_dir }) };
  };
  return compare("setting", of(base), of(now));
}

function parameters(base: PipelinePlan, now: PipelinePlan): readonly Difference[] {
  const of = ({ parameters: all }: PipelinePlan): Values =>
    Object.fromEntries(Object.entries(all).map(([name, { value }]) => [name, value]));
  const found = compare("parameter", of(base), of(now)).map((difference) => {
    const source = now.parameters[difference.name]?.source;
    return { ...difference, ...present({ file: source?.file, line: source?.line }) };
  });
  // What somebody wrote comes before what follows from it.
  const written = ({ name }: Difference) => isWritten(now.parameters[name]) || isWritten(base.parameters[name]);
  return [...found.filter(written), ...found.filter((difference) => !written(difference))];
}

function isWritten(parameter: ParameterPlan | undefined): boolean {
  return parameter?.source.layer === "pipeline" || parameter?.source.layer === "project";
}

function policies(base: PipelinePlan, now: PipelinePlan): readonly Difference[] {
  const of = ({ policy = [] }: PipelinePlan): Values =>
    Object.fromEntries(policy.map(({ rule, limit }) => [rule, limit]));
  return compare("policy", of(base), of(now));
}

const CLIP = "clip ";

function identitiesOf({ stages }: PipelinePlan): Readonly<Record<string, string>> {
  return Object.fromEntries(stages.flatMap(({ identities }) => Object.entries(identities)));
}

/** Clips that came and went, and those whose content or caption is another; by their source and stem. */
function items(base: PipelinePlan, now: PipelinePlan): readonly Difference[] {
  const of = (plan: PipelinePlan) =>
    Object.fromEntries(Object.entries(identitiesOf(plan)).filter(([name]) => name.startsWith(CLIP)));
  return compare("item", of(base), of(now)).map(({ subject, name, how, from, to }) => {
    const part = how === "changed" ? partOf(String(from), String(to)) : undefined;
    return { subject, name: name.slice(CLIP.length), how, ...present({ part }) };
  });
}

/** A clip's identity is a digest of its content and one of its caption, with a dot between. */
function partOf(from: string, to: string): string {
  const [content, caption] = from.split(".");
  const [newContent, newCaption] = to.split(".");
  if (content === newContent) return "caption";
  return caption === newCaption ? "content" : "content and caption";
}

function models(base: PipelinePlan, now: PipelinePlan): readonly Difference[] {
  const of = (plan: PipelinePlan) =>
    Object.fromEntries(
      Object.entries(identitiesOf(plan)).filter(([name]) => name !== "dataset" && !name.startsWith(CLIP)),
    );
  return compare("model", of(base), of(now)).map(({ subject, name, how }) => ({ subject, name, how }));
}

/** What the trainer gets to read and is told, where no value tells of it: prompts, and what a template makes of the values. */
function texts(base: PipelinePlan, now: PipelinePlan, values: readonly Difference[]): readonly Difference[] {
  const files = ({ stages }: PipelinePlan): Values =>
    Object.fromEntries(stages.flatMap(({ files: all }) => Object.entries(all)));
  const isOfDataset = values.some(({ name }) => name.startsWith("dataset."));
  const read = compare("file", files(base), files(now))
    .filter(({ how, name }) => how === "changed" && !(isOfDataset && name === "dataset.toml"))
    .map(({ subject, name, how }): Difference => ({ subject, name, how }));
  const told = now.stages.flatMap((stage): readonly Difference[] => {
    const before = base.stages.find(({ id }) => id === stage.id);
    if (before === undefined) return [];
    const part = argumentsChanged(before.argv, stage.argv, values).join(", ");
    return part === "" ? [] : [{ subject: "arguments", name: stage.id, how: "changed", part }];
  });
  return [...read, ...told];
}

/** Whether training goes on, and from where, is a matter of the record. */
const OF_THE_RECORD: readonly string[] = ["--resume"];

/** Names of arguments whose values differ, or that one side does without; those that a differing parameter is named after left out. */
function argumentsChanged(
  base: readonly string[],
  now: readonly string[],
  values: readonly Difference[],
): readonly string[] {
  const known = new Set(values.map(({ name }) => `--${name.slice(name.indexOf(".") + 1)}`));
  return compare("arguments", byArgument(base), byArgument(now))
    .map(({ name }) => name)
    .filter((name) => !known.has(name) && !OF_THE_RECORD.includes(name));
}

function byArgument(argv: readonly string[]): Values {
  const found: Record<string, string[]> = {};
  let own = "the script";
  for (const word of argv) {
    if (word.startsWith("--")) own = word;
    const values = found[own] ?? [];
    values.push(word);
    found[own] = values;
  }
  return found;
}

function actions(base: PipelinePlan, now: PipelinePlan): readonly Difference[] {
  const of = ({ stages }: PipelinePlan): Values => Object.fromEntries(stages.map(({ id, action }) => [id, action]));
  return compare("stage", of(base), of(now));
}

function amounts(base: PipelinePlan, now: PipelinePlan): readonly Difference[] {
  const of = ({ dataset, checkpoints }: PipelinePlan): Values => ({
    "training files": dataset.files,
    items: dataset.items,
    "steps an epoch": dataset.steps_per_epoch,
    "steps in all": dataset.total_steps,
    checkpoints: checkpoints.filter(({ kind, action }) => kind === "checkpoint" && action !== "orphan").length,
  });
  return compare("amount", of(base), of(now));
}

/** Those that somebody decides by: how long, and how much of what there is little of. */
const ESTIMATES: readonly string[] = ["time", "gpu_time", "vram", "ram", "disk"];

function estimates(base: PipelinePlan, now: PipelinePlan): readonly Difference[] {
  const of = ({ estimates: all }: PipelinePlan): Values =>
    Object.fromEntries(
      Object.entries(all).flatMap(([name, { low, high }]) => (ESTIMATES.includes(name) ? [[name, [low, high]]] : [])),
    );
  return compare("estimate", of(base), of(now)).map((difference) => ({
    ...difference,
    ...present({ unit: (now.estimates[difference.name] ?? base.estimates[difference.name])?.unit }),
  }));
}
