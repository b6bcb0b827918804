import type { DiagnosticKind } from "../core/diagnostic.ts";
import type { Presets } from "../core/resolve/presets.ts";
import { nearest } from "../core/spec/suggest.ts";
import { DERIVED, LEFT_OUT } from "../core/trainer/left-out.ts";
import type { Change, Parameter } from "../core/trainer/parameter.ts";
import { findParameter, PARAMETERS } from "../core/trainer/parameters.ts";
import { type Script, SECTION_OF, STAGE_IDS } from "../core/vocabulary.ts";
import { readBuiltInPresets } from "../prepare/built-in.ts";
import { DIAGNOSTIC_CHAPTERS, findDiagnosticKind } from "./diagnostic-kinds.ts";
import { EXIT, type ExitCode } from "./exit-code.ts";
import { type ExplainedKey, findKeys, listKeys } from "./explain-key.ts";
import { typeText } from "./parameter-text.ts";
import type { Terminal } from "./terminal.ts";

const CHANGES: Readonly<Record<Change, string>> = {
  nothing: "nothing; finished work stays as it is",
  "next-epoch": "it counts from the next epoch on",
  extend: "more epochs are trained onto what there is, where the schedule allows it",
  "recache-latents": "the latents are made anew, and training starts over",
  "recache-text": "the text encoder's outputs are made anew, and training starts over",
  retrain: "training starts over; what exists is archived",
};

/** What may stand before a parameter's name: its stage, as a plan says, or its section, as a pipeline file says. */
const PREFIXES = [...STAGE_IDS, ...Object.values(SECTION_OF)].map((prefix) => `${prefix}.`);

/** `wan22 explain WORD`: a parameter, a key, an argument of the trainer, or the code of a diagnostic. */
export async function runExplain(word: string, terminal: Terminal): Promise<ExitCode> {
  const name = word.replace(/^-+/, "");
  const kind = findDiagnosticKind(name);
  if (kind !== undefined) {
    terminal.out(explainKind(kind));
    return EXIT.fine;
  }
  const prefix = PREFIXES.find((one) => name.startsWith(one)) ?? "";
  const parameter = findParameter(name.slice(prefix.length));
  if (parameter !== undefined) {
    const presets = await readBuiltInPresets();
    terminal.out(explainParameter(parameter, presets.value));
    return EXIT.fine;
  }
  const derived = DERIVED.find((row) => row.name === name);
  const leftOut = LEFT_OUT.find((row) => row.name === name);
  if (derived !== undefined || leftOut !== undefined) {
    const text = derived === undefined ? `Left out. ${leftOut?.reason}` : `Written by wan22. ${derived.from}`;
    terminal.out(`${name}\n  ${text}`);
    return EXIT.fine;
  }
  const codes = DIAGNOSTIC_CHAPTERS.flatMap(({ kinds }) => kinds.map(({ code }) => code));
  const keys = findKeys(name);
  if (keys.length > 0) {
    terminal.out(keys.map(explainKey).join("\n\n"));
    return EXIT.fine;
  }
  const keyNames = listKeys().map(({ path }) => path.slice(path.lastIndexOf(".") + 1));
  const suggestion = nearest(name, [...PARAMETERS.map((row) => row.name), ...keyNames, ...codes]);
  const hint = suggestion === undefined ? "" : ` Did you mean \`${suggestion}\`?`;
  terminal.err(`There is no parameter, key, argument or diagnostic \`${word}\`.${hint}`);
  return EXIT.error;
}

function explainKind(kind: DiagnosticKind): string {
  const example = kind.example.split("\n").map((line) => `    ${line}`);
  return [`${kind.code} (${kind.severity}): ${kind.summary}`, "", kind.why, kind.mend, "", "Example:", ...example].join(
    "\n",
  );
}

function explainKey({ path, description, choices }: ExplainedKey): string {
  const takes = choices.length === 0 ? [] : ["", `  takes             ${choices.join(", ")}`];
  return [path, `  ${description}`, ...takes].join("\n");
}

function explainParameter(parameter: Parameter, presets: Presets | undefined): string {
  const sections = Object.keys(parameter.takes).map((script) => SECTION_OF[script as Script]);
  const lines = [
    `${parameter.name} (under ${sections.join(", ")})`,
    `  ${parameter.doc}`,
    "",
    `  takes             ${typeText(parameter.type)}`,
    `  trainer's default ${parameter.trainerDefault ?? "none"}`,
  ];
  if (parameter.range !== undefined) lines.push(`  manual's range    ${parameter.range[0]} to ${parameter.range[1]}`);
  for (const [script, change] of Object.entries(parameter.takes)) {
    const where = sections.length > 1 ? ` (${SECTION_OF[script as Script]})` : "";
    lines.push(`  a change means    ${CHANGES[change]}${where}`);
  }
  lines.push(...recommendations(parameter.name, presets));
  return lines.join("\n");
}

/** What the presets recommend, with the manual's reasons in both languages. */
function recommendations(name: string, presets: Presets | undefined): readonly string[] {
  if (presets === undefined) return [];
  const found: { readonly label: string; readonly value: unknown; readonly en: string; readonly zh: string }[] = [];
  const add = (
    label: string,
    row: { readonly value: unknown; readonly reason: { readonly en: string; readonly zh: string } } | undefined,
  ) => {
    if (row !== undefined) found.push({ label, value: row.value, ...row.reason });
  };
  add("by default", presets.defaults.parameters[name]);
  for (const [task, { parameters }] of Object.entries(presets.tasks.tasks)) add(`task ${task}`, parameters[name]);
  for (const { label, parameters } of presets.sizeRules.rules) add(`${label} files`, parameters[name]);
  for (const [tier, { parameters }] of Object.entries(presets.tiers.tiers)) add(`tier ${tier}`, parameters[name]);
  if (found.length === 0) return [];
  const rows = found.flatMap(({ label, value, en, zh }) => {
    const shown = Array.isArray(value) ? `${value[0]} to ${value[1]}` : String(value);
    return [`  ${label}: ${shown}`, `      ${en}`, `      ${zh}`];
  });
  return ["", "Recommended", ...rows];
}
