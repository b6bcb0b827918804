import type { DiagnosticKind } from "../../core/diagnostic.ts";
import type { Presets } from "../../core/resolve/presets.ts";
import { KNOWN_NAMES } from "../../core/spec/known-names.ts";
import { nearest, normalizeKey } from "../../core/spec/suggest.ts";
import { DERIVED, LEFT_OUT } from "../../core/trainer/left-out.ts";
import { findParameter, PARAMETERS } from "../../core/trainer/parameters.ts";
import { SECTION_OF, STAGE_IDS } from "../../core/vocabulary.ts";
import { readBuiltInPresets } from "../../prepare/built-in.ts";
import { fitText } from "../../views/text/wrap.ts";
import { DIAGNOSTIC_CHAPTERS, findDiagnosticKind } from "../diagnostic-kinds.ts";
import { EXIT, type ExitCode } from "../exit-code.ts";
import type { Terminal } from "../terminal.ts";
import { type ExplainedKey, findKeys, listKeys } from "./explain-key.ts";
import { explainManual, hardwareFigures, manualWords, section, valueText } from "./explain-manual.ts";
import { explainParameter, explainSection } from "./explain-parameter.ts";

const SECTIONS = Object.values(SECTION_OF);

/** What may stand before a parameter's name: its stage, as a plan says, or its section, as a pipeline file says. */
const PREFIXES = [...STAGE_IDS, ...SECTIONS].map((prefix) => `${prefix}.`);

/** `wan22 explain [WORD]`: what can be explained; or a parameter, a section, a key, a page of the manual, an argument of the trainer, or a diagnostic's code. */
export async function runExplain(word: string | undefined, terminal: Terminal): Promise<ExitCode> {
  const { value: presets, diagnostics } = await readBuiltInPresets();
  if (presets === undefined) throw new Error(diagnostics.map(({ message }) => message).join("\n"));
  if (word === undefined) {
    terminal.out(fitText(listWordsToExplain(presets), terminal.width));
    return EXIT.fine;
  }
  const text = explain(word.replace(/^-+/, ""), presets);
  if (text !== undefined) {
    const whole = /\p{Script=Han}/u.test(text) ? `${text}\n\n${ABOUT_CHINESE}` : text;
    terminal.out(fitText(whole, terminal.width));
    return EXIT.fine;
  }
  terminal.err(
    `There is no parameter, key, argument or diagnostic \`${word}\`.${hintFor(word, presets)} \`wan22 explain\` lists what there is.`,
  );
  return EXIT.error;
}

/** Reasons stand in both languages, the manual's own under what it says in English. */
const ABOUT_CHINESE = "What is in Chinese is the manual's own wording of the English beside or above it.";

/** The explanation of a word; undefined for one that means nothing here. */
export function explain(name: string, presets: Presets): string | undefined {
  const kind = findDiagnosticKind(name);
  if (kind !== undefined) return explainKind(kind);
  const own = SECTIONS.find((each) => each === name);
  if (own !== undefined) return explainSection(own);
  const prefix = PREFIXES.find((one) => name.startsWith(one)) ?? "";
  const parameter = findParameter(name.slice(prefix.length));
  if (parameter !== undefined) return explainParameter(parameter, presets);
  const page = explainManual(name, presets);
  if (page !== undefined) return page;
  const derived = DERIVED.find((row) => row.name === name);
  const leftOut = LEFT_OUT.find((row) => row.name === name);
  const keys = findKeys(name);
  const asArgument =
    derived === undefined ? leftOut && `Left out. ${leftOut.reason}` : `Written by wan22. ${derived.from}`;
  if (keys.length === 0) return asArgument === undefined ? undefined : `${name}\n  ${asArgument}`;
  const explained = keys.map((key) => explainKey(key, presets)).join("\n\n");
  return asArgument === undefined ? explained : `${explained}\n\n${name} as an argument\n  ${asArgument}`;
}

