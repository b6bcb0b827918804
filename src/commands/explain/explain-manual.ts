import type { Presets } from "../../core/resolve/presets.ts";
import { shownValue } from "../../core/resolve/provenance.ts";
import { TASKS, type Task, TIERS, type Tier } from "../../core/vocabulary.ts";

/** What the manual says, as `wan22 explain` prints it: figures with their reasons, in English and in Chinese. */

export interface Bilingual {
  readonly en: string;
  readonly zh: string;
}

/** One figure of the manual. */
export interface Figure {
  readonly label: string;
  readonly value?: string | undefined;
  readonly reason?: Bilingual | undefined;
}

type Value = string | number | boolean | readonly [number, number];

/** `16 to 24`, or the value itself; with the manual's own figure where another had to be taken. */
export function valueText(value: Value, manual?: string | number | boolean): string {
  const text = isRange(value) ? value.map(shownValue).join(" to ") : shownValue(value);
  return manual === undefined ? text : `${text} (in the manual: ${manual})`;
}

function isRange(value: Value): value is readonly [number, number] {
  return Array.isArray(value);
}

function spanText({ from, to }: { readonly from: number; readonly to?: number | undefined }, unit: string): string {
  if (to === undefined) return from === 0 ? `any number of ${unit}` : `${from} ${unit} or more`;
  return `${from} to ${to} ${unit}`;
}

/** A heading with figures below it; nothing where there are none. */
export function section(title: string, figures: readonly Figure[]): readonly string[] {
  if (figures.length === 0) return [];
  const lines = figures.flatMap(({ label, value, reason }) => [
    value === undefined ? `  ${label}` : `  ${label}: ${value}`,
    ...(reason === undefined ? [] : [`      ${reason.en}`, `      ${reason.zh}`]),
  ]);
  return ["", title, ...lines];
}

function page(title: string, ...parts: readonly (readonly string[])[]): string {
  return [title, ...parts.flat()].join("\n");
}

function both({ en, zh }: Bilingual): string {
  return `${en} · ${zh}`;
}

type Recommendations = Presets["defaults"]["parameters"];

function recommended(recommendations: Recommendations): readonly Figure[] {
  return Object.entries(recommendations).map(([label, { value, manual, reason }]) => ({
    label,
    value: valueText(value, manual),
    reason,
  }));
}

/** A class of graphics cards: what the manual sets for it, and what it expects of it. */
function explainTier(tier: Tier, { tiers, memory }: Presets): string {
  const { title, trait, noise, suits, vram_gib, ram_gib, caps, parameters, advice, memory_from_gib } =
    tiers.tiers[tier];
  const cards = tiers.cards
    .filter((card) => card.tier === tier)
    .map(({ name, vram_gib: size }) => `${name} (${size} GB)`);
  const expected = vram_gib.map(
    ({ card, value }) => `${valueText(value)} GB${card === undefined ? "" : ` on ${card}`}`,
  );
  return page(
    `${tier}: ${both(title)}`,
    [`  ${trait.en}`, `  ${trait.zh}`],
    section("Expects", [
      { label: "GPU memory used", value: expected.join(", ") },
      { label: "host memory", value: `${ram_gib} GB or more` },
      { label: "dataset", value: spanText(suits, "files") },
    ]),
    section(
      "In the manual's table of GPU memory",
      memory.configurations.filter((row) => row.tier === tier).map(configuration),
    ),
    section("Cards", [
      { label: "by name", value: cards.join(", ") },
      { label: "by memory", value: `others from ${memory_from_gib} GB on` },
    ]),
    section("Sets", [{ label: "noise", value: noise.value, reason: noise.reason }, ...recommended(parameters)]),
    section("Caps at the upper end of", recommended(caps)),
    section("Advises", recommended(advice)),
  );
}

type Configuration = Presets["memory"]["configurations"][number];

function configuration({ name, vram_gib, cards, ram_gib, files_to, suits }: Configuration): Figure {
  const dataset =
    suits !== undefined ? both(suits) : files_to === undefined ? "any dataset" : `up to ${files_to} files`;
  return {
    label: both(name),
    value: `${spanText(vram_gib, "GB")} of GPU memory, ${ram_gib} GB or more of host memory; ${cards.join(", ")}; ${dataset}`,
  };
}

/** All figures about machines: what `hardware` chooses from. */
export function hardwareFigures({ tiers, memory }: Presets): readonly string[] {
  const classes = TIERS.map((tier): Figure => {
    const { title, memory_from_gib, ram_gib, suits } = tiers.tiers[tier];
    const value = `${both(title)}; from ${memory_from_gib} GB of GPU memory, ${ram_gib} GB of host memory, for ${spanText(suits, "files")}`;
    return { label: tier, value };
  });
  const { smallest_gib, architectures } = tiers;
  const generations = Object.values(architectures).map(({ title, bf16, fp8 }): Figure => {
    const lacks = [...(bf16 ? [] : ["bf16"]), ...(fp8 ? [] : ["8-bit arithmetic"])];
    return { label: title, value: lacks.length === 0 ? "bf16 and 8-bit arithmetic" : `no ${lacks.join(", no ")}` };
  });
  return [
    ...section("Tiers (explain one by its name)", classes),
    ...section("GPU memory of Wan2.2 14B at batch size 1", memory.configurations.map(configuration)),
    ...section("Host memory by swapped blocks", ramFigures(memory)),
    ...section("Smallest card", [
      { label: "GPU memory", value: `${smallest_gib.value} GB`, reason: smallest_gib.reason },
    ]),
    ...section("What a generation of cards computes with", generations),
    "",
    "`wan22 explain buying` has the manual's advice on what to buy.",
  ];
}

