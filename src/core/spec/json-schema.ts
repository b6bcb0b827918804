import * as z from "zod";
import { EXTENDS } from "./extend.ts";
import { pipelineShape, projectShape } from "./shape.ts";

/** JSON Schemas of the two files, so that an editor completes and explains every key. Made of the shapes themselves. */

type JsonSchema = Readonly<Record<string, unknown>>;

/** Schema of a pipeline file. */
export function pipelineJsonSchema(): JsonSchema {
  const { required, ...schema } = toJsonSchema(pipelineShape, "pipeline.schema.json", "wan22 pipeline");
  return {
    ...schema,
    properties: mapObject(schema.properties, "dataset", ({ required: _, ...dataset }) => dataset),
    // What a file that extends others lacks may stand in them, sources too.
    anyOf: [{ required }, { required: [EXTENDS] }],
  };
}

/** Schema of `wan22.yaml`. */
export function projectJsonSchema(): JsonSchema {
  return toJsonSchema(projectShape, "project.schema.json", "wan22 project file (wan22.yaml)");
}

function mapObject(record: unknown, key: string, change: (value: JsonSchema) => JsonSchema): JsonSchema {
  const known = record as Readonly<Record<string, JsonSchema>>;
  return { ...known, [key]: change(known[key] ?? {}) };
}

function toJsonSchema(shape: z.ZodType, id: string, title: string): JsonSchema {
  // Draft 7 is the newest that the YAML language server understands in full.
  const { $schema, ...schema } = z.toJSONSchema(shape, {
    target: "draft-7",
    io: "input",
    override: ({ jsonSchema }) => {
      // zod bounds every integer by what JavaScript can count; nobody needs to read that.
      if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum;
      if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
    },
  });
  return { $schema, $id: id, title, ...schema };
}
