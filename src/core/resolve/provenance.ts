import type { Place } from "../diagnostic.ts";
import type { Spec } from "../spec/spec.ts";
import type { ParameterValue } from "../vocabulary.ts";
import type { ValueSource } from "./resolved.ts";

/** The source of a value that stands in a file: `fox.yaml:17`. */
export function sourceOfPlace(spec: Spec, place: Place): ValueSource {
  const line = place.range?.line;
  return {
    layer: place.file === spec.file ? "pipeline" : "project",
    text: line === undefined ? place.file : `${place.file}:${line}`,
    file: place.file,
    ...(line === undefined ? {} : { line }),
  };
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
