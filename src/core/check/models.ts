import { type Diagnostic, diagnose } from "../diagnostic.ts";
import type { ModelFacts } from "../facts.ts";
import type { LocatedPath } from "../spec/spec.ts";
import { MODEL_ROLES, type ModelRole } from "../vocabulary.ts";
import { MODEL_CODES } from "./codes.ts";
import type { TensorFacts } from "./dit-layout.ts";
import { type Judged, list, type Rule } from "./rule.ts";

/** Rules about the model files as files: named, there, readable, and the VAE and text encoder that the trainer can load. */

const WHAT: Readonly<Record<ModelRole, string>> = {
  dit: "the low-noise model",
  dit_high_noise: "the high-noise model",
  vae: "the VAE",
  t5: "the text encoder",
};

/** The models that the stages of this pipeline load. */
function neededModels({ resolved }: Pick<Judged, "resolved">): readonly ModelRole[] {
  const halves = new Set(resolved.trainStages.map((stage) => stage.half));
  const needed: Readonly<Record<ModelRole, boolean>> = {
    dit: halves.has("dual") || halves.has("low"),
    dit_high_noise: halves.has("dual") || halves.has("high"),
    vae: true,
    t5: true,
  };
  return MODEL_ROLES.filter((role) => needed[role]);
}

/** A rehearsal trains a model of its own: it needs no files, and is told about those that are there. */
function isRehearsal({ resolved }: Judged): boolean {
  return resolved.spec.trainer.backend === "rehearsal";
}

export const modelsAreNamed: Rule = (judged) => {
  if (isRehearsal(judged)) return [];
  const { resolved } = judged;
  const missing = neededModels(judged).filter((role) => resolved.models[role] === undefined);
  if (missing.length === 0) return [];
  const names = missing.map((role) => `\`models.${role}\` (${WHAT[role]})`);
  const detail = `${list(names)} ${missing.length === 1 ? "is" : "are"} not named, and \`noise: ${resolved.noise}\` needs ${missing.length === 1 ? "it" : "them"}. Add ${missing.length === 1 ? "it" : "them"} under \`models\`, here or in wan22.yaml.`;
  const at = resolved.spec.places.get("models") ?? resolved.spec.places.get("noise") ?? { file: resolved.spec.file };
  return [diagnose(MODEL_CODES.modelNotNamed, detail, { at, path: "models" })];
};

interface NamedModel {
  readonly role: ModelRole;
  readonly path: LocatedPath;
  readonly facts: ModelFacts;
}

function observedModels(judged: Judged): readonly NamedModel[] {
  const { resolved, facts } = judged;
  return neededModels(judged).flatMap((role) => {
    const path = resolved.models[role];
    const seen = facts.models[role];
    return path === undefined || seen === undefined ? [] : [{ role, path, facts: seen }];
  });
}

/** The contract tests' stand-ins for VAE and text encoder are no real files. */
function isStandIn(role: ModelRole, { facts }: Judged): boolean {
  return facts.miniature && (role === "vae" || role === "t5");
}

export const modelFilesAreReadable: Rule = (judged) =>
  observedModels(judged).flatMap(({ role, path, facts }): readonly Diagnostic[] => {
    const options = { at: path.place, path: `models.${role}` };
    const name = `\`models.${role}\` (${path.path})`;
    if (facts.problem?.kind === "missing") {
      if (isRehearsal(judged)) return [];
      const detail = `${name} is not there: ${facts.problem.text}. Correct the path, or download ${WHAT[role]}.`;
      return [diagnose(MODEL_CODES.modelMissing, detail, options)];
    }
    const isDit = role === "dit" || role === "dit_high_noise";
    const severity = isRehearsal(judged) ? "warning" : undefined;
    if (facts.problem !== undefined && !isStandIn(role, judged)) {
      const detail = `${name} cannot be read: ${facts.problem.text}. Download it again, or name another file.`;
      return [diagnose(MODEL_CODES.modelUnreadable, detail, { ...options, severity })];
    }
    if (!isDit || facts.format === "safetensors") return [];
    const detail = `${name} is not a safetensors file, and the trainer reads the DiT from safetensors only. Name the .safetensors file of the weights.`;
    return [diagnose(MODEL_CODES.modelUnreadable, detail, { ...options, severity })];
  });

/** Tensors that only the VAE of Wan2.1 has in these shapes (`WanVAE_` in the trainer's `wan/modules/vae.py`, 16 channels). */
const VAE_TENSORS: Readonly<Record<string, readonly number[]>> = {
  "encoder.conv1.weight": [96, 3, 3, 3, 3],
  "conv1.weight": [32, 32, 1, 1, 1],
  "conv2.weight": [16, 16, 1, 1, 1],
  "decoder.conv1.weight": [384, 16, 3, 3, 3],
  "decoder.head.2.weight": [3, 96, 3, 3, 3],
};

