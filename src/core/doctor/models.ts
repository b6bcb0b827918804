import { ditDtype, INPUT_CHANNELS, readInputChannels } from "../check/dit-layout.ts";
import type { ModelFacts } from "../facts.ts";
import { MODEL_ROLES, type ModelRole, TASKS } from "../vocabulary.ts";
import type { Examination, Finding } from "./examination.ts";

/** The model files that a pipeline names: whether they are there and whole, and what their headers say. */

/** What the manual calls the files, for whoever has to find them ("准备工作"). */
const NAMES: Readonly<Record<ModelRole, string>> = {
  dit: "wan2.2_t2v_low_noise_14B_fp16.safetensors (or i2v)",
  dit_high_noise: "wan2.2_t2v_high_noise_14B_fp16.safetensors (or i2v)",
  vae: "wan_2.1_vae.safetensors",
  t5: "models_t5_umt5-xxl-enc-bf16.pth",
};

export function examineModels({ spec, facts }: Examination): readonly Finding[] {
  if (spec.trainer.backend === "rehearsal") return [];
  return MODEL_ROLES.map((role): Finding => {
    const subject = `models.${role}`;
    const path = spec.models[role];
    if (path === undefined) {
      const optional = role === "dit_high_noise";
      const mend = `Name the file under \`models\`: ${NAMES[role]}.`;
      return { subject, state: optional ? "fine" : "error", found: "not named", ...(optional ? {} : { mend }) };
    }
    if (path.unset.length > 0) {
      const names = path.unset.join(", ");
      return {
        subject,
        state: "error",
        found: `${path.written}: ${names} is not set`,
        mend: `Set ${names} in the environment.`,
      };
    }
    const model = facts.models[role];
    if (model?.problem !== undefined) {
      const mend =
        model.problem.kind === "missing"
          ? `Download it: ${NAMES[role]}.`
          : "Download it again, and compare its size with the source's.";
      return { subject, state: "error", found: `${path.path}: ${model.problem.text}`, mend };
    }
    return { subject, state: "fine", found: `${path.path}${describe(role, model)}` };
  });
}

function describe(role: ModelRole, model: ModelFacts | undefined): string {
  if (model === undefined) return "";
  const size = model.bytes >= 1e8 ? `${(model.bytes / 1e9).toFixed(1)} GB` : `${(model.bytes / 1e6).toFixed(1)} MB`;
  if (role === "vae" || role === "t5" || model.tensors === undefined) return `, ${size}`;
  const channels = readInputChannels(model.tensors);
  const task = TASKS.find((each) => INPUT_CHANNELS[each] === channels);
  return `, ${size}, ${ditDtype(model.tensors) ?? "unknown dtype"}, ${task ?? "no task's weights"}`;
}
