import { expect, test } from "vitest";
import { render, TEMPLATE_NAMES } from "../../../src/core/render/render.ts";
import { type Random, randomFrom } from "../../rig/random.ts";
import { resolveCase } from "../check/judge.ts";
import { TEMPLATES, templatesWith } from "./sample.ts";

const MUTATIONS = Number(process.env.WAN22_RANDOM_TEMPLATES ?? 500);
const SEED = Number(process.env.WAN22_SEED ?? 22);

/** What templates are made of, and what they are attacked with. */
const PIECES = [
  ...[
    "{{",
    "}}",
    "{{#",
    "{{/",
    "{{^",
    "{{&",
    "{{>",
    "{{!--",
    "--}}",
    "{{{",
    "}}}",
    "{{else}}",
    "{{~",
    "~}}",
    "*inline",
  ],
  ...[
    "each",
    "if",
    "toml",
    "arg",
    "this",
    "words",
    "../",
    "@root",
    "@key",
    "as |a|",
    "(",
    ")",
    "[constructor]",
    "__proto__",
  ],
  ...["\n", '"', "'", "=", "[", "]", "#", "\\", "🦊", "\u0000", " "],
] as const;

function mutate(text: string, random: Random): string {
  const at = random.integer(0, text.length);
  switch (random.integer(0, 3)) {
    case 0:
      return text.slice(0, at) + text.slice(at + random.integer(1, 12));
    case 1:
      return text.slice(0, at) + text.slice(random.integer(0, text.length));
    default:
      return text.slice(0, at) + random.pick(PIECES) + text.slice(at);
  }
}

test(`${MUTATIONS} mutated templates render what was meant, or say what is wrong in words`, () => {
  const random = randomFrom(SEED);
  const { resolved } = resolveCase({ pipeline: ["noise: low"] });
  const sound = render({ resolved, templates: TEMPLATES }).value;
  const names = Object.values(TEMPLATE_NAMES);
  for (let index = 0; index < MUTATIONS; index++) {
    const name = random.pick(names);
    let text = TEMPLATES[name]?.text ?? "";
    for (let left = random.integer(1, 6); left > 0; left--) text = mutate(text, random);
    const { value, diagnostics } = render({ resolved, templates: templatesWith(name, text) });
    if (value !== undefined) {
      // The order of arguments and the comments of a TOML may differ; the arguments may not.
      const words = value.stages.map(({ argv }) => argv.toSorted());
      expect(words).toEqual(sound?.stages.map(({ argv }) => argv.toSorted()));
      continue;
    }
    expect(diagnostics.length).toBeGreaterThan(0);
    for (const { code, detail } of diagnostics) {
      expect(code).toMatch(/^X\d$/);
      expect(detail).not.toMatch(/ {4}at |undefined|\[object|knownHelpers/);
    }
  }
}, 60_000);
