import { type Diagnostic, diagnose } from "../diagnostic.ts";
import type { Spec } from "../spec/spec.ts";
import { type StageId, scriptOf } from "../vocabulary.ts";
import { PLAN_CODES } from "./codes.ts";
import { countText, listWords } from "./wording.ts";

/** What is asked of a plan beside what its file says: which stages run, which start over, where training goes on from. */

export interface Choices {
  /** Stages to start over, with everything archived. */
  readonly replace?: readonly StageId[] | undefined;
  /** The stages that may run; the others wait. All, where it is absent or empty. */
  readonly only?: readonly StageId[] | undefined;
  /** This stage and all after it start over. */
  readonly from?: StageId | undefined;
  /** Training goes on from a training state with so many epochs done; what came after it is archived. */
  readonly fromEpoch?: number | undefined;
  /** Devices that the pipelines are shared out among; each gets what its file names of them, or one. As files say, where absent. */
  readonly gpuPool?: readonly number[] | undefined;
}

/** Choices as options of `plan` and `apply`. */
export function choiceWords({ only = [], replace = [], from, fromEpoch, gpuPool }: Choices): readonly string[] {
  return [
    ...only.flatMap((stage) => ["--only", stage]),
    ...replace.flatMap((stage) => ["--replace", stage]),
    ...(from === undefined ? [] : ["--from", from]),
    ...(fromEpoch === undefined ? [] : ["--from-epoch", String(fromEpoch)]),
    ...(gpuPool === undefined ? [] : ["--gpus", gpuPool.join(",")]),
  ];
}

/** Choices as they hold for the stages of one pipeline. */
export interface SettledChoices {
  readonly replace: ReadonlySet<StageId>;
  readonly waits: (stage: StageId) => boolean;
  /** The stages that may run, for reasons. */
  readonly only: readonly StageId[];
  readonly fromEpoch: ReadonlyMap<StageId, number>;
  /** What contradicts itself, or fits no stage. */
  readonly diagnostics: readonly Diagnostic[];
}

export interface ChoicesInput {
  readonly choices: Choices;
  /** The pipeline's stages, in their order. */
  readonly stages: readonly StageId[];
  /** Stages that were begun already as these choices ask: what they ask of a stage is done once. */
  readonly begun: ReadonlySet<StageId>;
  readonly spec: Pick<Spec, "name" | "file">;
}

export function settleChoices(input: ChoicesInput): SettledChoices {
  const { choices, stages, begun } = input;
  const { only = [], fromEpoch } = choices;
  const diagnostics = [...unknownStages(input), ...contradictions(input)];
  // What contradicts itself is not planned by halves: nothing that would follow from it is worth saying.
  if (diagnostics.length > 0)
    return { replace: new Set(), waits: () => false, only: [], fromEpoch: new Map(), diagnostics };
  const replaced = startingOver(input);
  const rewound = rewoundStages(input);
  return {
    replace: new Set(replaced.filter((stage) => !begun.has(stage))),
    waits: (stage) => only.length > 0 && !only.includes(stage),
    only: stages.filter((stage) => only.includes(stage)),
    fromEpoch:
      fromEpoch === undefined
        ? new Map()
        : new Map(rewound.filter((stage) => !begun.has(stage)).map((stage) => [stage, fromEpoch])),
    diagnostics,
  };
}

/** Stages that are asked to start over, each by itself or by one before it. */
function startingOver({ choices: { replace = [], from }, stages }: ChoicesInput): readonly StageId[] {
  const first = from === undefined ? -1 : stages.indexOf(from);
  const after = first < 0 ? [] : stages.slice(first);
  return stages.filter((stage) => replace.includes(stage) || after.includes(stage));
}

function rewoundStages({ choices: { only = [], fromEpoch }, stages }: ChoicesInput): readonly StageId[] {
  if (fromEpoch === undefined) return [];
  return stages.filter((stage) => scriptOf(stage) === "train" && (only.length === 0 || only.includes(stage)));
}

function unknownStages({ choices, stages, spec }: ChoicesInput): readonly Diagnostic[] {
  const { replace = [], only = [], from } = choices;
  const asked = [
    ...replace.map((id) => ({ id, to: "to start over" })),
    ...only.map((id) => ({ id, to: "to run alone" })),
    ...(from === undefined ? [] : [{ id: from, to: "to start over from" }]),
  ];
  return asked
    .filter(({ id }) => !stages.includes(id))
    .map(({ id, to }) =>
      diagnose(
        PLAN_CODES.noSuchStage,
        `${spec.name} has no stage ${id} ${to}. Its stages are ${stages.join(", ")}; name one of these.`,
        { at: { file: spec.file } },
      ),
    );
}

/** Choices of which one undoes the other, or that can be meant in two ways: none is guessed. */
function contradictions(input: ChoicesInput): readonly Diagnostic[] {
  const { choices, stages, spec } = input;
  const { replace = [], only = [], from, fromEpoch } = choices;
  const found: string[] = [];
  if (from !== undefined && only.length > 0) {
    found.push(
      `\`--from ${from}\` starts over all stages from ${from} on, and \`--only\` lets ${listWords(only)} run alone. For one stage by itself: \`--replace STAGE --only STAGE\`.`,
    );
  } else if (only.length > 0) {
    for (const stage of replace.filter((id) => stages.includes(id) && !only.includes(id))) {
      found.push(
        `\`--replace ${stage}\` starts ${stage} over, and \`--only ${only.join(" --only ")}\` has it wait. Add \`--only ${stage}\`, or leave one of them out.`,
      );
    }
  }
  if (fromEpoch !== undefined) found.push(...rewindContradictions(input, fromEpoch));
  return found.map((text) => diagnose(PLAN_CODES.choicesContradict, text, { at: { file: spec.file } }));
}

function rewindContradictions(input: ChoicesInput, fromEpoch: number): readonly string[] {
  const { choices, spec } = input;
  const { only = [] } = choices;
  const rewound = rewoundStages(input);
  const asked = `\`--from-epoch ${fromEpoch}\``;
  if (rewound.length === 0) {
    return [`${asked} trains on, and \`--only\` lets no stage run that trains. Add \`--only train\`, or leave it out.`];
  }
  if (rewound.length > 1 && only.length === 0) {
    const [low = "", high = ""] = rewound;
    return [
      `${spec.name} trains in ${countText(rewound.length, "stage")}, ${listWords(rewound)}, each with epochs of its own, and ${asked} does not say which of them it means. Add \`--only ${low}\` or \`--only ${high}\`; both, if you mean both.`,
    ];
  }
  return startingOver(input)
    .filter((stage) => rewound.includes(stage))
    .map(
      (stage) =>
        `${asked} keeps what ${stage} trained up to epoch ${fromEpoch}, and \`${choices.replace?.includes(stage) === true ? "--replace" : "--from"}\` starts ${stage} over from nothing. Leave one of them out.`,
    );
}
