import { pipelineJsonSchema, projectJsonSchema } from "../../core/spec/json-schema.ts";

/** Explains keys of the two files from their JSON Schemas, which are made of the shapes that read them. */

type Schema = Readonly<Record<string, unknown>>;

export interface ExplainedKey {
  /** `dataset.sources[].target_frames` */
  readonly path: string;
  readonly description: string;
  /** The words it takes, where it takes only some. */
  readonly choices: readonly string[];
}

/** Every key with this name or this path; indexes in a path (`dataset.sources.0.videos`) don't matter. */
export function findKeys(word: string): readonly ExplainedKey[] {
  const wanted = word.replace(/(\[\d*\]|\.\d+(?=\.|$))/g, "");
  return listKeys().filter(({ path }) => {
    const plain = path.replaceAll("[]", "");
    return plain === wanted || plain.endsWith(`.${wanted}`);
  });
}

/** Every key of both files, once. */
export function listKeys(): readonly ExplainedKey[] {
  const keys = new Map<string, ExplainedKey>();
  for (const schema of [pipelineJsonSchema(), projectJsonSchema()]) {
    for (const key of keysOf(schema, "")) if (!keys.has(key.path)) keys.set(key.path, key);
  }
  return [...keys.values()];
}

function keysOf(schema: Schema, path: string): readonly ExplainedKey[] {
  const own = Object.entries(asSchema(schema.properties)).flatMap(([name, value]) => {
    const key = asSchema(value);
    const at = path === "" ? name : `${path}.${name}`;
    const explained = { path: at, description: String(key.description ?? ""), choices: choicesOf(key) };
    return [explained, ...keysOf(key, at)];
  });
  const items = "items" in schema ? keysOf(asSchema(schema.items), `${path}[]`) : [];
  const variants = Array.isArray(schema.anyOf) ? schema.anyOf.flatMap((one) => keysOf(asSchema(one), path)) : [];
  return [...own, ...items, ...variants];
}

function choicesOf({ enum: choices }: Schema): readonly string[] {
  return Array.isArray(choices) ? choices.map(String) : [];
}

function asSchema(value: unknown): Schema {
  return typeof value === "object" && value !== null ? { ...value } : {};
}
