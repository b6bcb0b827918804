import type { Facts } from "../facts.ts";
import type { BareMachine, Examination, Finding } from "./examination.ts";
import { examineModels } from "./models.ts";
import { examinePython, examineTrainer } from "./trainer.ts";

/** Everything that a pipeline needs on this machine, one thing after the other, each with what to do about it. */
export function examine(examination: Examination): readonly Finding[] {
  return [
    ...examineTrainer(examination),
    ...examineMachine(examination),
    ...examineModels(examination),
    ...examineFolders(examination),
  ];
}

/** A machine by itself, before there is a pipeline: whatever one will need of it. */
export function examineBareMachine(machine: BareMachine): readonly Finding[] {
  const { facts, ffprobe, folders } = machine;
  const { ramGiB } = facts;
  return [
    ...examinePython(machine, "found by itself"),
    ...examineGpus(facts.gpus, "wanted"),
    ...(ramGiB === undefined ? [] : [{ subject: "memory", state: "fine" as const, found: `${ramGiB} GiB` }]),
    examineFfprobe(ffprobe),
    ...examineFolders({ folders }),
  ];
}

function examineMachine({ spec, facts, hardware, tierRamGiB, environment, ffprobe }: Examination): readonly Finding[] {
  const rehearsal = spec.trainer.backend === "rehearsal";
  const findings: Finding[] = [...examineGpus(facts.gpus, rehearsal ? "unused" : "wanted")];
  const why = hardware.tierSource.text;
  findings.push({
    subject: "tier",
    state: "fine",
    found: why.startsWith(hardware.tier) ? why : `${hardware.tier}: ${why}`,
  });
  for (const { name, capability } of environment?.torch.devices ?? [])
    findings.push(...examineArithmetic(name, capability));
  if (facts.ramGiB !== undefined && !rehearsal) {
    const enough = facts.ramGiB >= tierRamGiB * 0.93;
    findings.push({
      subject: "memory",
      state: enough ? "fine" : "warning",
      found: `${facts.ramGiB} GiB; the manual asks for ${tierRamGiB} in the tier ${hardware.tier}`,
      ...(enough ? {} : { mend: "Lower blocks_to_swap and max_data_loader_n_workers, or add memory." }),
    });
  }
  return [...findings, examineFfprobe(ffprobe)];
}

function examineGpus(gpus: Facts["gpus"], use: "wanted" | "unused"): readonly Finding[] {
  if (gpus.length > 0) {
    return gpus.map(({ index, name, vramGiB }): Finding => {
      return { subject: `GPU ${index}`, state: "fine", found: `${name}, ${vramGiB} GiB` };
    });
  }
  const found = "nvidia-smi shows none";
  if (use === "unused") return [{ subject: "GPU", state: "fine", found }];
  const mend = "Install NVIDIA's driver, or apply on a machine that has a card. A plan needs none.";
  return [{ subject: "GPU", state: "warning", found, mend }];
}

function examineFfprobe(ffprobe: Examination["ffprobe"]): Finding {
  if (ffprobe === "found") return { subject: "ffprobe", state: "fine", found: "installed" };
  const mend = "Only AVI, FLV, WMV and MPEG clips need it: sudo apt-get install ffmpeg";
  return { subject: "ffprobe", state: "warning", found: "not installed", mend };
}

/** bf16 needs an Ampere (8.0), fp8 arithmetic an Ada (8.9); older cards compute fp8 weights in the other precision. */
function examineArithmetic(name: string, [major, minor]: readonly [number, number]): readonly Finding[] {
  if (major >= 8) return [];
  return [
    {
      subject: name,
      state: "warning",
      found: `compute capability ${major}.${minor}, which has no bf16`,
      mend: "Use fp16 weights: mixed_precision follows them.",
    },
  ];
}

/** Room below which the next checkpoint is in danger, in bytes. */
const LITTLE_ROOM = 5e9;

function examineFolders({ folders }: Pick<Examination, "folders">): readonly Finding[] {
  return folders.map(({ what, path, freeBytes }): Finding => {
    if (freeBytes === undefined) return { subject: what, state: "warning", found: `${path}: its disk cannot be asked` };
    const little = freeBytes < LITTLE_ROOM;
    return {
      subject: what,
      state: little ? "warning" : "fine",
      found: `${path}: ${(freeBytes / 1e9).toFixed(1)} GB free`,
      ...(little ? { mend: "Make room; `wan22 plan` says how much a pipeline will write." } : {}),
    };
  });
}
