import { fromMarkdown } from "mdast-util-from-markdown";
import { describe, expect, it } from "vitest";
import type { Diagnostic } from "../../../src/core/diagnostic.ts";
import type { PlanBase } from "../../../src/core/plan/base.ts";
import type { CheckpointPlan, PipelinePlan, Plan, StageAction, StagePlan } from "../../../src/core/plan/plan.ts";
import { DRIVERS } from "../../../src/core/vocabulary.ts";
import { viewAnnotations } from "../../../src/views/github.ts";
import { viewDiagnostics } from "../../../src/views/human/diagnostics.ts";
import { viewPlanHuman } from "../../../src/views/human/plan.ts";
import { viewPlanJson } from "../../../src/views/json.ts";
import { viewPlanMarkdown } from "../../../src/views/markdown/plan.ts";

/** Every view over many plans that no program would make: strange names, empty lists, huge and odd numbers. */

const PLANS = 60;
/** Milliseconds; the rest of the machine may be busy. */
const TIMEOUT = 60_000;

/** Strings that have broken some terminal, table, fence or annotation before. */
const NASTY = [
  "",
  " ",
  "fox-t2v",
  "pipelines/fox.yaml",
  "学习率/数据集 🦊👩‍👩‍👧",
  "\u001b[2J\u001b]0;title\u0007",
  "\u009b31m",
  "\u202eltr\u2066",
  "a\r\nb\n\n\nc",
  "\t\ttabs",
  "```\n````\n</details><script>",
  "`|` | \\| |",
  "@everyone #1 [x](http://e.com) <b>",
  "::error file=x::y%0A,:",
  "C:\\Users\\me\\clips",
  "-".repeat(300),
  "x".repeat(5_000),
  "\ud800 lone",
  "__proto__",
  "~a~ *b* _c_",
];

/** A small generator with a seed (mulberry32), so that a failure can be seen again. */
function createRandom(seed: number) {
  let state = seed;
  const next = () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (limit: number) => Math.floor(next() * limit);
  return {
    below,
    pick: <T>(values: readonly T[]): T => values[below(values.length)] as T,
    text: () => NASTY[below(NASTY.length)] ?? "",
    list: <T>(most: number, make: () => T): T[] => Array.from({ length: below(most + 1) }, make),
    maybe: <T>(make: () => T): T | undefined => (next() < 0.5 ? make() : undefined),
  };
}
type Random = ReturnType<typeof createRandom>;

const ACTIONS = [
  "create",
  "update",
  "resume",
  "extend",
  "replace",
  "none",
  "wait",
] as const satisfies readonly StageAction[];
const STAGES = ["cache-latents", "cache-text", "train", "train-low", "train-high"] as const;
const LAYERS = ["trainer", "defaults", "task", "size-rule", "tier", "project", "pipeline", "derived"] as const;

function randomValue(random: Random) {
  return random.pick([
    random.text(),
    random.below(1_000),
    random.below(1_000) / 1e7,
    true,
    [random.text(), random.below(9)],
  ]);
}

function randomStage(random: Random): StagePlan {
  const made = {
    total_epochs: random.maybe(() => random.below(100)),
    total_steps: random.maybe(() => random.below(1e6)),
    done_steps: random.maybe(() => random.below(1e5)),
    done_epochs: random.maybe(() => random.below(100)),
    resume_from: random.maybe(random.text),
    renames: random.maybe(() => random.list(2, () => ({ from: random.text(), to: random.text() }))),
    archive: random.maybe(() => random.list(9, random.text)),
    pending: random.maybe(() => random.list(4, random.text)),
    cache_files: random.maybe(() => random.list(9, random.text)),
  };
  const given = Object.fromEntries(Object.entries(made).filter(([, value]) => value !== undefined));
  return {
    id: random.pick(STAGES),
    action: random.pick(ACTIONS),
    driver: random.pick(DRIVERS),
    reasons: random.list(3, () => ({
      cause: random.pick(["stale", "parameter-changed"] as const),
      text: random.text(),
    })),
    argv: random.list(9, () => random.pick(["--flag", random.text()])),
    files: Object.fromEntries(random.list(2, () => [random.text(), random.text()])),
    fingerprint: "",
    inputs: {},
    identities: {},
    ...given,
  };
}

function randomCheckpoint(random: Random): CheckpointPlan {
  return {
    stage: random.pick(STAGES),
    file: `${random.text()}/${random.text()}`,
    kind: random.pick(["checkpoint", "state"] as const),
    action: random.pick(["create", "keep", "replace", "prune", "orphan"] as const),
    epoch: random.below(1e4),
    step: random.below(1e8),
    bytes: random.below(2 ** 40),
  };
}

