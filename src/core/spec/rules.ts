import { type Diagnostic, type DiagnosticKind, diagnose, type Severity } from "../diagnostic.ts";
import { clip } from "./clip.ts";
import { SPEC_CODES } from "./codes.ts";
import { fieldAt } from "./field.ts";
import { whyNoFileName } from "./file-name.ts";
import { type ShapedFile, shown } from "./issues.ts";
import {
  FRAME_EXTRACTIONS,
  MAX_SIDE,
  MIN_SIDE,
  RESOLUTION_PATTERN,
  SOURCE_KEYS,
  SOURCE_KINDS,
  VIDEO_KEYS,
} from "./shape.ts";
import { type Environment, expandPath } from "./variables.ts";
import { dotted, type KeyPath, nodeAt, placeAt, walk, type YamlMap, type YamlNode } from "./yaml-tree.ts";

/**
 * Rules inside one file that a shape cannot say. They read the tree, not the parsed value, so that each of them
 * finds its faults whatever else is wrong with the file.
 */

export interface RuleInput {
  readonly file: ShapedFile;
  readonly environment: Environment;
  /** Whether a later file replaces the value at this path: what does not count needs no variable. */
  readonly isOverridden: (path: KeyPath) => boolean;
  /** Whether what is at this path may go without its variables: the rehearsal has no use for models. */
  readonly isUnread: (path: KeyPath) => boolean;
}

type Report = (kind: DiagnosticKind, path: KeyPath, detail: string, severity?: Severity) => void;
type Rule = (input: RuleInput, report: Report) => void;

const RULES: readonly Rule[] = [
  sourceNamesOneInput,
  imagesTakeNoVideoKeys,
  frameKeysHaveAnEffect,
  resolutionIsWithinBounds,
  hardwareSaysSomething,
  outputNameIsAFileName,
  nameIsAFileName,
  gpusAreDistinct,
  hooksHaveOneTarget,
  hooksHaveTheirVariables,
  promptsAreLines,
  variablesStandInPaths,
  pathsAreWhole,
];

/** All findings of all rules about one file. A tree that is partly a guess is not judged. */
export function checkRules(input: RuleInput): Diagnostic[] {
  const { file } = input;
  if (file.trustedUntil.size > 0) return [];
  const findings: Diagnostic[] = [];
  const report: Report = (kind, path, detail, severity) => {
    findings.push(diagnose(kind, detail, { at: placeAt(file.root, path), path: dotted(path), severity }));
  };
  for (const rule of RULES) rule(input, report);
  return findings;
}

function sourcesOf(root: YamlNode): readonly { readonly path: KeyPath; readonly map: YamlMap }[] {
  const list = nodeAt(root, ["dataset", "sources"]);
  if (list?.kind !== "list") return [];
  return list.items.flatMap((map, index) => (map.kind === "map" ? [{ path: ["dataset", "sources", index], map }] : []));
}

function textAt(root: YamlNode, path: KeyPath): string | undefined {
  const node = nodeAt(root, path);
  return node?.kind === "scalar" && typeof node.value === "string" ? node.value : undefined;
}

function sourceNamesOneInput({ file }: RuleInput, report: Report): void {
  for (const { path, map } of sourcesOf(file.root)) {
    const given = SOURCE_KINDS.filter((kind) => map.entries.has(kind));
    // An unknown key was reported already, and may well be the one that was meant.
    const isComplete = [...map.entries.keys()].every((key) => SOURCE_KEYS.has(key));
    if (given.length === 0 && isComplete) {
      report(
        SPEC_CODES.noInput,
        path,
        `This source names no files. Add exactly one of ${SOURCE_KINDS.join(", ")}, such as \`videos: data/fox\`.`,
      );
    }
    const [first, ...others] = given;
    for (const other of others) {
      report(
        SPEC_CODES.severalInputs,
        [...path, other],
        `This source names \`${first}\` and \`${other}\`. Keep one, and write another entry for the other.${first === "videos" && other === "images" ? " I2V needs no images: the first frame of each clip is used." : ""}`,
      );
    }
  }
}

function imagesTakeNoVideoKeys({ file }: RuleInput, report: Report): void {
  for (const { path, map } of sourcesOf(file.root)) {
    const isImages = map.entries.has("images") || map.entries.has("image_jsonl");
    const isVideos = map.entries.has("videos") || map.entries.has("video_jsonl");
    if (!isImages || isVideos) continue;
    for (const key of VIDEO_KEYS.filter((candidate) => map.entries.has(candidate))) {
      report(
        SPEC_CODES.videoOnlyKey,
        [...path, key],
        `\`${key}\` is for videos; this source holds images, which have one frame each. Remove the line.`,
      );
    }
  }
}

/** What each of these keys waits for. */
const NEEDS_EXTRACTION = { frame_stride: "slide", frame_sample: "uniform", max_frames: "full" } as const;

