import type { ArgumentSurface, TrainerFacts } from "../facts.ts";
import { present } from "../present.ts";
import { ARGUMENT_SURFACE } from "../trainer/argument-surface.ts";
import { SCRIPTS, type Script } from "../vocabulary.ts";
import type { LockedTrainer } from "./lock.ts";

/** The trainer in a few lines: what its scripts take, as far as that is another surface than Musubi Tuner 0.3.4's. */

type Difference = NonNullable<LockedTrainer["arguments"][Script]>;

export function lockTrainer(trainer: TrainerFacts): LockedTrainer {
  const { version, commit, bridge, arguments: installed, missingModules } = trainer;
  const differences = SCRIPTS.flatMap((script) => {
    const found = installed?.[script];
    return found === undefined ? [] : [[script, differenceOf(script, found)] as const];
  });
  return {
    ...present({ version, commit, bridge }),
    arguments: Object.fromEntries(differences),
    ...(missingModules.length === 0 ? {} : { missing_modules: [...missingModules].sort() }),
  };
}

function differenceOf(script: Script, found: ReadonlyMap<string, Pick<ArgumentSurface, "choices">>): Difference {
  const usual = ARGUMENT_SURFACE[script];
  const lacks = [...usual.keys()].filter((name) => !found.has(name)).sort();
  const more = [...found.keys()].filter((name) => !usual.has(name)).sort();
  const choices = [...found]
    .filter(([name, { choices }]) => JSON.stringify(choices) !== JSON.stringify(usual.get(name)?.choices))
    .map(([name, { choices = [] }]): [string, string[]] => [name, [...choices]])
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return {
    ...(lacks.length === 0 ? {} : { lacks }),
    ...(more.length === 0 ? {} : { more }),
    ...(choices.length === 0 ? {} : { choices: Object.fromEntries(choices) }),
  };
}

export function unlockTrainer(locked: LockedTrainer): TrainerFacts {
  const { version, commit, bridge, arguments: differences, missing_modules: missingModules = [] } = locked;
  const surfaceOf = (script: Script) => {
    const difference = differences[script];
    return difference === undefined ? undefined : surfaceFrom(script, difference);
  };
  return {
    ...present({ version, commit, bridge }),
    arguments: {
      "cache-latents": surfaceOf("cache-latents"),
      "cache-text": surfaceOf("cache-text"),
      train: surfaceOf("train"),
    },
    missingModules,
  };
}

/** Names and choices are all that a plan asks for; of what is new in the trainer its kind is not known. */
function surfaceFrom(
  script: Script,
  { lacks = [], more = [], choices = {} }: Difference,
): ReadonlyMap<string, ArgumentSurface> {
  const unknown: ArgumentSurface = { kind: "value", type: "string", required: false };
  const names = new Map<string, ArgumentSurface>([
    ...[...ARGUMENT_SURFACE[script]].filter(([name]) => !lacks.includes(name)),
    ...more.map((name) => [name, unknown] as const),
  ]);
  for (const [name, own] of Object.entries(choices)) {
    const { choices: _, ...surface } = names.get(name) ?? unknown;
    names.set(name, own.length === 0 ? surface : { ...surface, choices: own });
  }
  return names;
}
