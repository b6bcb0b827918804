import type { DiagnosticKind } from "../core/diagnostic.ts";

/** What can be wrong between pipelines, or around them. */
export const PREPARE_CODES = {
  sameName: {
    code: "P30",
    severity: "error",
    summary: "two pipelines have the same name",
    why: "State, caches and runs are kept by name: each would take the other's work for its own and start over.",
    mend: "Give one of them another `name`.",
    example: "name: fox   # in fox.yaml and in fox-copy.yaml",
  },
  sameOutput: {
    code: "P31",
    severity: "error",
    summary: "two pipelines write the same output",
    why: "Checkpoints of one would overwrite those of the other.",
    mend: "Give one of them another `output.name` or `output.dir`.",
    example: "output:\n  dir: output/fox\n  name: fox   # in two files",
  },
  stateOfAnother: {
    code: "P32",
    severity: "error",
    summary: "the state of this name belongs to another pipeline file",
    why: "State is kept by name; going on would take the other pipeline's checkpoints for this one's.",
    mend: "Give one of them another `name`.",
    example: "name: fox   # while pipelines/other.yaml, already applied, is named fox too",
  },
} as const satisfies Record<string, DiagnosticKind>;
