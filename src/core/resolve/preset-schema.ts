import * as z from "zod";
import type { Place } from "../diagnostic.ts";
import { TASKS, TIERS } from "../vocabulary.ts";

/** The shapes of the preset files in `templates/presets/`. What their values may be is checked in `presets.ts`. */

const text = z.strictObject({ en: z.string().min(1), zh: z.string().min(1) }).describe("English and Chinese");
const scalar = z.union([z.string(), z.number(), z.boolean()]);
const range = z.tuple([z.number(), z.number()]).describe("[low, high]");
const value = z.union([scalar, range], { error: "must be a text, a number, true or false, or a range [low, high]" });
const version = z.literal(1);

/** Of a file that a project put in the place of a built-in one, each part says where it stands; see `readOwnPresetFile`. */
type Placed<T> = T & { readonly place?: Place };

/** The same shape, of parts that may know their place. */
function placed<T extends z.ZodType>(shape: T): z.ZodType<Placed<z.output<T>>> {
  return shape as z.ZodType<Placed<z.output<T>>>;
}

/** A value, or a range in which `strategy` chooses, with the manual's reason. */
const recommendation = placed(
  z.strictObject({
    value,
    reason: text,
    manual: scalar.optional().describe("The manual's own figure, where the trainer makes another one necessary"),
    by: z.enum(["manual", "wan22"]).default("manual"),
  }),
);
const recommendations = z.record(z.string(), recommendation);

const half = placed(z.strictObject({ min_timestep: z.number().int(), max_timestep: z.number().int() }));

/** An amount from one figure up to another; without the other, and more. */
const span = z.strictObject({ from: z.number().nonnegative(), to: z.number().positive().optional() });

const defaultsSchema = z.strictObject({
  version,
  parameters: recommendations,
  keys: z.record(z.string(), z.strictObject({ value: scalar, reason: text })),
});

const tasksSchema = z.strictObject({
  version,
  tasks: z.record(
    z.enum(TASKS),
    z.strictObject({
      title: text,
      parameters: recommendations,
      halves: z.strictObject({ low: half, high: half }),
      extra_vram_gib: z.strictObject({ value: range, reason: text }),
    }),
  ),
});

const sizeRulesSchema = z.strictObject({
  version,
  rules: z
    .array(
      z.strictObject({
        files: z.number().int().positive().optional().describe("The largest number of files it is for"),
        from: z.number().int().positive().optional().describe("Of the last rule: where it begins"),
        label: z.string().min(1),
        title: text,
        trait: text,
        parameters: recommendations,
        advice: recommendations,
      }),
    )
    .min(1),
});

const tiersSchema = z.strictObject({
  version,
  tiers: z.record(
    z.enum(TIERS),
    z.strictObject({
      title: text,
      trait: text,
      memory_from_gib: z.number().nonnegative(),
      noise: placed(z.strictObject({ value: z.enum(["dual", "low", "high", "separate"]), reason: text })),
      suits: span,
      vram_gib: z.array(z.strictObject({ card: z.string().optional(), value: range })).min(1),
      ram_gib: z.number().positive(),
      caps: recommendations,
      parameters: recommendations,
      advice: recommendations,
    }),
  ),
  smallest_gib: z.strictObject({ value: z.number().nonnegative(), reason: text }),
  architectures: z.record(z.string(), z.strictObject({ title: z.string(), bf16: z.boolean(), fp8: z.boolean() })),
  cards: z.array(
    z.strictObject({
      name: z.string().min(1),
      vram_gib: z.number().positive(),
      architecture: z.string(),
      tier: z.enum(TIERS).optional(),
      by: z.enum(["manual", "wan22"]).optional(),
    }),
  ),
});

const factor = z.strictObject({ percent: range, reason: text });

const memorySchema = z.strictObject({
  version,
  ram_by_blocks_to_swap: z
    .array(z.strictObject({ blocks: range, ram_gib: z.number().positive(), reason: text }))
    .min(1),
  factors: z.strictObject({
    fp8_base_saves_vram: factor,
    fp8_t5_saves_vram: factor,
    fp8_scaled_saves_vram: factor,
    dual_costs_vram: factor,
    ten_swapped_blocks_cost_time: factor,
  }),
  configurations: z.array(
    z.strictObject({
      name: text,
      tier: z.enum(TIERS).optional(),
      vram_gib: span,
      cards: z.array(z.string()),
      ram_gib: z.number().positive(),
      files_to: z.number().int().positive().optional(),
      suits: text.optional(),
    }),
  ),
});

const settings = z.record(z.string(), value);

const remedy = z.strictObject({
  id: z.string().min(1),
  title: text,
  parameters: settings.optional(),
  keys: z.record(z.string(), scalar).optional(),
  by_task: z.record(z.enum(TASKS), settings).optional(),
  manual: z.record(z.string(), scalar).optional(),
  ram_gib: z.number().positive().optional(),
  saves_vram_percent: range.optional(),
  /** In speed or in quality. */
  costs: text.optional(),
  reason: text,
});

/** The problems whose remedies `wan22` looks up by name. */
const PROBLEMS = ["out-of-memory", "slow", "unstable", "dual-model", "estimate", "host-memory", "tensorboard"] as const;
export type Problem = (typeof PROBLEMS)[number];

const remediesSchema = z.strictObject({
  version,
  problems: z.record(z.enum(PROBLEMS), z.strictObject({ symptom: text, remedies: z.array(remedy).min(1) })),
});

const adviceSchema = z.strictObject({
  version,
  buying: z.array(
    z.strictObject({
      budget: text,
      cards: z.array(z.string()),
      ram_gib: span,
      ram_type: z.string(),
      storage_tb: span,
      suits: text,
    }),
  ),
  hints: z.array(
    z.strictObject({
      topic: text,
      parameters: z
        .array(z.strictObject({ when: text, name: z.string(), value, manual: scalar.optional() }))
        .optional(),
      reason: text,
    }),
  ),
});

/** Every preset file by its name, with its shape. */
export const PRESET_SCHEMAS = {
  "defaults.yaml": defaultsSchema,
  "tasks.yaml": tasksSchema,
  "size-rules.yaml": sizeRulesSchema,
  "tiers.yaml": tiersSchema,
  "memory.yaml": memorySchema,
  "remedies.yaml": remediesSchema,
  "advice.yaml": adviceSchema,
} as const;

export type PresetFile = keyof typeof PRESET_SCHEMAS;

export type Recommendation = z.infer<typeof recommendation>;
export type Recommendations = Readonly<Record<string, Recommendation>>;
export type DefaultsPreset = z.infer<typeof defaultsSchema>;
export type TasksPreset = z.infer<typeof tasksSchema>;
export type SizeRulesPreset = z.infer<typeof sizeRulesSchema>;
export type SizeRule = SizeRulesPreset["rules"][number];
export type TiersPreset = z.infer<typeof tiersSchema>;
export type TierPreset = TiersPreset["tiers"][keyof TiersPreset["tiers"]];
export type Card = TiersPreset["cards"][number];
export type MemoryPreset = z.infer<typeof memorySchema>;
export type RemediesPreset = z.infer<typeof remediesSchema>;
export type Remedy = z.infer<typeof remedy>;
export type AdvicePreset = z.infer<typeof adviceSchema>;
