import * as z from "zod";
import type { TrainerFacts } from "../../facts.ts";
import type { Templates } from "../../render/rendered.ts";
import type { Presets } from "../../resolve/presets.ts";
import type { Spec } from "../../spec/spec.ts";
import { canonicalJson, type Sha256 } from "../canonical.ts";
import type { InputValue } from "../fingerprint.ts";
import { planValue } from "../inputs.ts";
import type { PipelinePlan } from "../plan.ts";
import { withWrittenPaths } from "../written-paths.ts";

/** Everything that a saved plan was made from, so that whoever applies it can say what of it has moved since (design §5). */

const value = z.union([z.string(), z.number(), z.boolean(), z.array(z.union([z.string(), z.number()]))]);
const digests = z.record(z.string(), z.string());

export const bindingSchema = z.strictObject({
  spec: z.record(z.string(), value).describe("What the files say, by dotted key; paths as they are written"),
  templates: digests.describe("SHA-256 of each template, by its name"),
  presets: digests.describe("SHA-256 of each preset file's figures"),
  dataset: digests.describe("Each clip, by its source and name: digests of its content and of its caption"),
  models: digests.describe("The identity of each model file that is there, by its role"),
  trainer: z
    .strictObject({
      version: z.string().optional().describe("Musubi Tuner's; absent where none was found"),
      commit: z.string().optional().describe("The checkout's"),
    })
    .describe("The trainer that was found"),
});

export type Binding = z.infer<typeof bindingSchema>;

export interface BindingInput {
  readonly spec: Spec;
  readonly templates: Templates;
  readonly presets: Presets;
  readonly trainer: Pick<TrainerFacts, "version" | "commit">;
  readonly plan: PipelinePlan;
  readonly sha256: Sha256;
}

/** What a pipeline's plan was made from. Pure; nothing of the environment is in it. */
export function bindingOf({ spec, templates, presets, trainer, plan, sha256 }: BindingInput): Binding {
  const { version, commit } = trainer;
  return {
    spec: boundSpec(spec),
    templates: mapValues(templates, ({ text }) => sha256(text)),
    presets: mapValues({ ...presets }, (figures) => sha256(canonicalJson(figures))),
    ...boundThings(plan),
    trainer: { ...(version === undefined ? {} : { version }), ...(commit === undefined ? {} : { commit }) },
  };
}

function mapValues<T>(record: Readonly<Record<string, T>>, of: (entry: T) => string): Record<string, string> {
  return Object.fromEntries(Object.entries(record).map(([name, entry]) => [name, of(entry)]));
}

const CLIP = "clip ";

/** Clips and models, as the stages' own identities hold them; `dataset` there is a digest of the clips that are named here. */
function boundThings({ stages }: PipelinePlan): Pick<Binding, "dataset" | "models"> {
  const dataset: Record<string, string> = {};
  const models: Record<string, string> = {};
  for (const [name, digest] of stages.flatMap(({ identities }) => Object.entries(identities))) {
    if (name.startsWith(CLIP)) dataset[name.slice(CLIP.length)] = digest;
    else if (name !== "dataset") models[name] = digest;
  }
  return { dataset, models };
}

/** The keys of both files that decide something, flat. Not in it: places, comments, order, and what only watches a run. */
export function boundSpec(spec: Spec): Record<string, InputValue> {
  const bound: Record<string, InputValue> = {};
  const put = (key: string, entry: InputValue | readonly (string | number)[] | undefined) => {
    if (entry === undefined) return;
    bound[key] = typeof entry === "object" ? [...entry] : entry;
  };
  put("name", spec.name);
  put("task", spec.task);
  put("noise", spec.noise);
  put("strategy", spec.strategy);
  putHardware(spec, put);
  for (const [key, entry] of Object.entries(spec.dataset.settings)) put(`dataset.${key}`, entry);
  for (const [position, source] of spec.dataset.sources.entries()) {
    const { kind, input, cache_directory, place: _, ...settings } = source;
    put(`dataset.sources.${position}.${kind}`, input.path);
    put(`dataset.sources.${position}.cache_directory`, cache_directory?.path);
    for (const [key, entry] of Object.entries(settings)) put(`dataset.sources.${position}.${key}`, entry);
  }
  for (const [role, model] of Object.entries(spec.models)) put(`models.${role}`, model.path);
  // The pipeline's come after the project's, and win.
  for (const { section, name, value: entry } of spec.overrides) put(`${section}.${name}`, planValue(entry));
  put("output.dir", spec.output.dir.path);
  put("output.name", spec.output.name);
  const { backend, path, python, onNan } = spec.trainer;
  put("trainer.backend", backend);
  put("trainer.path", path?.path);
  put("trainer.python", python === undefined ? undefined : "command" in python ? python.command : python.path);
  put("trainer.on_nan", onNan);
  put("gpus", spec.gpus);
  put("state_dir", spec.stateDir);
  put("cache_dir", spec.cacheDir);
  put("templates", spec.templatesDir?.path);
  return withWrittenPaths(bound, spec.expanded);
}

function putHardware({ hardware }: Spec, put: (key: string, entry: InputValue | undefined) => void): void {
  switch (hardware.kind) {
    case "auto":
      put("hardware", "auto");
      break;
    case "name":
      put("hardware", hardware.name);
      break;
    case "described":
      put("hardware.gpu", hardware.gpu);
      put("hardware.vram_gb", hardware.vramGiB);
      put("hardware.ram_gb", hardware.ramGiB);
  }
}
