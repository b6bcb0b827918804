import { processesOf } from "../resolve/devices.ts";
import { BRIDGED_VERSIONS, whyUnbridged } from "../trainer/driver.ts";
import type { BareMachine, Examination, Finding, Requirement } from "./examination.ts";

/** The trainer, its Python, and the packages in it. */

export function examineTrainer(examination: Examination): readonly Finding[] {
  const { spec } = examination;
  const named = spec.trainer.python === undefined ? "found by itself" : "named under `trainer.python`";
  const python = examinePython(examination, named);
  if (spec.trainer.backend === "rehearsal") {
    return [
      { subject: "trainer", state: "fine", found: "the embedded rehearsal; no GPU and no models are needed" },
      ...python,
    ];
  }
  return [...examineMusubi(examination), ...python, ...examinePackages(examination), ...examineTorch(examination)];
}

function examineMusubi({ spec, facts }: Examination): readonly Finding[] {
  const { version, commit, bridge } = facts.trainer;
  const path = spec.trainer.path?.path ?? "";
  if (bridge === undefined) {
    return [
      {
        subject: "Musubi Tuner",
        state: "error",
        found: facts.trainer.problem ?? "there is none at `trainer.path`",
        mend: "Clone kohya-ss/musubi-tuner, and name its folder under `trainer.path`.",
      },
    ];
  }
  const found = `${version ?? "unknown version"}${commit === undefined ? "" : `, commit ${commit.slice(0, 12)}`}, at ${path}`;
  const unbridged = whyUnbridged("train", {
    backend: "musubi",
    version,
    processes: processesOf({ gpus: spec.gpus, noise: spec.noise ?? "dual" }),
  });
  if (unbridged !== undefined) {
    const mend = `It trains, but an interrupted training starts over: use ${BRIDGED_VERSIONS.oldest} to ${BRIDGED_VERSIONS.newest}, and one GPU a training.`;
    return [{ subject: "Musubi Tuner", state: "warning", found: `${found}; ${unbridged}`, mend }];
  }
  if (bridge === "does-not-fit") {
    const mend = `The bridge knows ${BRIDGED_VERSIONS.oldest} to ${BRIDGED_VERSIONS.newest}: git -C ${path} checkout v${BRIDGED_VERSIONS.newest}`;
    return [
      {
        subject: "Musubi Tuner",
        state: "error",
        found: `${found}; its training loop is not one that the bridge knows`,
        mend,
      },
    ];
  }
  return [{ subject: "Musubi Tuner", state: "fine", found: `${found}; resumes exactly` }];
}

/** `origin`: how it was come by; a clause. */
export function examinePython({ facts, environment }: BareMachine, origin: string): readonly Finding[] {
  const { python } = facts.trainer;
  if (python === undefined) {
    const mend = "Install Python 3.10 or newer, or name one under `trainer.python`.";
    return [{ subject: "Python", state: "error", found: facts.trainer.problem ?? "none was found", mend }];
  }
  if (environment === undefined) {
    const mend = "Run it yourself to see what it says; name another one under `trainer.python`.";
    return [{ subject: "Python", state: "error", found: `${python} does not answer`, mend }];
  }
  const [major = 0, minor = 0] = environment.python.split(".").map(Number);
  const old = major < 3 || (major === 3 && minor < 10);
  return [
    {
      subject: "Python",
      state: old ? "error" : "fine",
      found: `${environment.python}, ${python} (${origin})`,
      ...(old ? { mend: "It has to be 3.10 or newer." } : {}),
    },
  ];
}

/** `prompt_toolkit` and `prompt-toolkit` are one package (PEP 503). */
function canonical(name: string): string {
  return name.toLowerCase().replace(/[-_.]+/g, "-");
}

/** Packages that bring the same module as another one. */
const SAME_MODULE: Readonly<Record<string, string>> = { "opencv-python": "opencv-python-headless" };
/** Packages that only some pipelines need: 8-bit optimizers. */
const OPTIONAL: readonly string[] = ["bitsandbytes"];

function examinePackages({ environment, requirements, facts }: Examination): readonly Finding[] {
  if (environment === undefined || requirements.length === 0) return [];
  const versions = new Map(Object.entries(environment.packages).map(([name, version]) => [canonical(name), version]));
  const versionOf = (name: string) => versions.get(canonical(name)) ?? versions.get(SAME_MODULE[canonical(name)] ?? "");
  const missing = requirements.filter(({ name }) => versionOf(name) === undefined).map(({ name }) => name);
  const others = requirements.filter((requirement) => isOther(requirement, versionOf(requirement.name)));
  const install = `In Musubi Tuner's folder: ${facts.trainer.python} -m pip install -e .`;
  const accelerate = versionOf("accelerate");
  const there = `${requirements.length - missing.length} of ${requirements.length} are there`;
  const findings: Finding[] = [
    {
      subject: "packages",
      state: "fine",
      found: accelerate === undefined ? there : `${there}, accelerate ${accelerate}`,
    },
  ];
  if (missing.length > 0) {
    const needed = missing.some((name) => !OPTIONAL.includes(canonical(name)));
    const found = `missing: ${missing.join(", ")}`;
    findings.push({ subject: "packages", state: needed ? "error" : "warning", found, mend: `${install}` });
  }
  if (others.length > 0) {
    const shown = others.map(({ name, pinned }) => `${name} ${versionOf(name)} (${pinned})`).join(", ");
    const found = `other versions than Musubi Tuner was tested with: ${shown}`;
    findings.push({ subject: "packages", state: "warning", found, mend: install });
  }
  return findings;
}

function isOther({ pinned }: Requirement, version: string | undefined): boolean {
  return pinned !== undefined && version !== undefined && version !== pinned;
}

function examineTorch({ environment, facts }: Examination): readonly Finding[] {
  if (environment === undefined) return [];
  const { version, cuda, devices = [], problem } = environment.torch;
  if (version === undefined) {
    const mend = "Install PyTorch for your CUDA as pytorch.org says, into the Python that trains.";
    return [{ subject: "PyTorch", state: "error", found: problem ?? "not installed", mend }];
  }
  const built = cuda === undefined ? "built for the CPU alone" : `built for CUDA ${cuda}`;
  if (devices.length > 0) {
    const seen = `sees ${devices.map(({ name }) => name).join(", ")}`;
    return [{ subject: "PyTorch", state: "fine", found: `${version}, ${built}, ${seen}` }];
  }
  if (facts.gpus.length === 0) return [{ subject: "PyTorch", state: "fine", found: `${version}, ${built}` }];
  const mend =
    cuda === undefined
      ? "Install a CUDA build of PyTorch: this one cannot use the card."
      : "See that the driver is new enough for that CUDA (`nvidia-smi` shows its own), and that CUDA_VISIBLE_DEVICES hides no card.";
  const why = problem === undefined ? "it sees no GPU, though nvidia-smi does" : problem;
  return [{ subject: "PyTorch", state: "error", found: `${version}, ${built}; ${why}`, mend }];
}