function randomPipeline(random: Random): PipelinePlan {
  return {
    name: random.text(),
    file: random.text(),
    valid: random.below(4) > 0,
    task: random.text(),
    noise: random.text(),
    tier: random.text(),
    backend: random.text(),
    parameters: Object.fromEntries(
      random.list(12, () => [
        random.pick(["learning_rate", "dataset.resolution", "cache-text.fp8_t5", "train-low.seed", random.text()]),
        { value: randomValue(random), source: { layer: random.pick(LAYERS), text: random.text() } },
      ]),
    ),
    dataset: {
      files: random.below(9),
      items: 0,
      batches: 1,
      steps_per_epoch: 1,
      total_steps: 1,
      digest: "",
      buckets: [],
    },
    stages: random.list(4, () => randomStage(random)),
    checkpoints: random.list(random.pick([2, 40]), () => randomCheckpoint(random)),
    estimates: Object.fromEntries(
      random.list(3, () => [
        random.pick(["time", "vram", random.text()]),
        {
          low: random.below(9),
          high: random.below(1e6),
          unit: random.pick(["s", "h", "GiB", "bytes", "MiB", random.text()]),
          basis: random.text(),
        },
      ]),
    ),
    digest: "",
  };
}

function randomDiagnostic(random: Random): Diagnostic {
  const range = () => ({
    line: random.below(9),
    column: random.below(50),
    end_line: random.below(9),
    end_column: random.below(50),
  });
  return {
    severity: random.pick(["error", "warning", "note"] as const),
    code: random.text(),
    summary: random.text(),
    detail: random.text(),
    message: "",
    file: random.maybe(random.text),
    range: random.maybe(range),
    related: random.list(2, () => ({ message: random.text(), file: random.text(), range: random.maybe(range) })),
  };
}

const SUBJECTS = [
  "setting",
  "parameter",
  "item",
  "model",
  "amount",
  "stage",
  "estimate",
  "policy",
  "file",
  "arguments",
];

function randomBase(random: Random, pipelines: readonly PipelinePlan[]): PlanBase {
  const changes = ["new", "changed", "same", "removed", "unknown"] as const;
  return {
    ref: random.text(),
    commit: "0".repeat(40),
    pipelines: [...pipelines, ...random.list(2, () => ({ name: random.text(), file: random.text() }))].map(
      ({ name, file }) => ({
        name,
        file,
        change: random.pick(changes),
        problem: random.text(),
        differences: random.list(random.pick([2, 12]), () => ({
          subject: random.pick(SUBJECTS) as "setting",
          name: random.text(),
          how: random.pick(["added", "removed", "changed"] as const),
          from: randomValue(random),
          to: randomValue(random),
          part: random.text(),
          file: random.text(),
          line: random.below(9),
        })),
      }),
    ),
  };
}

function randomPlan(seed: number): Plan {
  const random = createRandom(seed);
  const pipelines = random.list(seed === 20 ? 200 : 4, () => randomPipeline(random));
  const base = random.maybe(() => randomBase(random, pipelines));
  return {
    format_version: "1.0",
    changes: true,
    pipelines,
    ...(base === undefined ? {} : { base }),
    diagnostics: random
      .list(4, () => randomDiagnostic(random))
      .map((diagnostic) => ({ ...diagnostic, related: [...diagnostic.related] })),
  };
}

const SEEDS = Array.from({ length: PLANS }, (_, index) => index + 1);
const TEXTS = new Map(NASTY.map((name, index) => [name, NASTY.slice(index).join("\n")]));

/** A character that a terminal would obey or a reader not see; U+200C, U+200D and the space after `@` are meant. */
const UNPRINTABLE = /(?![\u200b\u200c\u200d])[^\n\P{C}]/u;

/** Around the first place where a text does what it must not; undefined where it doesn't. */
function excerpt(text: string, fault: RegExp): string | undefined {
  const at = text.search(fault);
  return at < 0 ? undefined : JSON.stringify(text.slice(Math.max(0, at - 40), at + 40));
}

/** The first few plans of which `check` finds something to say. */
function faults(check: (plan: Plan) => readonly (string | undefined)[]): readonly string[] {
  return SEEDS.flatMap((seed) =>
    check(randomPlan(seed)).flatMap((fault) => (fault === undefined ? [] : [`seed ${seed}: ${fault}`])),
  ).slice(0, 3);
}

