import { diagnose } from "../diagnostic.ts";
import { MODEL_CODES } from "./codes.ts";
import type { Rule } from "./rule.ts";

/** Rules about the trainer itself. A plan needs none: its facts travel with `wan22` (design §5). */

/** The version that rules, names and arguments were read from. */
const TRAINER_VERSION = "0.3.4";

export const trainerCanRun: Rule = ({ resolved, facts }) => {
  const { trainer, places, file } = resolved.spec;
  const { problem } = facts.trainer;
  if (problem === undefined) return [];
  const at = places.get("trainer.python") ?? places.get("trainer.path") ?? places.get("trainer") ?? { file };
  const detail = `Here, ${problem}. The plan holds all the same; \`wan22 apply\` with \`backend: ${trainer.backend}\` needs it. ${MODEL_CODES.trainerProblem.mend}`;
  return [diagnose(MODEL_CODES.trainerProblem, detail, { at, path: "trainer" })];
};

export const trainerIsTheVersionKnown: Rule = ({ resolved, facts }) => {
  const { version } = facts.trainer;
  if (version === undefined || version === TRAINER_VERSION || resolved.spec.trainer.backend !== "musubi") return [];
  const { places, file } = resolved.spec;
  const detail = `Musubi Tuner at \`trainer.path\` is ${version}, and plans are made for ${TRAINER_VERSION}. Arguments, file names and limits may differ. Use ${TRAINER_VERSION} where it matters.`;
  return [
    diagnose(MODEL_CODES.trainerVersion, detail, { at: places.get("trainer.path") ?? { file }, path: "trainer.path" }),
  ];
};
