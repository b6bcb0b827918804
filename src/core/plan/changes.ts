import type { Resolved, ResolvedParameters } from "../resolve/resolved.ts";
import { findParameter } from "../trainer/parameters.ts";
import type { InputValue, StageInputs } from "./fingerprint.ts";
import type { Reason } from "./plan.ts";
import { countText, namesText, valueText } from "./wording.ts";

/** What differs between what a stage was made from and what it would be made from now, as reasons that name it. */

/** Where the value that a plan name stands for came from, for people: `fox.yaml:17`. */
export type Provenance = (name: string) => string | undefined;

/** Where the resolved values of the parameters and dataset settings came from. */
export function provenanceOf(resolved: Resolved): Provenance {
  const { spec, dataset } = resolved;
  return (name) => {
    const [section, ...rest] = name.split(".");
    if (section === "cache-latents") return resolved.cacheLatents[rest.join(".")]?.source.text;
    if (section === "cache-text") return resolved.cacheText[rest.join(".")]?.source.text;
    if (section === "dataset") return settingSource(dataset.parameters, rest);
    const stage = resolved.trainStages.find(({ parameters }) => parameters[name] !== undefined);
    const place = spec.places.get(name === "half" ? "noise" : name);
    return (
      stage?.parameters[name]?.source.text ??
      (place === undefined ? undefined : `${place.file}${place.range === undefined ? "" : `:${place.range.line}`}`)
    );
  };
}

/** A setting of one source is written there or for all sources; one that was merged, in the first source that has it. */
function settingSource(parameters: ResolvedParameters, path: readonly string[]): string | undefined {
  const key = path.at(-1) ?? "";
  const inSource = Object.keys(parameters).find((name) => name.startsWith("sources.") && name.endsWith(`.${key}`));
  return (parameters[path.join(".")] ?? parameters[key] ?? parameters[inSource ?? ""])?.source.text;
}

/** How the trainer behaves where a plan name has no value. */
function withoutValue(name: string): InputValue | undefined {
  if (name === "processes") return 1;
  const parameter = findParameter(name.replace(/^cache-(latents|text)\./, ""));
  if (parameter === undefined) return undefined;
  return parameter.trainerDefault ?? (parameter.type.kind === "flag" ? false : undefined);
}

function sameValue(a: InputValue | undefined, b: InputValue | undefined): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

function valueReason(name: string, from: InputValue | undefined, to: InputValue | undefined, where?: string): Reason {
  const before = from ?? withoutValue(name);
  const after = to ?? withoutValue(name);
  const text = (value: InputValue | undefined) => (value === undefined ? "not set" : valueText(value, name));
  const place = to === undefined ? "trainer default" : where;
  return {
    cause: "parameter-changed",
    parameter: name,
    ...(before === undefined ? {} : { from: before }),
    ...(after === undefined ? {} : { to: after }),
    text: `${name} ${text(before)} → ${text(after)}${place === undefined ? "" : ` (${place})`}`,
  };
}

/**
 * The same change in every source is one change of the dataset: `dataset.resolution`, not one reason a source. Only where
 * both sides have the same sources; else the names stay as they are.
 */
function merged(inputs: StageInputs["inputs"]): Readonly<Record<string, InputValue>> {
  const byKey = new Map<string, { values: InputValue[]; names: string[] }>();
  const positions = new Set<string>();
  for (const [name, value] of Object.entries(inputs)) {
    const match = /^dataset\.sources\.(\d+)\.(.+)$/.exec(name);
    const [, position, key] = match ?? [];
    if (position === undefined || key === undefined) continue;
    positions.add(position);
    const group = byKey.get(key) ?? { values: [], names: [] };
    group.values.push(value);
    group.names.push(name);
    byKey.set(key, group);
  }
  const result: Record<string, InputValue> = { ...inputs };
  for (const [key, { values, names }] of byKey) {
    const first = values[0];
    if (first === undefined || names.length < positions.size || values.some((value) => !sameValue(value, first))) {
      continue;
    }
    for (const name of names) delete result[name];
    result[`dataset.${key}`] = first;
  }
  return result;
}

