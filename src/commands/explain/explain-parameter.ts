import type { Presets } from "../../core/resolve/presets.ts";
import type { Change, Parameter } from "../../core/trainer/parameter.ts";
import { parametersOf } from "../../core/trainer/parameters.ts";
import { type Script, SECTION_OF, type Section } from "../../core/vocabulary.ts";
import { type Figure, ramFigures, section, valueText } from "./explain-manual.ts";
import { typeText } from "./parameter-text.ts";

/** Explains parameters from their rows in the table and from the presets. */

const CHANGES: Readonly<Record<Change, string>> = {
  nothing: "nothing; finished work stays as it is",
  "next-epoch": "it counts from the next epoch on",
  extend: "more epochs are trained onto what there is, where the schedule allows it",
  "recache-latents": "the latents are made anew, and training starts over",
  "recache-text": "the text encoder's outputs are made anew, and training starts over",
  retrain: "training starts over; what exists is archived",
};

export function explainParameter(parameter: Parameter, presets: Presets): string {
  const sections = Object.keys(parameter.takes).map((script) => SECTION_OF[script as Script]);
  const lines = [
    `${parameter.name} (under ${sections.join(", ")})`,
    `  ${parameter.doc}`,
    "",
    `  takes             ${typeText(parameter.type)}`,
    `  trainer's default ${parameter.trainerDefault ?? "none"}`,
    ...rangeLines(parameter),
  ];
  for (const [script, change] of Object.entries(parameter.takes)) {
    const where = sections.length > 1 ? ` (${SECTION_OF[script as Script]})` : "";
    lines.push(`  a change means    ${CHANGES[change]}${where}`);
  }
  const { name } = parameter;
  lines.push(
    ...section("Recommended", recommendations(name, presets)),
    ...section("Effect", effects(name, presets)),
    ...section("Against problems", remedies(name, presets)),
  );
  return lines.join("\n");
}

/** The manual's own range, and what of it the trainer takes. */
function rangeLines({ range, type }: Parameter): readonly string[] {
  if (range === undefined) return [];
  const max = "max" in type ? type.max : undefined;
  const cut =
    max !== undefined && max < range[1]
      ? `, of which the trainer takes ${max} at most: one of the model's 40 blocks stays on the GPU`
      : "";
  return [`  manual's range    ${range[0]} to ${range[1]}${cut}`];
}

/** Layer by layer what is recommended, and what is only advised since another layer decides. */
function recommendations(name: string, presets: Presets): readonly Figure[] {
  const figures: Figure[] = [];
  const add = (label: string, of: Presets["defaults"]["parameters"]) => {
    const row = Object.hasOwn(of, name) ? of[name] : undefined;
    if (row !== undefined) figures.push({ label, value: valueText(row.value, row.manual), reason: row.reason });
  };
  add("by default", presets.defaults.parameters);
  for (const [task, { parameters }] of Object.entries(presets.tasks.tasks)) add(`task ${task}`, parameters);
  for (const { label, parameters, advice } of presets.sizeRules.rules) {
    add(`${label} files`, parameters);
    add(`${label} files, advice only`, advice);
  }
  for (const [tier, { parameters, caps, advice }] of Object.entries(presets.tiers.tiers)) {
    add(`tier ${tier}`, parameters);
    add(`tier ${tier}, at most`, caps);
    add(`tier ${tier}, advice only`, advice);
  }
  for (const { topic, parameters = [], reason } of presets.advice.hints) {
    for (const hint of parameters.filter((each) => each.name === name)) {
      figures.push({ label: `${topic.en}, ${hint.when.en}`, value: valueText(hint.value, hint.manual), reason });
    }
  }
  return figures;
}

/** The manual's percentages, by the parameter that they are about. */
function effects(name: string, { memory }: Presets): readonly Figure[] {
  const { fp8_base_saves_vram, fp8_t5_saves_vram, fp8_scaled_saves_vram, ten_swapped_blocks_cost_time } =
    memory.factors;
  const saves = ({ percent, reason }: typeof fp8_base_saves_vram): Figure => ({
    label: "saves GPU memory",
    value: `${valueText(percent)} %`,
    reason,
  });
  switch (name) {
    case "fp8_base":
      return [saves(fp8_base_saves_vram)];
    case "fp8_t5":
      return [saves(fp8_t5_saves_vram)];
    case "fp8_scaled":
      return [saves(fp8_scaled_saves_vram)];
    case "blocks_to_swap": {
      const { percent, reason } = ten_swapped_blocks_cost_time;
      return [
        { label: "every ten blocks cost time", value: `${valueText(percent)} %`, reason },
        ...ramFigures(memory).map((figure) => ({ ...figure, label: `host memory for ${figure.label}` })),
      ];
    }
    default:
      return [];
  }
}

function remedies(name: string, presets: Presets): readonly Figure[] {
  return Object.entries(presets.remedies.problems).flatMap(([problem, { remedies: advised }]) =>
    advised.flatMap(({ parameters = {}, by_task = {}, manual = {}, reason }): readonly Figure[] => {
      const own = Object.hasOwn(parameters, name) ? parameters[name] : undefined;
      const ofTasks = Object.entries(by_task).flatMap(([task, values]) =>
        values[name] === undefined ? [] : [{ label: `${problem}, ${task}`, value: valueText(values[name]), reason }],
      );
      return own === undefined ? ofTasks : [{ label: problem, value: valueText(own, manual[name]), reason }];
    }),
  );
}

const GROUP_TITLES: Readonly<Record<Parameter["group"], string>> = {
  learning: "Learning",
  memory: "Memory and speed",
  data: "Data loading",
  io: "Saving, logging, samples",
};

/** The parameters that a section takes, each with its line of documentation. */
export function explainSection(name: Section): string {
  const script = (Object.keys(SECTION_OF) as Script[]).find((each) => SECTION_OF[each] === name);
  const rows = script === undefined ? [] : parametersOf(script);
  const width = Math.max(...rows.map((row) => row.name.length));
  const parts = Object.entries(GROUP_TITLES).flatMap(([group, title]) => {
    const own = rows.filter((row) => row.group === group);
    return own.length === 0 ? [] : ["", title, ...own.map((row) => `  ${row.name.padEnd(width)}  ${row.doc}`)];
  });
  return [`${name}: the parameters it takes, by the trainer's own names; explain each by its name`, ...parts].join(
    "\n",
  );
}
