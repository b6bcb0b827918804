import type { ArgumentSurface } from "../facts.ts";
import type { Script } from "../vocabulary.ts";
import surface from "./musubi-0.3.4-args.json" with { type: "json" };

/** The argparse surface of the trainer's three scripts, as read from Musubi Tuner 0.3.4 by introspection. */

/** The file that each stage runs, in the trainer's `src/musubi_tuner`. */
export const SCRIPT_FILES = {
  "cache-latents": "wan_cache_latents.py",
  "cache-text": "wan_cache_text_encoder_outputs.py",
  train: "wan_train_network.py",
} as const satisfies Record<Script, string>;

interface RawArgument {
  readonly kind: string;
  readonly type?: string;
  readonly choices?: readonly string[];
  readonly required?: boolean;
  readonly nargs?: string;
}

function readArgument(raw: RawArgument): ArgumentSurface {
  const { type } = raw;
  return {
    kind: raw.kind === "flag" ? "flag" : raw.nargs === "*" ? "list" : "value",
    type: type === "int" || type === "float" || type === "int_or_float" ? type : "string",
    ...(raw.choices === undefined ? {} : { choices: raw.choices }),
    required: raw.required === true,
  };
}

function readScript(file: keyof typeof surface.scripts): ReadonlyMap<string, ArgumentSurface> {
  const raw: Readonly<Record<string, RawArgument>> = surface.scripts[file];
  return new Map(Object.entries(raw).map(([name, argument]) => [name, readArgument(argument)]));
}

/** Argument name with its dashes (`--learning_rate`) to what it takes. */
export const ARGUMENT_SURFACE: Readonly<Record<Script, ReadonlyMap<string, ArgumentSurface>>> = {
  "cache-latents": readScript(SCRIPT_FILES["cache-latents"]),
  "cache-text": readScript(SCRIPT_FILES["cache-text"]),
  train: readScript(SCRIPT_FILES.train),
};