/** Host memory that swapped blocks ask for. */
export function ramFigures({ ram_by_blocks_to_swap }: Presets["memory"]): readonly Figure[] {
  return ram_by_blocks_to_swap.map(({ blocks, ram_gib, reason }) => ({
    label: blocks[0] === blocks[1] ? `${blocks[0]} blocks` : `${valueText(blocks)} blocks`,
    value: `${ram_gib} GB or more`,
    reason,
  }));
}

function explainBuying({ advice }: Presets): string {
  const offers = advice.buying.map(({ budget, cards, ram_gib, ram_type, storage_tb, suits }): Figure => {
    const value = `${cards.join(" or ")}; ${spanText(ram_gib, "GB")} of ${ram_type}; NVMe SSD of ${spanText(storage_tb, "TB")}`;
    return { label: both(budget), value, reason: suits };
  });
  return page("buying: what the manual advises to buy", section("By budget", offers));
}

function explainHints({ advice }: Presets): string {
  const parts = advice.hints.map(({ topic, parameters = [], reason }) => [
    ...section(both(topic), [
      ...parameters.map(({ when, name, value, manual }) => ({
        label: `${name}, ${both(when)}`,
        value: valueText(value, manual),
      })),
      { label: reason.en },
      { label: reason.zh },
    ]),
  ]);
  return page("hints: the manual's general advice", ...parts);
}

function explainSizes({ sizeRules }: Presets): string {
  const parts = sizeRules.rules.map(({ label, title, trait, parameters, advice }) => [
    ...section(`${label} files: ${both(title)}`, [{ label: trait.en }, { label: trait.zh }]),
    ...section(`${label} files, sets`, recommended(parameters)).slice(1),
    ...section(`${label} files, advises`, recommended(advice)).slice(1),
  ]);
  return page("sizes: what the manual recommends by the number of training files", ...parts);
}

function explainTask(task: Task, { tasks }: Presets): string {
  const { title, parameters, halves, extra_vram_gib } = tasks.tasks[task];
  const range = ({ min_timestep, max_timestep }: { readonly min_timestep: number; readonly max_timestep: number }) =>
    `timesteps ${min_timestep} to ${max_timestep}`;
  return page(
    `${task}: ${both(title)}`,
    section("Sets", recommended(parameters)),
    section("Halves of the model, trained alone", [
      { label: "low noise", value: range(halves.low) },
      { label: "high noise", value: range(halves.high) },
    ]),
    section("Takes", [
      { label: "more GPU memory", value: `${valueText(extra_vram_gib.value)} GB`, reason: extra_vram_gib.reason },
    ]),
  );
}

type Problem = keyof Presets["remedies"]["problems"];

function explainProblem(problem: Problem, { remedies }: Presets): string {
  const { symptom, remedies: advised } = remedies.problems[problem];
  const parts = advised.map(({ title, parameters = {}, keys = {}, by_task = {}, manual = {}, ...remedy }, index) => {
    const settings = [...Object.entries(parameters), ...Object.entries(keys)].map(
      ([name, value]): Figure => ({ label: name, value: valueText(value, manual[name]) }),
    );
    const ofTasks = Object.entries(by_task).flatMap(([task, values]) =>
      Object.entries(values).map(
        ([name, value]): Figure => ({ label: `${name} for ${task}`, value: valueText(value) }),
      ),
    );
    const others = Object.entries(manual)
      .filter(([name]) => !Object.hasOwn(parameters, name))
      .map(([name, value]): Figure => ({ label: name, value: `${value} in the manual` }));
    return section(`${index + 1}. ${both(title)}`, [
      ...settings,
      ...ofTasks,
      ...others,
      ...(remedy.ram_gib === undefined ? [] : [{ label: "host memory", value: `${remedy.ram_gib} GB or more` }]),
      ...(remedy.saves_vram_percent === undefined
        ? []
        : [{ label: "saves GPU memory", value: `${valueText(remedy.saves_vram_percent)} %` }]),
      ...(remedy.costs === undefined ? [] : [{ label: "costs", value: both(remedy.costs) }]),
      { label: remedy.reason.en },
      { label: remedy.reason.zh },
    ]);
  });
  return page(`${problem}: ${both(symptom)}`, ...parts);
}

const PAGES: Readonly<Record<string, (presets: Presets) => string>> = {
  buying: explainBuying,
  hints: explainHints,
  sizes: explainSizes,
  ...Object.fromEntries(TIERS.map((tier) => [tier, (presets: Presets) => explainTier(tier, presets)])),
  ...Object.fromEntries(TASKS.map((task) => [task, (presets: Presets) => explainTask(task, presets)])),
};

/** Every word that a page of the manual is found by. */
export function manualWords({ remedies }: Presets): readonly string[] {
  return [...Object.keys(PAGES), ...Object.keys(remedies.problems)];
}

/** The manual's page under a word: a tier, a task, a problem, or one of buying, hints and sizes. */
export function explainManual(word: string, presets: Presets): string | undefined {
  const known = Object.hasOwn(PAGES, word) ? PAGES[word] : undefined;
  if (known !== undefined) return known(presets);
  const problem = (Object.keys(presets.remedies.problems) as Problem[]).find((each) => each === word);
  return problem === undefined ? undefined : explainProblem(problem, presets);
}
