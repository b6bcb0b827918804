import type { DiagnosticKind } from "../core/diagnostic.ts";

/** What can be wrong between pipelines, or around them. */
export const PREPARE_CODES = {
  sameName: {
    code: "P30",
    severity: "error",
    summary: "Two pipelines have the same name",
    why: "State, caches and runs are kept by name: each would take the other's work for its own and start over.",
    mend: "Give one of them another `name`.",
    example: "name: fox   # in fox.yaml and in fox-copy.yaml",
  },
  sameOutput: {
    code: "P31",
    severity: "error",
    summary: "Two pipelines write the same output",
    why: "Checkpoints of one would overwrite those of the other, also where a name is the other's with the counter of an epoch or a step behind it.",
    mend: "Give one of them another `output.name` or `output.dir`.",
    example: "output:\n  dir: output/fox\n  name: fox   # in two files",
  },
  stateOfAnother: {
    code: "P32",
    severity: "error",
    summary: "The state of this name belongs to another pipeline file",
    why: "State is kept by name; going on would take the other pipeline's checkpoints for this one's.",
    mend: "Give one of them another `name`.",
    example: "name: fox   # while pipelines/other.yaml, already applied, is named fox too",
  },
  ownUnreadable: {
    code: "P33",
    severity: "error",
    summary: "Templates or presets of the project's own cannot be read",
    why: "Without them the built-in ones would count, and the plan would be another one than was meant.",
    mend: "Correct the path under `templates`, or the file; or remove the key.",
    example: "templates: my-templates   # while there is no such folder",
  },
  replacesNothing: {
    code: "P34",
    severity: "warning",
    summary: "A file among the project's own templates replaces nothing",
    why: "A template or preset replaces the built-in one of the same name; under another name it does not count.",
    mend: "Give it the name of the built-in file, in the same place: `*.hbs` in the folder, `*.yaml` in its `presets`.",
    example: "templates: my-templates   # with presets/tier.yaml in it, instead of presets/tiers.yaml",
  },
  othersFiles: {
    code: "P85",
    severity: "warning",
    summary: "Files of another pipeline would be archived",
    why: "Both write under one name into one folder, so that what the other has made is in the way. It is moved into the folder's `archive`, and the other one finds nothing any more to go on from.",
    mend: "Give one of them another `output.name` or `output.dir`, unless the other one is done with.",
    example: "output: { dir: ../output/shared, name: lora }   # in two files, of which the other was applied",
  },
  applyAtWork: {
    code: "A30",
    severity: "note",
    summary: "An apply is open on this pipeline",
    why: "What is planned while another apply works is out of date before it is read.",
    mend: "Wait until it has ended, then plan again.",
    example: "wan22 plan fox.yaml   # while `wan22 apply fox.yaml` trains",
  },
} as const satisfies Record<string, DiagnosticKind>;
