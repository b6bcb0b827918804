// biome-ignore-all lint/suspicious/noTemplateCurlyInString: it is the notation that users write.
import * as z from "zod";
import { TASKS } from "../vocabulary.ts";
import { field } from "./field.ts";
import { boundsText, pathText } from "./parameter-shape.ts";

/** The shape of `policy` in wan22.yaml: a key is a rule. */

function limit(
  bounds: { readonly above: number } | { readonly min: number },
  unit: string,
  example: string,
  doc: string,
) {
  const number = "above" in bounds ? z.number().gt(bounds.above) : z.number().min(bounds.min);
  const words = { wants: "number", expected: `a number of ${unit}${boundsText(bounds)}`, example, doc } as const;
  return field(number, unit === "GiB" ? { ...words, unit } : words).optional();
}

function roots(doc: string, example: string) {
  const root = field(pathText(), { wants: "path", expected: "a path", example: "data" });
  return field(z.array(root).min(1), {
    wants: "list",
    expected: "a list of at least one path",
    example,
    doc: `${doc} What counts is where things really lie: symbolic links are followed. Relative to this file; \`\${VAR}\`, \`\${VAR:-default}\` and \`~/\` are replaced.`,
  }).optional();
}

const task = field(z.enum(TASKS), { wants: "choice", expected: `one of ${TASKS.join(", ")}`, choices: TASKS });

export const policyShape = field(
  z
    .strictObject({
      max_hours: limit(
        { above: 0 },
        "hours",
        "48",
        "Hours that a plan's training may take, by the high end of its estimate.",
      ),
      max_gpu_hours: limit(
        { above: 0 },
        "hours",
        "96",
        "Hours that a plan's training may take of all its GPUs together, by the high end of its estimate.",
      ),
      max_disk_gb: limit(
        { above: 0 },
        "GiB",
        "200",
        "GiB that caches, checkpoints and training states may take, by the high end of the plan's estimate.",
      ),
      vram_headroom_gb: limit(
        { min: 0 },
        "GiB",
        "2",
        "GiB of the card's memory that must stay free, by the high end of the plan's estimate.",
      ),
      input_roots: roots(
        "Folders, or files, that everything which is read must lie in: clips and captions, caches to take over, models, LoRA files, prompts with their images, templates, `trainer.path` and `trainer.python`.",
        "[data, models]",
      ),
      output_roots: roots(
        "Folders that everything which is written must lie in: `output.dir`, `train.logging_dir`, `cache_dir` and `state_dir`, with all that lies in them. The `.wan22` in the project's own root needs none.",
        "[output, logs]",
      ),
      tasks: field(z.array(task).min(1), {
        wants: "list",
        expected: `a list of ${TASKS.join(", ")}`,
        example: `[${TASKS[0]}]`,
        doc: "Tasks that may be trained.",
      }).optional(),
      require_lock: field(z.boolean(), {
        wants: "flag",
        expected: "true or false",
        example: "true",
        doc: "Whether each pipeline must have its NAME.lock.json beside it.",
      }).optional(),
    })
    .nullable(),
  {
    wants: "map",
    expected: "a map of rules",
    doc: "Rules that every pipeline of the project must keep. `plan` shows the verdict on each; `apply` refuses a pipeline that breaks one, or of which that can't be judged (exit code 5).",
  },
).optional();

/** As it is written. */
export type WrittenPolicy = NonNullable<z.infer<typeof policyShape>>;