function frameKeysHaveAnEffect({ file }: RuleInput, report: Report): void {
  for (const { path, map } of sourcesOf(file.root)) {
    if (!map.entries.has("videos") && !map.entries.has("video_jsonl")) continue;
    const extraction = textAt(file.root, [...path, "frame_extraction"]) ?? "head";
    for (const [key, needed] of Object.entries(NEEDS_EXTRACTION)) {
      if (!map.entries.has(key) || extraction === needed || !isExtraction(extraction)) continue;
      report(
        SPEC_CODES.noEffect,
        [...path, key],
        `\`${key}\` counts with \`frame_extraction: ${needed}\` only; here it is ${extraction}. Remove the line, or set that.`,
      );
    }
  }
}

function isExtraction(text: string): boolean {
  return FRAME_EXTRACTIONS.some((extraction) => extraction === text);
}

/** The pattern takes any digits; the bounds of the list form hold here too. */
function resolutionIsWithinBounds({ file }: RuleInput, report: Report): void {
  const paths: readonly KeyPath[] = [["dataset"], ...sourcesOf(file.root).map((source) => source.path)];
  for (const path of paths.map((parent) => [...parent, "resolution"])) {
    const sides = RESOLUTION_PATTERN.exec(textAt(file.root, path) ?? "");
    if (sides === null || [sides[1], sides[2]].every(isSide)) continue;
    report(
      SPEC_CODES.outOfBounds,
      path,
      `\`${shown(path)}\` must be from ${MIN_SIDE} to ${MAX_SIDE} pixels each way. Change it, for example to 1280x720.`,
    );
  }
}

function isSide(text: string | undefined): boolean {
  return Number(text) >= MIN_SIDE && Number(text) <= MAX_SIDE;
}

/** `hardware: {}` says nothing. */
function hardwareSaysSomething({ file }: RuleInput, report: Report): void {
  const map = nodeAt(file.root, ["hardware"]);
  if (map?.kind !== "map" || map.entries.size > 0) return;
  report(
    SPEC_CODES.emptyValue,
    ["hardware"],
    "`hardware` is an empty map. Write a tier, a GPU's name, or gpu, vram_gb or ram_gb below it; or remove the line.",
  );
}

function outputNameIsAFileName({ file }: RuleInput, report: Report): void {
  checkFileName(file, ["output", "name"], report);
}

/** A pipeline's name becomes a file's too; its letters are the shape's concern, device names are not. */
function nameIsAFileName({ file }: RuleInput, report: Report): void {
  const name = textAt(file.root, ["name"]);
  if (name !== undefined && /^[a-z0-9][a-z0-9-]*$/.test(name)) checkFileName(file, ["name"], report);
}

function checkFileName(file: ShapedFile, path: KeyPath, report: Report): void {
  const name = textAt(file.root, path);
  if (name === undefined || name === "" || name.includes("${")) return;
  const why = whyNoFileName(name);
  if (why === undefined) return;
  report(
    SPEC_CODES.illegalFileName,
    path,
    `\`${shown(path)}\` ${why}. Checkpoints are named after it: use letters, digits, dashes and underscores.`,
  );
}

function gpusAreDistinct({ file }: RuleInput, report: Report): void {
  const list = nodeAt(file.root, ["gpus"]);
  if (list?.kind !== "list") return;
  const seen = new Set<unknown>();
  list.items.forEach((item, index) => {
    const id = item.kind === "scalar" ? item.value : item;
    if (seen.has(id)) {
      report(SPEC_CODES.repeatedGpu, ["gpus", index], `Device ${String(id)} is listed already. List each id once.`);
    }
    seen.add(id);
  });
}

function promptsAreLines({ file }: RuleInput, report: Report): void {
  const path: KeyPath = ["train", "sample_prompts"];
  const list = nodeAt(file.root, path);
  if (list?.kind !== "list") return;
  list.items.forEach((item, index) => {
    if (item.kind !== "scalar" || typeof item.value !== "string") return;
    const fault = faultOfPrompt(item.value);
    if (fault !== undefined) report(SPEC_CODES.badPrompt, [...path, index], fault);
  });
}

function faultOfPrompt(prompt: string): string | undefined {
  const text = prompt.trim();
  if (text === "")
    return "This prompt is empty, and the trainer skips empty lines. Write a prompt, or remove the entry.";
  if (text.startsWith("#")) {
    return "This prompt begins with `#`, which the trainer takes for a comment. Begin it with a word.";
  }
  if (/[\r\n]/.test(text)) {
    return "This prompt holds a line break, and the trainer reads one prompt a line. Write it on one line, or fold it with `>-`.";
  }
  return undefined;
}