/** What `explain` knows, group by group. */
function listWordsToExplain(presets: Presets): string {
  const keys = listKeys().flatMap(({ path }) => (path.includes(".") ? [] : [path]));
  const groups: readonly (readonly [string, string])[] = [
    ["keys of a pipeline file", keys.filter((key) => !SECTIONS.some((each) => each === key)).join(", ")],
    ["sections, with every parameter", SECTIONS.join(", ")],
    ["the manual", manualWords(presets).join(", ")],
    ["diagnostics", "a code, such as T1 or A15"],
    ["arguments of the trainer", "such as --sdpa"],
  ];
  return ["wan22 explain WORD", ...groups.flatMap(([title, words]) => ["", title, `  ${words}`])].join("\n");
}

/** What may have been meant: what other programs call so, or the nearest word. */
function hintFor(word: string, presets: Presets): string {
  const known = KNOWN_NAMES.get(normalizeKey(word));
  if (known !== undefined && "to" in known) {
    const meant = known.to.replace(/^(?:train|cache_latents|cache_text)\./, "").replaceAll("[]", "");
    return ` Did you mean \`${meant}\`?`;
  }
  if (known !== undefined) return ` ${"note" in known ? known.note : known.advice}`;
  const codes = DIAGNOSTIC_CHAPTERS.flatMap(({ kinds }) => kinds.map(({ code }) => code));
  const keyNames = listKeys().map(({ path }) => path.slice(path.lastIndexOf(".") + 1));
  const suggestion = nearest(word, [
    ...PARAMETERS.map((row) => row.name),
    ...keyNames,
    ...manualWords(presets),
    ...codes,
  ]);
  return suggestion === undefined ? "" : ` Did you mean \`${suggestion}\`?`;
}

function explainKind(kind: DiagnosticKind): string {
  const example = kind.example.split("\n").map((line) => `    ${line}`);
  const head = `${kind.code} (${kind.severity}): ${kind.summary}`;
  return [head, "", kind.why, kind.mend, "", "Example of what causes it:", ...example].join("\n");
}

function explainKey({ path, description, choices }: ExplainedKey, presets: Presets): string {
  const takes = choices.length === 0 ? [] : ["", `  takes             ${choices.join(", ")}`];
  return [path, `  ${description}`, ...takes, ...figuresOfKey(path, presets)].join("\n");
}

/** What the manual has for a key of the pipeline. */
function figuresOfKey(path: string, presets: Presets): readonly string[] {
  const { keys } = presets.defaults;
  const standard = Object.hasOwn(keys, path) ? keys[path] : undefined;
  const byDefault =
    standard === undefined ? [] : [{ label: "by default", value: valueText(standard.value), reason: standard.reason }];
  return [...section("In the manual", byDefault), ...moreFigures(path, presets)];
}

function moreFigures(path: string, presets: Presets): readonly string[] {
  const { percent, reason } = presets.memory.factors.dual_costs_vram;
  switch (path) {
    case "hardware":
      return hardwareFigures(presets);
    case "noise":
    case "models.dit_high_noise":
      return section("Both models instead of one", [
        { label: "cost GPU memory", value: `${valueText(percent)} % more`, reason },
      ]);
    case "dataset":
    case "dataset.sources":
      return [
        ...keysIn(path),
        "",
        "`wan22 explain sizes` has the manual's figures by the number of files, `wan22 explain hints` its advice on clips and captions.",
      ];
    default:
      return keysIn(path);
  }
}

/** What may be written under a key, in the words of each. */
function keysIn(path: string): readonly string[] {
  const figures = listKeys().flatMap(({ path: key, description: value }) => {
    const [, label] = key.startsWith(path) ? (/^(?:\[\])?\.([^.[]+)$/.exec(key.slice(path.length)) ?? []) : [];
    return label === undefined ? [] : [{ label, value }];
  });
  return section("Keys", figures);
}
