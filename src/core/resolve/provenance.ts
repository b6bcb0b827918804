import type { Place } from "../diagnostic.ts";
import type { Spec } from "../spec/spec.ts";
import type { ParameterValue } from "../vocabulary.ts";
import type { ValueSource } from "./resolved.ts";

/** The source of a value that stands in a file: `fox.yaml:17`. */
export function sourceOfPlace(spec: Spec, place: Place): ValueSource {
  return { layer: spec.files.includes(place.file) ? "pipeline" : "project", text: shownPlace(place), ...fileOf(place) };
}

/** `fox.yaml:17` */
export function shownPlace({ file, range }: Place): string {
  return range === undefined ? file : `${file}:${range.line}`;
}

/** File and line of a source; nothing of a value that stands in no file of the project. */
export function fileOf(place: Place | undefined): Pick<ValueSource, "file" | "line"> {
  if (place === undefined) return {};
  return { file: place.file, ...(place.range === undefined ? {} : { line: place.range.line }) };
}

/** Whether a user wrote the value, in the pipeline or in the project file. */
export function isExplicit(source: ValueSource): boolean {
  return source.layer === "project" || source.layer === "pipeline";
}

/** A value in the text of a source; small numbers as people write them: `2.5e-4`. */
export function shownValue(value: ParameterValue): string {
  if (typeof value !== "number" || value === 0 || Math.abs(value) >= 0.001) return String(value);
  return value.toExponential().replace(/e([+-])0*/, "e$1");
}
