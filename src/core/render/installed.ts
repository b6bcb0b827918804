import { type Diagnostic, diagnose } from "../diagnostic.ts";
import type { TrainerFacts } from "../facts.ts";
import { SCRIPT_FILES } from "../trainer/argument-surface.ts";
import { type StageId, scriptOf } from "../vocabulary.ts";
import type { Argument } from "./arguments.ts";
import { RENDER_CODES } from "./codes.ts";

/** Compares what a script is to be told with what the installed trainer takes; its parser would refuse the rest after it has loaded. */

/** Nothing where the trainer is not installed, or its parser could not be followed. */
export function findUninstalled(
  stage: StageId,
  meant: readonly Argument[],
  trainer: TrainerFacts | undefined,
): readonly Diagnostic[] {
  const script = scriptOf(stage);
  const surface = trainer?.arguments?.[script];
  if (trainer === undefined || surface === undefined) return [];
  const which = trainer.version === undefined ? "Musubi Tuner" : `Musubi Tuner ${trainer.version}`;
  return meant.flatMap(({ name, values, place }) => {
    const taken = surface.get(name);
    const at = { at: place, path: name.slice(2) };
    if (taken === undefined) {
      const detail = `Your ${which} has no \`${name}\`: its ${SCRIPT_FILES[script]} would refuse the arguments of stage ${stage}. Leave \`${name.slice(2)}\` out, or use a newer Musubi Tuner.`;
      return [diagnose(RENDER_CODES.notInstalled, detail, at)];
    }
    const [value] = values;
    if (taken.choices === undefined || value === undefined || taken.choices.includes(value)) return [];
    const detail = `Your ${which} does not know \`${value}\` for \`${name}\`; it takes ${taken.choices.join(", ")}. Choose one of these, or use a newer Musubi Tuner.`;
    return [diagnose(RENDER_CODES.notInstalled, detail, at)];
  });
}
