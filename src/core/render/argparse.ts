import type { ArgumentSurface } from "../facts.ts";
import { ARGUMENT_SURFACE } from "../trainer/argument-surface.ts";
import type { Script } from "../vocabulary.ts";
import type { Argument } from "./arguments.ts";

/** Reads a rendered argument list back the way the trainer's argparse does, and compares it with what was meant. */

interface ParsedArguments {
  /** Name with its dashes to its values; a flag has none. */
  readonly values: ReadonlyMap<string, readonly string[]>;
  /** Sentences about words that the trainer would refuse or misunderstand. */
  readonly faults: readonly string[];
}

/** Whether argparse takes a word for a value although an option could stand there. */
function isValue(word: string): boolean {
  return !word.startsWith("-") || word === "-" || /^-\d+$|^-\d*\.\d+$/.test(word);
}

/** The value as the script's own type reads it; undefined where the script would refuse it. */
function typed({ type, choices }: ArgumentSurface, value: string): string | number | undefined {
  if (choices !== undefined && !choices.includes(value)) return undefined;
  switch (type) {
    case "string":
      return value;
    case "int":
      return /^[+-]?\d+$/.test(value) ? Number(value) : undefined;
    case "float":
      return /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/.test(value) ? Number(value) : undefined;
    case "int_or_float":
      return /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?%?$/.test(value) ? value : undefined;
  }
}

function parseArguments(script: Script, words: readonly string[]): ParsedArguments {
  const surface = ARGUMENT_SURFACE[script];
  const values = new Map<string, readonly string[]>();
  const faults: string[] = [];
  let index = 0;
  while (index < words.length) {
    const word = words[index++] ?? "";
    const equals = word.indexOf("=");
    const name = equals < 0 ? word : word.slice(0, equals);
    const spec = surface.get(name);
    if (spec === undefined) {
      faults.push(`\`${word}\` is no argument of the script, nor the value of one.`);
      continue;
    }
    const given: string[] = equals < 0 ? [] : [word.slice(equals + 1)];
    const room = spec.kind === "list" ? Number.POSITIVE_INFINITY : spec.kind === "flag" ? 0 : 1;
    while (equals < 0 && given.length < room) {
      const next = words[index];
      if (next === undefined || !isValue(next)) break;
      given.push(next);
      index++;
    }
    if (spec.kind === "flag" && given.length > 0) faults.push(`\`${name}\` is a flag and takes no value.`);
    if (spec.kind === "value" && given.length === 0) faults.push(`\`${name}\` lacks its value.`);
    for (const value of given) {
      if (typed(spec, value) === undefined) faults.push(`\`${name}\` does not take \`${value}\`.`);
    }
    if (values.has(name)) faults.push(`\`${name}\` is given twice.`);
    values.set(name, given);
  }
  return { values, faults };
}

function show(values: readonly string[]): string {
  return values.length === 0 ? "without a value" : values.map((value) => `\`${value}\``).join(" ");
}

/** What is different between the words of a command line and the arguments meant, as sentences. None is the proof. */
export function findArgumentFaults(
  script: Script,
  words: readonly string[],
  meant: readonly Argument[],
): readonly string[] {
  const surface = ARGUMENT_SURFACE[script];
  const { values, faults } = parseArguments(script, words);
  const differences = [...faults];
  for (const argument of meant) {
    const spec = surface.get(argument.name);
    const found = values.get(argument.name);
    if (spec === undefined || found === undefined) {
      differences.push(`\`${argument.name}\` is missing; it was meant to be given ${show(argument.values)}.`);
      continue;
    }
    const same =
      found.length === argument.values.length &&
      found.every((value, index) => typed(spec, value) === typed(spec, argument.values[index] ?? ""));
    if (!same)
      differences.push(
        `\`${argument.name}\` is given ${show(found)}, and was meant to be given ${show(argument.values)}.`,
      );
  }
  const names = new Set(meant.map((argument) => argument.name));
  for (const name of values.keys()) {
    if (!names.has(name)) differences.push(`\`${name}\` was not meant to be given.`);
  }
  return differences;
}