/** Dataset keys that both sides write in one way: merged where both can be, else a source at a time. */
function comparable(
  before: StageInputs["inputs"],
  now: StageInputs["inputs"],
): readonly [StageInputs["inputs"], StageInputs["inputs"]] {
  const [mergedBefore, mergedNow] = [merged(before), merged(now)];
  const sources = (inputs: StageInputs["inputs"]) =>
    new Set(Object.keys(inputs).flatMap((name) => /^dataset\.sources\.(\d+)\./.exec(name)?.[1] ?? [])).size;
  return sources(before) === sources(now) && sources(mergedBefore) === 0 && sources(mergedNow) === 0
    ? [mergedBefore, mergedNow]
    : [before, now];
}

/** Every parameter and setting that differs, by name. */
export function valueChanges(
  before: StageInputs["inputs"],
  now: StageInputs["inputs"],
  provenance: Provenance,
): readonly Reason[] {
  const [old, present] = comparable(before, now);
  const names = [...new Set([...Object.keys(old), ...Object.keys(present)])].sort();
  return names
    .filter((name) => !sameValue(old[name], present[name]))
    .map((name) => valueReason(name, old[name], present[name], provenance(name)));
}

const CLIP = "clip ";

/** The name of a clip for people: its stem, as its position in the dataset is the same for most. */
function stemOf(entry: string): string {
  return entry.slice(entry.indexOf("/") + 1);
}

function clipReason(text: string, entries: readonly string[]): Reason[] {
  return entries.length === 0 ? [] : [{ cause: "dataset-changed", text: `${text}: ${namesText(entries.map(stemOf))}` }];
}

/** Clips that came, went, or are not what they were; and whether it is their caption or their content. */
export function clipChanges(before: StageInputs["identities"], now: StageInputs["identities"]): readonly Reason[] {
  const clipsOf = (identities: StageInputs["identities"]) =>
    Object.keys(identities)
      .filter((name) => name.startsWith(CLIP))
      .sort();
  const kept = clipsOf(now).filter((name) => before[name] !== undefined && before[name] !== now[name]);
  const part = (name: string, which: 0 | 1) =>
    before[name]?.split(".")[which] !== undefined && before[name]?.split(".")[which] !== now[name]?.split(".")[which];
  const added = clipsOf(now).filter((name) => before[name] === undefined);
  const removed = clipsOf(before).filter((name) => now[name] === undefined);
  const replaced = kept.filter((name) => part(name, 0));
  const recaptioned = kept.filter((name) => part(name, 1));
  return [
    ...clipReason(`${countText(added.length, "clip")} added`, added),
    ...clipReason(`${countText(removed.length, "clip")} removed`, removed),
    ...clipReason(`${countText(replaced.length, "clip")} replaced`, replaced),
    ...clipReason(`caption of ${countText(recaptioned.length, "clip")} changed`, recaptioned),
  ];
}

/** What a model is called in a reason. */
function modelName(role: string): string {
  return findParameter(role.split(" ")[0] ?? "") === undefined ? `models.${role}` : role;
}

/** Models that are other files than they were. `dataset` digests are left to the clips. */
export function modelChanges(before: StageInputs["identities"], now: StageInputs["identities"]): readonly Reason[] {
  const roles = [...new Set([...Object.keys(before), ...Object.keys(now)])]
    .filter((name) => name !== "dataset" && !name.startsWith(CLIP))
    .sort();
  return roles
    .filter((role) => before[role] !== now[role])
    .map((role) => {
      const what =
        before[role] === undefined
          ? "was not there when this was made, and is now"
          : now[role] === undefined
            ? "was there when this was made, and is not now"
            : "is another file than this was made with";
      return { cause: "model-changed", parameter: modelName(role), text: `${modelName(role)} ${what}` };
    });
}