describe("every view, over strange plans", { timeout: TIMEOUT }, () => {
  it("shows people nothing that their terminal would obey, no spaces at line ends, and no gaps", () => {
    const sizes = [
      { width: 80, details: "summary" },
      { width: 50, details: "full" },
      { width: 0, details: "summary" },
    ] as const;
    const found = faults((plan) =>
      [
        ...sizes.map((size) => viewPlanHuman(plan, { colour: false, ...size, sources: TEXTS })),
        viewDiagnostics(plan.diagnostics, { colour: false, texts: TEXTS }),
      ].flatMap((text) => [UNPRINTABLE, / $/m, /\n\n\n/].map((fault) => excerpt(text, fault))),
    );
    expect(found).toEqual([]);
  });

  it("uses the colours it means and ends each", () => {
    const found = faults((plan) => {
      const text = viewPlanHuman(plan, { colour: true, sources: TEXTS });
      const codes = text
        .split("\u001b[")
        .slice(1)
        .map((part) => part.slice(0, part.indexOf("m")));
      const number = (...wanted: readonly string[]) => codes.filter((code) => wanted.includes(code)).length;
      return [
        number("1", "2") === number("22") ? undefined : "strong or faint doesn't end",
        number("31", "32", "33", "36") === number("39") ? undefined : "a colour doesn't end",
        number("1", "2", "22", "31", "32", "33", "36", "39") === codes.length ? undefined : "another code",
      ];
    });
    expect(found).toEqual([]);
  });

  it("keeps a comment within its limit, whatever that is, with every fence and fold closed", () => {
    const found = faults((plan) =>
      [65_000, 20_000].flatMap((maxCharacters) => {
        const text = viewPlanMarkdown(plan, { maxCharacters, sources: TEXTS });
        const outside = withoutFences(text);
        const opened = outside.match(/^<details/gm)?.length ?? 0;
        const closed = outside.match(/^<\/details>/gm)?.length ?? 0;
        return [
          text.length > maxCharacters ? `${text.length} characters` : undefined,
          opened === closed ? undefined : `${opened} folds opened, ${closed} closed`,
          excerpt(text, UNPRINTABLE),
          excerpt(outside, /^`{3,}[^`]*$/m),
          excerpt(
            outside.replace(/<code>[^<]*<\/code>|(?<!`)(`+)(?!`).*?(?<!`)\1(?!`)/g, ""),
            /<(?!\/?(?:details|summary)\b)/,
          ),
        ];
      }),
    );
    expect(found).toEqual([]);
  });

  it("keeps what comes from outside within code and words, as a reader of Markdown sees it", () => {
    const found = faults((plan) => {
      const text = viewPlanMarkdown(plan, { sources: TEXTS, project: plan.pipelines[0]?.name ?? "." });
      return [
        text.length > 65_000 ? `${text.length} characters` : undefined,
        text.endsWith(" -->\n") ? undefined : "the mark is missing",
        text.match(/<!--/g)?.length === 1 ? undefined : "more marks than one",
        ...nodesOf(fromMarkdown(text)).map(strayNode),
      ];
    });
    expect(found).toEqual([]);
  });

  it("gives JSON that reads back as the plan", () => {
    for (const seed of SEEDS) {
      const plan = randomPlan(seed);
      expect(JSON.parse(viewPlanJson(plan))).toEqual(JSON.parse(JSON.stringify(plan)));
    }
  });

  it("gives annotations of one line each", () => {
    const command = /^::(?:error|warning|notice) (?:\w+=[^,:]*)(?:,\w+=[^,:]*)*::/;
    const found = faults((plan) =>
      viewAnnotations(plan.diagnostics)
        .split("\n")
        .slice(0, -1)
        .map((line) => (command.test(line) ? undefined : line.slice(0, 80))),
    );
    expect(found).toEqual([]);
  });
});

type Node = ReturnType<typeof fromMarkdown>["children"][number];

function nodesOf(parent: { readonly children: readonly Node[] }): readonly Node[] {
  return parent.children.flatMap((node) => [node, ...("children" in node ? nodesOf(node) : [])]);
}

const NODES: readonly string[] = ["paragraph", "text", "strong", "emphasis", "inlineCode", "list", "listItem", "code"];
const HTML =
  /^(?:<details(?: open)?><summary>(?:[^<>]|<\/?code>)*<\/summary>|<\/details>|<!-- wan22 plan: [^<>]* -->|<\/details>\n<!-- [^<>]* -->)$/;

/** A node of the parsed comment that nothing here writes: a link, a picture, a heading, other HTML. */
function strayNode(node: Node): string | undefined {
  if (node.type === "html") return HTML.test(node.value) ? undefined : `HTML: ${node.value.slice(0, 80)}`;
  if (!NODES.includes(node.type)) return `a ${node.type}`;
  if (node.type === "emphasis") {
    const [first] = node.children;
    return first?.type === "text" && first.value.startsWith("Cut to fit") ? undefined : "emphasis";
  }
  return node.type === "code" && !["text", "diff"].includes(node.lang ?? "") ? `code in ${node.lang}` : undefined;
}

/** What is left when fenced blocks are taken away, read line by line as GitHub does. */
function withoutFences(markdown: string): string {
  let fence: string | undefined;
  const outside: string[] = [];
  for (const line of markdown.split("\n")) {
    const opening = /^(`{3,})(?:text|diff)$/.exec(line)?.[1];
    if (fence !== undefined) fence = line === fence ? undefined : fence;
    else if (opening !== undefined) fence = opening;
    else outside.push(line);
  }
  return outside.join("\n");
}
