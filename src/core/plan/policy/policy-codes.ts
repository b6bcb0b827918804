// biome-ignore-all lint/suspicious/noTemplateCurlyInString: it is the notation that users write.
import type { DiagnosticKind } from "../../diagnostic.ts";

/** Rules of `policy` in wan22.yaml that a pipeline breaks, and rules that can't be judged. */
export const POLICY_CODES = {
  max_hours: {
    code: "Y1",
    severity: "error",
    summary: "Training would take longer than the policy allows",
    why: "By the high end of the plan's estimate it takes more hours than `max_hours`; a machine that others wait for would be taken for that long.",
    mend: "Train fewer epochs, or on fewer or shorter clips; or have `max_hours` raised in wan22.yaml.",
    example: "policy: { max_hours: 8 } # in wan22.yaml; the pipeline trains for 14 hours",
  },
  max_gpu_hours: {
    code: "Y2",
    severity: "error",
    summary: "Training would take more GPU hours than the policy allows",
    why: "The hours of each stage count once for each GPU that it runs on, and those of halves that train at the same time are added; GPU hours are what is paid for.",
    mend: "Train fewer epochs, or on fewer or shorter clips; or have `max_gpu_hours` raised in wan22.yaml.",
    example: "policy: { max_gpu_hours: 16 } # in wan22.yaml; two GPUs train for 14 hours",
  },
  max_disk_gb: {
    code: "Y3",
    severity: "error",
    summary: "The plan would take more room on disk than the policy allows",
    why: "By the high end of the plan's estimate its caches, checkpoints and training states come to more than `max_disk_gb`.",
    mend: "Keep less (`save_last_n_epochs`, `save_last_n_epochs_state`), save checkpoints in half precision (`save_precision: bf16`), or have `max_disk_gb` raised in wan22.yaml.",
    example: "policy: { max_disk_gb: 20 } # in wan22.yaml; the pipeline keeps 100 epochs",
  },
  vram_headroom_gb: {
    code: "Y4",
    severity: "error",
    summary: "Less of the GPU's memory would stay free than the policy asks",
    why: "By the high end of the plan's estimate the card comes nearer to its limit than `vram_headroom_gb` allows, and a run that ends without memory has cost its hours for nothing.",
    mend: "Raise blocks_to_swap, use fp8_base, or take fewer frames or a smaller resolution; or have `vram_headroom_gb` lowered in wan22.yaml.",
    example: "policy: { vram_headroom_gb: 4 } # in wan22.yaml; 22 of 24 GiB are used",
  },
  input_roots: {
    code: "Y5",
    severity: "error",
    summary: "Something is read from outside of the policy's roots",
    why: "A pipeline is reviewed by its text, and a path or a link in it could have files of the machine trained on or run that nobody meant to hand over. What counts is where it really lies: links are followed, `..` is taken out.",
    mend: "Keep what is read within the folders of `input_roots`, as itself and not as a link that leads out of them; or have the folder where it really lies added to `input_roots` in wan22.yaml.",
    example:
      "# wan22.yaml has `policy: { input_roots: [data, '${MODELS}'] }`\ndataset: { sources: [{ videos: ../../other-team/data }] }",
  },
  output_roots: {
    code: "Y6",
    severity: "error",
    summary: "Something is written outside of the policy's roots",
    why: "Training writes and archives whatever lies in its folders; a path or a link that leads elsewhere would have files written over that are not this project's. What counts is where it really lies: links are followed, also those above a folder that is not there yet.",
    mend: "Name folders within `output_roots`, remove links in them that lead out; or have the folder where it really lies added to `output_roots` in wan22.yaml.",
    example: "# wan22.yaml has `policy: { output_roots: [output] }`\noutput: { dir: ../../somewhere/else }",
  },
  tasks: {
    code: "Y7",
    severity: "error",
    summary: "The task is none of those that the policy allows",
    why: "`tasks` in wan22.yaml lists what may be trained in this project.",
    mend: "Change the pipeline's `task`, or have it added to `tasks` in wan22.yaml.",
    example: "# wan22.yaml has `policy: { tasks: [t2v-A14B] }`\ntask: i2v-A14B",
  },
  require_lock: {
    code: "Y8",
    severity: "error",
    summary: "The pipeline has no lock file, and the policy requires one",
    why: "Without it nobody who reviews the pipeline sees which clips, captions and models it will be trained with.",
    mend: "Write it with `wan22 lock FILE` on a machine that has the data and the models, and commit it with the pipeline.",
    example: "policy: { require_lock: true } # in wan22.yaml; there is no pipelines/fox.lock.json",
  },
  shadowed: {
    code: "Y10",
    severity: "error",
    summary: "A policy further up would not be kept",
    why: "The nearest wan22.yaml above a pipeline, or the nearest `.git`, makes its project. One that is added below a project with a policy would free its pipelines of all rules.",
    mend: "Remove the wan22.yaml that is nearer, or keep the project outside of that folder.",
    example: "# wan22.yaml has a policy, and a pull request adds pipelines/wan22.yaml\nversion: 1",
  },
  unknown: {
    code: "Y9",
    severity: "warning",
    summary: "A rule of the policy can't be judged",
    why: "What can't be shown to be kept is not kept: apply refuses the pipeline as it does one that breaks a rule.",
    mend: "Make known what the finding names, such as the card that will train: `hardware: RTX 4090`.",
    example: "policy: { vram_headroom_gb: 2 } # in wan22.yaml; `hardware` is auto, and there is no card here",
  },
} as const satisfies Record<string, DiagnosticKind>;