/** Why a header is not that of Wan2.1's VAE, as a clause; undefined where it is. */
export function vaeFault(tensors: TensorFacts): string | undefined {
  const channels = tensors["conv2.weight"]?.shape[0];
  if (channels === 48) return "it has 48 latent channels, as the VAE of Wan2.2's 5B model";
  if (tensors["encoder.conv_in.weight"] !== undefined) return "its tensors are named as in diffusers' packaging";
  for (const [name, shape] of Object.entries(VAE_TENSORS)) {
    const found = tensors[name]?.shape;
    if (found === undefined) return `it has no tensor ${name}`;
    if (found.join() !== shape.join()) return `${name} is [${found.join(", ")}] instead of [${shape.join(", ")}]`;
  }
  return undefined;
}

export const vaeIsWan21: Rule = (judged) =>
  observedModels(judged).flatMap(({ role, path, facts }) => {
    if (role !== "vae" || facts.tensors === undefined || facts.problem !== undefined || isStandIn(role, judged))
      return [];
    const fault = vaeFault(facts.tensors);
    if (fault === undefined) return [];
    const detail = `\`models.vae\` (${path.path}) is not the VAE of Wan2.1, which Wan2.2 14B uses: ${fault}. Name wan_2.1_vae.safetensors or Wan2.1_VAE.pth.`;
    return [diagnose(MODEL_CODES.wrongVae, detail, { at: path.place, path: "models.vae" })];
  });

const T5_BLOCKS = 24;
const T5_BLOCK_TENSORS = [
  "norm1.weight",
  "norm2.weight",
  "attn.q.weight",
  "attn.k.weight",
  "attn.v.weight",
  "attn.o.weight",
  "ffn.gate.0.weight",
  "ffn.fc1.weight",
  "ffn.fc2.weight",
  "pos_embedding.embedding.weight",
] as const;

/** Names of the tensors of UMT5-XXL's encoder (`umt5_xxl` in the trainer's `wan/modules/t5.py`), which loads strictly. */
const T5_TENSORS: ReadonlySet<string> = new Set([
  "token_embedding.weight",
  "norm.weight",
  ...Array.from({ length: T5_BLOCKS }, (_, index) =>
    T5_BLOCK_TENSORS.map((tensor) => `blocks.${index}.${tensor}`),
  ).flat(),
]);

/** Why a header is not that of the text encoder, as a clause; undefined where it is. */
export function t5Fault(tensors: TensorFacts): string | undefined {
  const names = new Set(Object.keys(tensors).map((name) => name.replaceAll("encoder.", "")));
  if (names.has("shared.weight") || names.has("block.0.layer.0.SelfAttention.q.weight")) {
    return "its tensors are named as in Hugging Face's packaging";
  }
  const missing = [...T5_TENSORS].filter((name) => !names.has(name));
  if (missing.length > 0) return `${list(missing, 3)} ${missing.length === 1 ? "is" : "are"} missing`;
  const unknown = [...names].filter((name) => !T5_TENSORS.has(name));
  if (unknown.length > 0) return `${list(unknown, 3)} should not be there`;
  const width = tensors["norm.weight"]?.shape[0] ?? tensors["encoder.norm.weight"]?.shape[0];
  return width === undefined || width === 4096 ? undefined : `it is ${width} wide instead of 4096`;
}

export const t5IsLoadable: Rule = (judged) =>
  observedModels(judged).flatMap(({ role, path, facts }) => {
    if (role !== "t5" || facts.tensors === undefined || facts.problem !== undefined || isStandIn(role, judged))
      return [];
    const fault = t5Fault(facts.tensors);
    if (fault === undefined) return [];
    const detail = `\`models.t5\` (${path.path}) is not UMT5-XXL as the trainer loads it: ${fault}. Name models_t5_umt5-xxl-enc-bf16.pth.`;
    return [diagnose(MODEL_CODES.wrongT5, detail, { at: path.place, path: "models.t5" })];
  });

/** Two roles of different kinds that name one file. The two halves of the DiT have a rule of their own. */
export const eachModelHasItsFile: Rule = (judged) => {
  const { resolved } = judged;
  const seen = new Map<string, ModelRole>();
  return neededModels(judged).flatMap((role): readonly Diagnostic[] => {
    const path = resolved.models[role];
    if (path === undefined) return [];
    const first = seen.get(path.path);
    if (first === undefined) seen.set(path.path, role);
    if (first === undefined || (first === "dit" && role === "dit_high_noise")) return [];
    const detail = `\`models.${first}\` and \`models.${role}\` are both ${path.path}. Name each model's own file.`;
    return [diagnose(MODEL_CODES.oneFileTwice, detail, { at: path.place, path: `models.${role}` })];
  });
};
