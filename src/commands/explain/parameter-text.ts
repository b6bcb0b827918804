import type { ParameterType } from "../../core/trainer/parameter.ts";

/** What a parameter takes, in a few words. */
export function typeText(type: ParameterType): string {
  switch (type.kind) {
    case "choice":
      return type.choices.join(", ");
    case "integer":
    case "number": {
      const above = "above" in type && type.above !== undefined ? [`above ${type.above}`] : [];
      const min = type.min === undefined ? [] : [`from ${type.min}`];
      const max = type.max === undefined ? [] : [`to ${type.max}`];
      return [type.kind, ...above, ...min, ...max].join(" ");
    }
    case "flag":
      return "true or false";
    case "steps-or-fraction":
      return "steps, or a fraction of all";
    case "text":
      return type.patternHint ?? "text";
    case "words":
      return `list of ${type.patternHint ?? "words"}`;
    case "path":
      return "path";
    case "paths":
      return "list of paths";
    case "numbers":
      return "list of numbers";
    case "prompts":
      return "a file, or a list of prompts";
  }
}
