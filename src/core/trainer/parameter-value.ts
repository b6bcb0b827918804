import type { Parameter } from "./parameter.ts";

/** A single value as it stands in a file, in the form that a plan and the trainer's arguments hold it in. Paths are the caller's. */
export function scalarValue({ type }: Parameter, value: string | number | boolean): string | number | boolean {
  switch (type.kind) {
    case "choice":
    case "text":
      return String(value);
    case "flag":
      return value === true;
    case "integer":
    case "number":
      return Number(value);
    case "steps-or-fraction":
      return typeof value === "string" ? Number(value.replace("%", "")) / 100 : Number(value);
    default:
      return value;
  }
}
