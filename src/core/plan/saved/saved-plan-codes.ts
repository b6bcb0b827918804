import type { DiagnosticKind } from "../../diagnostic.ts";

/** What can be wrong with a saved plan, or with what is asked of it. */
export const SAVED_PLAN_CODES = {
  stale: {
    code: "P64",
    severity: "error",
    summary: "The saved plan is stale",
    why: "Something that it was made from has moved since: what was reviewed is not what would happen now.",
    mend: "Plan again, and review that: `wan22 plan --out FILE`. `wan22 show FILE` still prints the stale one.",
    example: "wan22 plan --out fox.plan fox.yaml\n# learning_rate is edited in fox.yaml\nwan22 apply fox.plan",
  },
  damaged: {
    code: "P65",
    severity: "error",
    summary: "The saved plan is damaged",
    why: "What would be carried out is not what was saved and reviewed.",
    mend: "Plan again: `wan22 plan --out FILE`.",
    example: "truncate -s 1000 fox.plan; wan22 apply fox.plan",
  },
  newer: {
    code: "P66",
    severity: "error",
    summary: "The saved plan was written by a newer wan22",
    why: "A newer version may ask for what this one does not know; carrying it out half would be another plan.",
    mend: "Update wan22 on this machine, or plan again with this one.",
    example: 'fox.plan:\n{"format": "wan22-saved-plan", "version": 99, …}',
  },
  notSavedPlan: {
    code: "P67",
    severity: "error",
    summary: "The file holds no saved plan",
    why: "Only what `wan22 plan --out FILE` saves can be shown as a plan.",
    mend: "Name a file that was saved so; for a pipeline file: `wan22 plan FILE`.",
    example: "wan22 show pipelines/fox.yaml",
  },
  notSaved: {
    code: "P68",
    severity: "error",
    summary: "The plan can't be saved there",
    why: "Whatever lies there would be lost; only an earlier saved plan is replaced.",
    mend: "Give another name: `wan22 plan --out fox.plan`.",
    example: "wan22 plan --out pipelines/fox.yaml # the file that was to be planned",
  },
  saidAlready: {
    code: "P69",
    severity: "error",
    summary: "A saved plan is carried out as it was saved",
    why: "With other pipelines or choices beside it, what happens would not be what was reviewed.",
    mend: "Apply saved plans by themselves. To ask for something else, plan again: `wan22 plan --only STAGE --out FILE`.",
    example: "wan22 apply --replace train fox.plan",
  },
  plannedAlready: {
    code: "P80",
    severity: "error",
    summary: "A saved plan stands where a pipeline file belongs",
    why: "A saved plan holds what was decided, not what is wanted: it is shown or carried out, and can't be planned or checked again.",
    mend: "`wan22 show FILE` prints it, `wan22 apply FILE` carries it out. To plan again, name the pipeline files: `wan22 plan --out fox.plan pipelines/fox.yaml`.",
    example: "wan22 plan --out fox.plan fox.yaml\nwan22 validate fox.plan",
  },
} as const satisfies Record<string, DiagnosticKind>;