function hooksHaveOneTarget({ file }: RuleInput, report: Report): void {
  const list = nodeAt(file.root, ["notify"]);
  if (list?.kind !== "list") return;
  list.items.forEach((hook, index) => {
    if (hook.kind !== "map") return;
    const isComplete = [...hook.entries.keys()].every((key) => HOOK_KEYS.includes(key));
    const given = ["command", "url"].filter((key) => hook.entries.has(key));
    if (given.length === 1 || !isComplete) return;
    const said = given.length === 0 ? "names neither a `command` nor a `url`" : "names both a `command` and a `url`";
    report(
      SPEC_CODES.hookTarget,
      ["notify", index],
      `This hook ${said}. Write one of them; a second hook takes the other.`,
    );
  });
}

const HOOK_KEYS: readonly string[] = ["command", "url", "on"];

/** Found before a run rather than at its end. What a variable holds is a secret, and the rest of the URL may be one: only names are said. */
function hooksHaveTheirVariables({ file, environment, isOverridden }: RuleInput, report: Report): void {
  const list = nodeAt(file.root, ["notify"]);
  if (list?.kind !== "list" || isOverridden(["notify"])) return;
  list.items.forEach((_, index) => {
    const path: KeyPath = ["notify", index, "url"];
    const { unset, malformed } = expandPath(textAt(file.root, path) ?? "", environment);
    for (const variable of unset) {
      const standing = environment[variable] === "" ? "empty" : "not set";
      report(
        SPEC_CODES.unsetInHook,
        path,
        `\`${shown(path)}\` needs the environment variable ${clip(variable)}, which is ${standing}: nobody would be told. Set it where \`wan22 apply\` runs.`,
      );
    }
    if (malformed.length > 0) {
      const detail = `A variable in \`${shown(path)}\` is neither \`\${NAME}\` nor \`\${NAME:-default}\`: nobody would be told. Close the brace, and use letters, digits and underscores in the name.`;
      report(SPEC_CODES.malformedVariable, path, detail, "warning");
    }
  });
}

/** `costs ${5}` is no variable. */
const VARIABLE = /\$\{[A-Za-z_]\w*(?::-[^}]*)?\}/;

function variablesStandInPaths({ file }: RuleInput, report: Report): void {
  walk(file.root, (node, path) => {
    if (node.kind !== "scalar" || typeof node.value !== "string" || !VARIABLE.test(node.value)) return;
    const words = fieldAt(file.shape, path);
    if (words === undefined || words.wants === "path" || words.takesVariables === true) return;
    if (words.isFreeText === true) {
      const detail = `\`${shown(path)}\` is not a path, so \`${clip(VARIABLE.exec(node.value)?.[0] ?? "")}\` in it is taken literally. Write the value itself if the variable is meant.`;
      report(SPEC_CODES.variableOutsidePath, path, detail, "warning");
      return;
    }
    report(
      SPEC_CODES.variableOutsidePath,
      path,
      `\`${shown(path)}\` is not a path, and \`\${VAR}\` works in paths only: a plan must not depend on who makes it. Write the value itself.`,
    );
  });
}

/** What `expandPath` finds in the path values that count. */
function pathsAreWhole({ file, environment, isOverridden, isUnread }: RuleInput, report: Report): void {
  walk(file.root, (node, path) => {
    if (node.kind !== "scalar" || typeof node.value !== "string") return;
    if (fieldAt(file.shape, path)?.wants !== "path" || isOverridden(path)) return;
    const { text, unset, malformed, bare } = expandPath(node.value, environment);
    const name = shown(path);
    for (const part of malformed) {
      report(
        SPEC_CODES.malformedVariable,
        path,
        `\`${clip(part)}\` in \`${name}\` is neither \`\${NAME}\` nor \`\${NAME:-default}\`. ${part.lastIndexOf("${") > 0 ? "Write a default without a variable of its own." : "Close the brace, and use letters, digits and underscores in the name."}`,
      );
    }
    for (const variable of isUnread(path) ? [] : unset) {
      const mend =
        variable === "HOME" && node.value.startsWith("~")
          ? "`~` stands for it. Set it, or write the folder out."
          : `Set it, or give it a default: \`\${${clip(variable)}:-/some/folder}\`.`;
      report(
        SPEC_CODES.unsetVariable,
        path,
        `\`${name}\` needs the environment variable ${clip(variable)}, which is ${environment[variable] === "" ? "empty" : "not set"}. ${mend}`,
      );
    }
    for (const part of bare) {
      report(
        SPEC_CODES.bareVariable,
        path,
        `\`${clip(part)}\` in \`${name}\` is taken literally. Write \`\${${clip(part.slice(1))}}\` if the variable is meant.`,
      );
    }
    if (text === "" || /[\n\r\t]/.test(text)) {
      report(
        SPEC_CODES.badFormat,
        path,
        text === ""
          ? `\`${name}\` is empty once its variables are replaced. Write a path.`
          : `\`${name}\` holds a line break or a tab. Write the path on one line, in quotes where it needs them.`,
      );
    }
  });
}
