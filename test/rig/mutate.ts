// biome-ignore-all lint/suspicious/noTemplateCurlyInString: it is the notation that users write.
import { parse, stringify } from "yaml";
import type { Random } from "./random.ts";

/** Damage of every kind that a file can take, from a seed: a disk's, an editor's, and what someone tries on purpose. */

// biome-ignore format: a pile of things
const FRAGMENTS = [
  "", "\t", "\0", "\r", "\uFEFF", "\uD800", "🦊", "狐", "*", "&a ", "!!binary ", "<<: *a", "? ", "- ", ": ", "{", "}", "[", "]", "'", '"',
  "|", "%", "@", "`", "#", "---\n", "\n", "~", "1e999", ".inf", ".nan", "-0", "1e308", "2024-01-01", "${HOME}", "${", "__proto__",
  "constructor", "[".repeat(50), "{{", "{{#each this}}", "{{/each}}", "{{constructor}}", "{{lookup . 'a'}}", "{{> a}}", "{{#*inline \"a\"}}",
  "9".repeat(40), "x".repeat(5000), "-1", "\u202E", "\u2028", "../../..", "/dev/zero",
] as const;

// biome-ignore format: a pile of things
const VALUES: readonly unknown[] = [
  null, "", " ", 0, -0, 1, -1, 0.5, 1e308, 2 ** 53, 1e9, 1e15, Number.NaN, Number.POSITIVE_INFINITY, true, false, [], {}, [[]], [null],
  "x".repeat(9000), "\uD800", "a\0b", "\u202Eabc", "a\nb", "../..", "/", "~/x", "${HOME}", "${", "constructor", "__proto__", "toString",
  "auto", "running", "finished", "train", "musubi", "separate", "prodigy", "100%", "--x", "{{x}}", "16384x16384", "0x0",
  Array.from({ length: 2000 }, (_, index) => index * 4 + 1), ["a", 1, null, {}], { constructor: 1 }, { toString: 2 },
];

type Place = readonly [container: Record<string | number, unknown>, key: string | number];

function placesIn(node: unknown): readonly Place[] {
  if (typeof node !== "object" || node === null) return [];
  const container = node as Record<string | number, unknown>;
  const keys = Array.isArray(node) ? [...node.keys()] : Object.keys(node);
  return keys.flatMap((key): readonly Place[] => [[container, key], ...placesIn(container[key])]);
}

function nest(depth: number): unknown {
  return depth === 0 ? 1 : depth % 2 === 0 ? [nest(depth - 1)] : { a: nest(depth - 1) };
}

/** Deletes, renames, moves, wraps or replaces one to three of the values inside. */
function mutateValue(value: unknown, random: Random): unknown {
  const root = structuredClone(value);
  for (let left = random.integer(1, 3); left > 0; left--) {
    const places = placesIn(root);
    if (places.length === 0) return random.pick(VALUES);
    const [container, key] = random.pick(places);
    const [otherContainer, otherKey] = random.pick(places);
    switch (random.integer(0, 6)) {
      case 0:
        if (Array.isArray(container)) container.splice(Number(key), 1);
        else delete container[key];
        break;
      case 1:
        container[Array.isArray(container) ? container.length : random.pick(["constructor", "copy", ""])] =
          container[key];
        break;
      case 2:
        container[key] = structuredClone(otherContainer[otherKey]);
        break;
      case 3:
        container[key] = random.chance(0.5) ? [container[key]] : nest(random.pick([10, 40, 150]));
        break;
      case 4:
        container[key] = Number(container[key] ?? 1) * random.pick([-1, 0.5, 1e6, 1e300]);
        break;
      default:
        container[key] = structuredClone(random.pick(VALUES));
    }
  }
  return root;
}

/** Cuts, doubles and inserts at random places. */
function mutateText(text: string, random: Random): string {
  let mutated = text;
  for (let left = random.integer(1, 4); left > 0; left--) {
    const at = random.integer(0, mutated.length);
    const rest = mutated.slice(at);
    switch (random.integer(0, 3)) {
      case 0:
        mutated = mutated.slice(0, at) + rest.slice(random.integer(1, 20));
        break;
      case 1:
        mutated = random.chance(0.3) ? mutated.slice(0, at) : mutated.slice(0, at) + rest.slice(0, 200) + rest;
        break;
      case 2:
        mutated = mutated.replace(/: .*$/m, `: ${random.pick(FRAGMENTS)}`);
        break;
      default:
        mutated = mutated.slice(0, at) + random.pick(FRAGMENTS) + rest;
    }
  }
  return mutated;
}

/** Flips bits, cuts, and writes numbers that are all ones. */
function mutateBytes(bytes: Buffer, random: Random): Buffer {
  let mutated = Buffer.from(bytes);
  for (let left = random.integer(1, 6); left > 0 && mutated.length > 8; left--) {
    // Headers stand at the beginning.
    const at = random.integer(0, Math.min(mutated.length, random.chance(0.7) ? 600 : Number.POSITIVE_INFINITY) - 5);
    if (random.chance(0.1)) mutated = mutated.subarray(0, at);
    else if (random.chance(0.3)) mutated.writeUInt32BE(random.pick([0, 1, 7, 0x7fffffff, 0xffffffff]), at);
    else mutated[at] = (mutated[at] ?? 0) ^ (1 << random.integer(0, 7));
  }
  return mutated;
}

/** A file's content with something wrong with it; its name says what it holds. */
export function mutateFile(name: string, content: Buffer, random: Random): Buffer {
  if (!/\.(?:ya?ml|json|ndjson|jsonl|txt|hbs|lock|backup)$/.test(name) || random.chance(0.1)) {
    return mutateBytes(content, random);
  }
  const text = content.toString("utf8");
  const structured = random.chance(0.7);
  if (structured && /\.ya?ml$/.test(name)) {
    return Buffer.from(stringify(mutateValue(parse(text), random), { aliasDuplicateObjects: false }));
  }
  // The stat cache's index has a checksum before its JSON.
  if (structured && /\.(?:json|backup)$/.test(name) && text.startsWith("{"))
    return Buffer.from(json(mutateValue(JSON.parse(text), random)));
  if (structured && /\.(?:ndjson|jsonl)$/.test(name)) {
    const lines = text.trimEnd().split("\n");
    const at = random.integer(0, lines.length - 1);
    return Buffer.from(`${lines.with(at, json(mutateValue(JSON.parse(lines[at] ?? "0"), random))).join("\n")}\n`);
  }
  return Buffer.from(mutateText(text, random));
}

function json(value: unknown): string {
  return JSON.stringify(value) ?? "";
}
