import type { SavedPlan } from "../../core/plan/saved/saved-plan.ts";
import { printable } from "../../core/printable.ts";
import { count, listWords } from "../text/quantity.ts";
import { createStyle } from "../text/style.ts";
import { wrapText } from "../text/wrap.ts";

export interface SavedPlanHeadOptions {
  /** As the user named it. */
  readonly file: string;
  readonly width: number;
  readonly colour: boolean;
}

/** What is said before a saved plan: what was asked for, and what it was made from. Ends with an empty line. */
export function viewSavedPlanHead(saved: SavedPlan, { file, width, colour }: SavedPlanHeadOptions): string {
  const columns = width > 0 ? width : 80;
  const lines = [`Saved plan ${file}${askedText(saved)}`, ...saved.made_from.map((_, index) => madeText(saved, index))];
  const style = createStyle({ colour });
  const text = lines.flatMap((line) => wrapText(printable(line), columns)).map(style.faint);
  return `${text.join("\n")}\n\n`;
}

function askedText({ choices: { only = [], replace = [], from, from_epoch } }: SavedPlan): string {
  const asked = [
    ...only.map((stage) => `--only ${stage}`),
    ...replace.map((stage) => `--replace ${stage}`),
    ...(from === undefined ? [] : [`--from ${from}`]),
    ...(from_epoch === undefined ? [] : [`--from-epoch ${from_epoch}`]),
  ];
  return asked.length === 0 ? "" : `, asked for with ${asked.join(" ")}`;
}

function madeText({ plan, made_from }: SavedPlan, index: number): string {
  const binding = made_from[index]?.binding;
  const pipeline = plan.pipelines[index];
  if (binding === undefined || pipeline === undefined) return "";
  const version = binding.trainer.version === undefined ? pipeline.backend : `Musubi Tuner ${binding.trainer.version}`;
  const state = pipeline.state === undefined ? "no state yet" : `serial ${pipeline.state.serial} of its state`;
  const models = Object.keys(binding.models).length;
  const parts = [
    count(Object.keys(binding.dataset).length, "clip or image", "clips or images"),
    ...(models === 0 ? [] : [count(models, "model file")]),
    version,
    state,
  ];
  return `${pipeline.name}: made from ${listWords(parts)}`;
}
