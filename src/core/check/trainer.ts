import { diagnose } from "../diagnostic.ts";
import { deviceChoice, processesOf } from "../resolve/devices.ts";
import { BRIDGED_VERSIONS, driverOf, whyUnbridged } from "../trainer/driver.ts";
import { MODEL_CODES } from "./codes.ts";
import type { Judged, Rule } from "./rule.ts";

/** Rules about the trainer itself. A plan needs none: its facts travel with `wan22` (design §5). */

/** The version that rules, names and arguments were read from. */
const TRAINER_VERSION = "0.3.4";

export const trainerCanRun: Rule = ({ resolved, facts }) => {
  const { trainer, places, file } = resolved.spec;
  const { problem } = facts.trainer;
  if (problem === undefined) return [];
  const at = places.get("trainer.python") ?? places.get("trainer.path") ?? places.get("trainer") ?? { file };
  const mend =
    trainer.backend === "rehearsal"
      ? "Before applying here, install Python 3.10 or newer, or name one as `trainer.python`."
      : MODEL_CODES.trainerProblem.mend;
  const detail = `Here, ${problem}. The plan holds all the same; \`wan22 apply\` with \`backend: ${trainer.backend}\` needs it. ${mend}`;
  return [diagnose(MODEL_CODES.trainerProblem, detail, { at, path: "trainer" })];
};

export const trainerIsTheVersionKnown: Rule = (judged) => {
  const { version } = judged.facts.trainer;
  if (version === undefined || version === TRAINER_VERSION || !isMusubi(judged)) return [];
  const detail = `Musubi Tuner at \`trainer.path\` is ${version}, and plans are made for ${TRAINER_VERSION}. File names and limits may differ. Use ${TRAINER_VERSION} where it matters.`;
  return [diagnose(MODEL_CODES.trainerVersion, detail, { at: placeOfTrainer(judged), path: "trainer.path" })];
};

/** Says what is lost where the bridge is not used, and refuses where it would refuse itself. */
export const bridgeFitsTheTrainer: Rule = (judged) => {
  const { resolved, facts } = judged;
  const stages = ["cache-latents", ...resolved.trainStages.map(({ id }) => id)] as const;
  const input = {
    backend: resolved.spec.trainer.backend,
    version: facts.trainer.version,
    processes: processesOf(deviceChoice(resolved)),
  };
  const at = { at: placeOfTrainer(judged), path: "trainer.path" };
  const unbridged = stages.find((stage) => driverOf(stage, input) === "scripts");
  if (unbridged !== undefined) {
    const detail = `The stage ${unbridged} runs as Musubi's own script: ${whyUnbridged(unbridged, input)}. If it is interrupted, it starts over. ${MODEL_CODES.unbridged.mend}`;
    return [diagnose(MODEL_CODES.unbridged, detail, at)];
  }
  if (!isMusubi(judged) || facts.trainer.bridge !== "does-not-fit") return [];
  const which = facts.trainer.version === undefined ? "" : ` ${facts.trainer.version}`;
  const detail = `The training loop of the Musubi Tuner${which} at \`trainer.path\` is not one that the bridge knows (${BRIDGED_VERSIONS.oldest} to ${BRIDGED_VERSIONS.newest}); it would refuse to start. ${MODEL_CODES.bridgeDoesNotFit.mend}`;
  return [diagnose(MODEL_CODES.bridgeDoesNotFit, detail, at)];
};

function isMusubi({ resolved }: Judged): boolean {
  return resolved.spec.trainer.backend === "musubi";
}

function placeOfTrainer({ resolved }: Judged) {
  const { places, file } = resolved.spec;
  return places.get("trainer.path") ?? places.get("trainer") ?? { file };
}
