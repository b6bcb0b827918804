import * as z from "zod";
import type { Parameter, ParameterType } from "../trainer/parameter.ts";
import { parametersOf } from "../trainer/parameters.ts";
import { type Script, SECTION_OF } from "../vocabulary.ts";
import { type FieldWords, field } from "./field.ts";

/** Shapes that follow from the parameter table: a row there is a key here, in the schema and in the diagnostics. */

/** The section of a script's parameters: every key optional, an empty section as good as none. */
export function sectionShape(script: Script, doc: string) {
  const shape: Record<string, z.ZodOptional<z.ZodType>> = {};
  for (const parameter of parametersOf(script)) shape[parameter.name] = parameterField(parameter).optional();
  return field(z.strictObject(shape).nullable(), {
    wants: "map",
    expected: `a map of parameters, indented below \`${SECTION_OF[script]}:\``,
    doc,
  }).optional();
}

function parameterField(parameter: Parameter): z.ZodType {
  const { schema, words } = shapeOf(parameter.type);
  return field(schema, { ...words, doc: documentation(parameter) });
}

function documentation(parameter: Parameter): string {
  const range =
    parameter.range === undefined ? "" : ` The manual's range: ${parameter.range[0]} to ${parameter.range[1]}.`;
  return `${parameter.doc}${range}`;
}

interface Shaped {
  readonly schema: z.ZodType;
  readonly words: FieldWords;
}

/** One argument holds 128 KiB on Linux, and nobody writes a remark of more than this. In UTF-16 units. */
const MAX_TEXT = 8192;

/** Linux takes no longer path. */
const MAX_PATH = 4096;

/** A part of all steps as the trainer reads it too. A whole 100 % would be a number of steps once it is a number. */
const PERCENTAGE = /^[0-9]{1,2}(\.[0-9]+)?%$/;

function shapeOf(type: ParameterType): Shaped {
  switch (type.kind) {
    case "flag":
      return { schema: z.boolean(), words: { wants: "flag", expected: "true or false", example: "true" } };
    case "integer":
    case "number":
      return numberShape(type);
    case "steps-or-fraction":
      return {
        schema: z.union([z.int().min(0), z.number().min(0).lt(1), z.string().regex(PERCENTAGE)]),
        words: {
          wants: "number",
          expected: "a whole number of steps, or a fraction of all steps below 1 (0.1 or 10%)",
          example: "100",
        },
      };
    case "text":
      return textShape(type);
    case "choice":
      return choiceShape(type.choices);
    case "path":
      return { schema: pathText(), words: { wants: "path", expected: "a path", example: "some/folder" } };
    case "words":
      return {
        schema: z.array(wordField(type)),
        words: { wants: "list", expected: "a list of texts", example: "[name=value]" },
      };
    case "paths":
      return {
        schema: z.array(field(pathText(), { wants: "path", expected: "a path", example: "some/file.safetensors" })),
        words: { wants: "list", expected: "a list of paths", example: "[some/file.safetensors]" },
      };
    case "numbers":
      return {
        schema: z.array(field(z.number(), { wants: "number", expected: "a number", example: "1.0" })),
        words: { wants: "list", expected: "a list of numbers", example: "[1.0]" },
      };
    case "prompts":
      return {
        schema: z.union([
          pathText(),
          z
            .array(
              field(z.string().min(1).meta({ pattern: "^\\s*[^#\\s][^\\r\\n]*\\s*$" }), {
                wants: "text",
                expected: "a prompt, one line of text",
                example: "a fox",
                isFreeText: true,
              }),
            )
            .min(1),
        ]),
        words: {
          wants: "path",
          expected: "the path of a prompts file, or a list of prompts",
          example: "prompts/fox.txt",
        },
      };
  }
}

/** A path as text; `${VAR}` in it is no concern of the shape. */
export function pathText() {
  return z.string().min(1).max(MAX_PATH);
}

function numberShape(type: Extract<ParameterType, { kind: "integer" | "number" }>): Shaped {
  let schema = type.kind === "integer" ? z.int() : z.number();
  if (type.min !== undefined) schema = schema.min(type.min);
  if (type.max !== undefined) schema = schema.max(type.max);
  if (type.kind === "number" && type.above !== undefined) schema = schema.gt(type.above);
  const above = type.kind === "number" ? type.above : undefined;
  return {
    schema,
    words: {
      wants: "number",
      expected: `a ${type.kind === "integer" ? "whole " : ""}number${boundsText({ ...type, above })}`,
    },
  };
}

/** ` from 0 to 39`, ` of 1 or more`, ` above 0`; empty without bounds. */
export function boundsText(bounds: {
  readonly min?: number | undefined;
  readonly max?: number | undefined;
  readonly above?: number | undefined;
}): string {
  const { min, max, above } = bounds;
  if (above !== undefined) return max === undefined ? ` above ${above}` : ` above ${above} and at most ${max}`;
  if (min !== undefined && max !== undefined) return ` from ${min} to ${max}`;
  if (min !== undefined) return ` of ${min} or more`;
  return max === undefined ? "" : ` of ${max} or less`;
}

interface TextType {
  readonly pattern?: string;
  readonly patternHint?: string;
  readonly suggestions?: readonly string[];
}

function textShape(type: TextType): Shaped {
  // Aborting keeps patterns from long texts, on which some take quadratic time.
  const text = z.string().min(1).max(MAX_TEXT, { abort: true });
  return {
    schema: type.pattern === undefined ? text : text.regex(new RegExp(type.pattern)),
    words: {
      wants: "text",
      expected: type.patternHint ?? "a text",
      isFreeText: type.pattern === undefined,
      ...(type.suggestions === undefined ? {} : { choices: type.suggestions }),
    },
  };
}

function wordField(type: TextType): z.ZodType {
  const { schema, words } = textShape(type);
  return field(schema, words);
}

/** Where `true` and `false` are among the choices, YAML's own are taken too: nobody should have to quote them. */
function choiceShape(choices: readonly string[]): Shaped {
  const one = z.enum(choices as [string, ...string[]]);
  const spelled = choices.includes("true") && choices.includes("false");
  return {
    schema: spelled ? z.union([one, z.boolean()]) : one,
    words: { wants: "choice", expected: `one of ${choices.join(", ")}`, choices },
  };
}
