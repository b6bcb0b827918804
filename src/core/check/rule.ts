import type { Diagnostic, DiagnosticOptions } from "../diagnostic.ts";
import type { Facts } from "../facts.ts";
import type { Resolved, ResolvedParameters, ResolvedTrainStage } from "../resolve/resolved.ts";
import type { DatasetItems } from "../trainer/dataset.ts";
import { findParameter } from "../trainer/parameters.ts";
import type { ParameterValue } from "../vocabulary.ts";

/** Everything a rule may look at. */
export interface Judged {
  readonly resolved: Resolved;
  readonly items: DatasetItems;
  readonly facts: Facts;
}

/** A rule looks at one thing and says what is wrong with it. */
export type Rule = (judged: Judged) => readonly Diagnostic[];

/** A rule about what one train stage is told; under `noise: separate` it is asked twice. */
export type StageRule = (stage: ResolvedTrainStage, judged: Judged) => readonly Diagnostic[];

/** The value that the trainer will use: the resolved one, or its own default where none was decided. */
function effectiveValue(parameters: ResolvedParameters, name: string): ParameterValue | undefined {
  const resolved = Object.hasOwn(parameters, name) ? parameters[name] : undefined;
  return resolved?.value ?? findParameter(name)?.trainerDefault ?? undefined;
}

export function isOn(parameters: ResolvedParameters, name: string): boolean {
  return effectiveValue(parameters, name) === true;
}

export function numberOf(parameters: ResolvedParameters, name: string): number | undefined {
  const value = effectiveValue(parameters, name);
  return typeof value === "number" ? value : undefined;
}

export function textOf(parameters: ResolvedParameters, name: string): string | undefined {
  const value = effectiveValue(parameters, name);
  return typeof value === "string" ? value : undefined;
}

export function wordsOf(parameters: ResolvedParameters, name: string): readonly string[] {
  const value = effectiveValue(parameters, name);
  return Array.isArray(value) ? value : [];
}

/** A value with where it came from: `` `fp8_base` is false (trainer default) ``. */
export function cite(parameters: ResolvedParameters, name: string): string {
  const resolved = Object.hasOwn(parameters, name) ? parameters[name] : undefined;
  const value = effectiveValue(parameters, name);
  const shown = value === undefined ? "not set" : Array.isArray(value) ? `[${value.join(", ")}]` : String(value);
  return `\`${name}\` is ${shown} (${resolved?.source.text ?? "the trainer's default"})`;
}

function isWritten(parameters: ResolvedParameters, name: string): boolean {
  return Object.hasOwn(parameters, name) && parameters[name]?.place !== undefined;
}

/** Whether the user wrote the value, in the project file or the pipeline. */
export function isExplicit(parameters: ResolvedParameters, name: string): boolean {
  const layer = Object.hasOwn(parameters, name) ? parameters[name]?.source.layer : undefined;
  return layer === "project" || layer === "pipeline";
}

/** Points at the first of the names that the user wrote, and beside it at the others that the user wrote too. */
export function pointAt(parameters: ResolvedParameters, ...names: readonly string[]): DiagnosticOptions {
  const [first, ...others] = names.filter((name) => isWritten(parameters, name));
  const path = `train.${first ?? names[0] ?? ""}`;
  if (first === undefined) return { path };
  const related = others.flatMap((name) => {
    const place = parameters[name]?.place;
    return place === undefined ? [] : [{ ...place, message: `${cite(parameters, name)}` }];
  });
  return { at: parameters[first]?.place, path, related };
}

/** Points at one entry of a list that the user wrote, and at the other names as `pointAt` does. */
export function pointAtEntry(
  { resolved }: Judged,
  parameters: ResolvedParameters,
  entry: { readonly name: string; readonly index: number },
  ...others: readonly string[]
): DiagnosticOptions {
  const whole = pointAt(parameters, entry.name, ...others);
  const list = isWritten(parameters, entry.name) ? parameters[entry.name]?.place : undefined;
  const path = `train.${entry.name}.${entry.index}`;
  const at = resolved.spec.places.get(path);
  // A list of the project file that the pipeline replaces has places too.
  return list === undefined || at === undefined || at.file !== list.file ? whole : { ...whole, at, path };
}

/** A few names of many: the first ones, and how many more there are. */
export function list(names: readonly string[], most = 5): string {
  const shown = names.slice(0, most).join(", ");
  return names.length > most ? `${shown} and ${names.length - most} more` : shown;
}
