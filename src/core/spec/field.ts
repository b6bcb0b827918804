import * as z from "zod";

/** A key of a file in words: what diagnostics say when its value does not fit, and how rules tell paths from texts. */
export interface FieldWords {
  /** What kind of value is wanted; hints about quotes and brackets follow from it. */
  readonly wants: "text" | "number" | "flag" | "choice" | "path" | "list" | "map";
  /** Completes “must be …”. */
  readonly expected: string;
  /** As a user would write it after the colon. */
  readonly example?: string;
  /** What a number counts: a figure in a smaller unit is told as one. */
  readonly unit?: "GiB";
  /** Any text: what looks like a variable in it may well be meant. */
  readonly isFreeText?: boolean;
  /** No path, and variables in it are replaced all the same, when it is used. */
  readonly takesVariables?: boolean;
  /** The words taken or usually meant, where they can be listed: the nearest one is suggested. */
  readonly choices?: readonly string[];
}

/** A field's documentation for the JSON Schema, beside its words. */
interface FieldDoc extends FieldWords {
  readonly doc?: string;
  /** What counts when the key is left out; shown by editors only. */
  readonly defaultValue?: string | number | boolean | readonly number[];
}

const words = z.registry<FieldWords>();

/** Gives a schema its words and its documentation. */
export function field<T extends z.ZodType>(schema: T, { doc, defaultValue, ...rest }: FieldDoc): T {
  const documented =
    doc === undefined && defaultValue === undefined
      ? // A copy, so that two fields with one schema keep words of their own.
        schema.clone()
      : schema.meta({
          ...(doc === undefined ? {} : { description: doc }),
          ...(defaultValue === undefined ? {} : { default: defaultValue }),
        });
  words.add(documented, rest);
  return documented;
}

type Path = readonly (string | number)[];

/** The words of the field at a key path. Undefined where the shape says nothing. */
export function fieldAt(root: z.ZodType, path: Path): FieldWords | undefined {
  const found = schemaAt(root, path);
  return found === undefined ? undefined : wordsOf(found);
}

/** Whether a value would fit the field at a key path. */
export function wouldFit(root: z.ZodType, path: Path, value: unknown): boolean {
  return schemaAt(root, path)?.safeParse(value, { jitless: true }).success === true;
}

/** Whether the key at a path may be left out. */
export function isOptionalAt(root: z.ZodType, path: Path): boolean {
  return schemaAt(root, path) instanceof z.ZodOptional;
}

function schemaAt(root: z.ZodType, path: Path): z.ZodType | undefined {
  return path.reduce<z.ZodType | undefined>(
    (schema, step) => (schema === undefined ? undefined : childSchema(schema, step)),
    root,
  );
}

/** The schema without `optional` and `nullable` around it. */
export function unwrap(schema: z.ZodType): z.ZodType {
  let inner = schema;
  while (inner instanceof z.ZodOptional || inner instanceof z.ZodNullable) inner = inner.unwrap() as z.ZodType;
  return inner;
}

function wordsOf(schema: z.ZodType): FieldWords | undefined {
  const own = words.get(schema);
  if (own !== undefined) return own;
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodNullable) return wordsOf(schema.unwrap() as z.ZodType);
  return undefined;
}

function childSchema(schema: z.ZodType, step: string | number): z.ZodType | undefined {
  const inner = unwrap(schema);
  if (inner instanceof z.ZodObject) {
    const shape = inner.shape as Readonly<Record<string, z.ZodType>>;
    return Object.hasOwn(shape, step) ? shape[step] : undefined;
  }
  if (inner instanceof z.ZodArray) return typeof step === "number" ? (inner.element as z.ZodType) : undefined;
  if (inner instanceof z.ZodTuple) {
    return typeof step === "number" ? (inner.def.items[step] as z.ZodType | undefined) : undefined;
  }
  if (inner instanceof z.ZodUnion) {
    for (const option of inner.options) {
      const child = childSchema(option as z.ZodType, step);
      if (child !== undefined) return child;
    }
  }
  return undefined;
}
