import { expect, test } from "vitest";
import { parse as parseYaml } from "yaml";
import * as z from "zod";
import { SCHEMAS as SCHEMAS_OF_ALL } from "../../../src/commands/schema.ts";
import { pipelineJsonSchema, projectJsonSchema } from "../../../src/core/spec/json-schema.ts";
import { parametersOf } from "../../../src/core/trainer/parameters.ts";
import { SECTION_OF } from "../../../src/core/vocabulary.ts";
import { pipelineWith, SOUND } from "./sample.ts";

interface Schema {
  readonly type?: string;
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: unknown;
  readonly items?: Schema | readonly Schema[];
  readonly anyOf?: readonly Schema[];
}

/** Every object of a schema by its path. */
function objectsOf(schema: Schema, path = "$"): [string, Schema][] {
  const items = Array.isArray(schema.items) ? schema.items : schema.items === undefined ? [] : [schema.items];
  return [
    ...(schema.properties === undefined ? [] : [[path, schema] as [string, Schema]]),
    ...Object.entries(schema.properties ?? {}).flatMap(([key, child]) => objectsOf(child, `${path}.${key}`)),
    ...(schema.anyOf ?? []).flatMap((child) => objectsOf(child, path)),
    ...items.flatMap((child) => objectsOf(child, `${path}[]`)),
  ];
}

const SCHEMAS: readonly (readonly [string, Schema])[] = [
  ["pipeline", pipelineJsonSchema() as Schema],
  ["project", projectJsonSchema() as Schema],
];

test.each(SCHEMAS)("The %s schema explains every key and takes no other", (_, schema) => {
  const objects = objectsOf(schema);
  expect(objects.length).toBeGreaterThan(5);
  for (const [path, object] of objects) {
    expect(object.additionalProperties, path).toBe(false);
    for (const [key, child] of Object.entries(object.properties ?? {})) {
      expect(child.description, `${path}.${key}`).toMatch(/\S\.?$/);
    }
  }
});

test.each(SCHEMAS)("The %s schema has a key for every row of the parameter table", (_, schema) => {
  const objects = new Map(objectsOf(schema));
  for (const [script, section] of Object.entries(SECTION_OF) as [keyof typeof SECTION_OF, string][]) {
    expect(Object.keys(objects.get(`$.${section}`)?.properties ?? {})).toEqual(
      parametersOf(script).map(({ name }) => name),
    );
  }
});

test("The schema is read by editors: draft 7, named, with a title", () => {
  expect(pipelineJsonSchema()).toMatchObject({
    $schema: "http://json-schema.org/draft-07/schema#",
    $id: "pipeline.schema.json",
    title: "wan22 pipeline",
    type: "object",
  });
});

test("What a schema can say beyond the kinds of values, it says", () => {
  const objects = new Map(objectsOf(pipelineJsonSchema() as Schema));
  expect(objects.get("$")?.properties?.gpus).toMatchObject({ uniqueItems: true });
  const oneOf = objects.get("$.dataset.sources[]");
  expect(oneOf).toMatchObject({
    oneOf: [
      { required: ["videos"] },
      { required: ["images"], not: { anyOf: expect.arrayContaining([{ required: ["target_frames"] }]) } },
      { required: ["video_jsonl"] },
      { required: ["image_jsonl"], not: { anyOf: expect.any(Array) } },
    ],
  });
});

test.each(["plan", "state", "events"] as const)("The schema of the %s explains every property", (name) => {
  const without: string[] = [];
  JSON.stringify(SCHEMAS_OF_ALL[name](), (_, value) => {
    for (const [key, property] of Object.entries(value?.properties ?? {})) {
      if (!/\S/.test(String((property as Schema).description ?? ""))) without.push(key);
    }
    return value;
  });
  expect(without).toEqual([]);
});

test("What a pipeline needs may stand in the files that it extends", () => {
  expect(pipelineJsonSchema()).toMatchObject({
    anyOf: [{ required: ["version", "name", "task", "dataset"] }, { required: ["extends"] }],
  });
});

test("What parses satisfies the schema, and what does not fit its shape does not", () => {
  // zod reads a schema without `required` inside `oneOf`; that one input a source is needed is a rule's test.
  const { anyOf: _, ...schema } = pipelineJsonSchema();
  const text = JSON.stringify(schema, (key, value) => (key === "oneOf" || key === "$id" ? undefined : value));
  const validator = z.fromJSONSchema(JSON.parse(text));
  const fits = (text: string) => validator.safeParse(parseYaml(text)).success;
  expect(fits(SOUND)).toBe(true);
  expect(fits(pipelineWith("train:\nhardware: {gpu: RTX 4090}"))).toBe(true);
  expect(fits(pipelineWith("").replace("1280x720", "[1280, 720]"))).toBe(true);
  expect(fits(pipelineWith("").replace("1280x720", "720p"))).toBe(false);
  expect(fits(pipelineWith("learning_rate: 1"))).toBe(false);
  expect(fits(pipelineWith("train:\n  blocks_to_swap: 40"))).toBe(false);
  expect(fits(pipelineWith("output:\n  name: a/b"))).toBe(false);
  expect(fits(pipelineWith("train:\n  sample_prompts: ['# a fox']"))).toBe(false);
});
