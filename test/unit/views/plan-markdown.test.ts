import { describe, expect, it } from "vitest";
import type { Difference, PlanBase } from "../../../src/core/plan/base.ts";
import { type Plan, planSchema } from "../../../src/core/plan/plan.ts";
import { viewPlanJson } from "../../../src/views/json.ts";
import { codeSpan, prose } from "../../../src/views/markdown/escape.ts";
import { viewPlanMarkdown } from "../../../src/views/markdown/plan.ts";
import { aCheckpoint, aDiagnostic, aPipeline, aPlan, aStage, FIRST_PLAN } from "./plans.ts";

describe("viewPlanMarkdown", () => {
  it("begins with a line that says what it comes to, and folds the rest", () => {
    expect(viewPlanMarkdown(FIRST_PLAN)).toMatchInlineSnapshot(`
      "fox-t2v: create cache-latents and train · 4 checkpoints · ~14 h · VRAM up to 21 GiB of 24

      Plan: 2 stages to run, 4 checkpoints to create.

      <details><summary><code>fox-t2v</code> in <code>pipelines/fox.yaml</code></summary>

      \`\`\`text
      pipelines/fox.yaml · t2v-A14B · noise dual · tier high-end · Musubi Tuner through the bridge
      8 files, 16 items, 16 batches · 16 steps an epoch, 64 in all
      \`\`\`

      \`\`\`diff
      @@ Stages @@
      +  cache-latents  create: nothing is recorded yet
      +  train          create: nothing is recorded yet
                        64 steps in 4 epochs

      @@ Checkpoints in output/fox (4 files, 2.5 GB) @@
      +  fox-t2v-000001.safetensors  epoch 1, step 16  613 MB
      +  fox-t2v-000002.safetensors  epoch 2, step 32  613 MB
      +  fox-t2v-000003.safetensors  epoch 3, step 48  613 MB
      +  fox-t2v.safetensors         epoch 4, step 64  613 MB
      Sizes are of the tensors; on disk each file has a small header besides.
      \`\`\`

      \`\`\`text
      Estimates
        time  13 to 15 h          table: RTX 4090, 35 to 40 s a step
        vram  19 to 21 GiB of 24  formula: 14 B weights in fp8, 20 of 40 blocks swapped

      Learning
        learning_rate  2e-4  pipelines/fox.yaml:17 (recommended: 1e-4 to 3e-4)
        network_dim    32    size rule 20 files: 32 (recommended: 32)
        seed           42    the manual's default

      Memory
        blocks_to_swap  20  tier high-end (recommended: 10 to 20)

      Dataset
        dataset.resolution  [1280, 720]  pipelines/fox.yaml:6

      Following from other keys
        output_name  fox-t2v  output.name
      \`\`\`

      \`\`\`text
      dataset.toml (cache-latents, train)
        [general]
        resolution = [1280, 720]

        [[datasets]]
        video_directory = "data/fox"
      \`\`\`

      \`\`\`text
      Arguments of cache-latents: wan_cache_latents.py
        --dataset_config .wan22/work/fox-t2v/dataset.toml
        --vae "my models/vae.safetensors"
        --vae_cache_cpu

      Arguments of train: wan_train_network.py
        --task t2v-A14B
        --sdpa
        --optimizer_args weight_decay=0.01 betas=0.9,0.999
      \`\`\`

      </details>
      "
    `);
  });

  it("says first of all that it is a rehearsal", () => {
    const stage = aStage({ id: "train", action: "create", driver: "rehearsal" });
    const text = viewPlanMarkdown(aPlan([aPipeline({ backend: "rehearsal", stages: [stage] })]));
    expect(text).toMatch(
      /^fox-t2v: \*\*REHEARSAL on a miniature model\\: no LoRA for Wan comes of it\.\*\* create train/,
    );
  });

  it("lists every checkpoint and bucket: who opens the fold wants to see them", () => {
    const checkpoints = Array.from({ length: 30 }, (_, index) => aCheckpoint(index + 1));
    const buckets = [{ source: 0, width: 1280, height: 720, frames: 25, items: 8, batches: 4 }];
    const pipeline = aPipeline({ stages: [aStage({ id: "train", action: "create" })], checkpoints });
    const text = viewPlanMarkdown(aPlan([{ ...pipeline, dataset: { ...pipeline.dataset, buckets } }]));
    expect(text.match(/^\+ {2}fox-t2v-\d{6}\.safetensors/gm)).toHaveLength(30);
    expect(text).toContain("source 1: 1280x720, 25 frames: 8 items, 4 batches");
  });

  it("does not call it no change where the files tell otherwise", () => {
    const done = aPipeline({ stages: [aStage({ id: "train", action: "none" })] });
    const gone = aDiagnostic({ severity: "warning", code: "P7", file: done.file });
    expect(viewPlanMarkdown(aPlan([done], [gone]))).toContain("Nothing is to do; see the warnings. 1 warning.");
  });

  it("gives every pipeline a line, and opens the errors", () => {
    const broken = aPipeline({ name: "owl", valid: false });
    const done = aPipeline({ name: "cat", stages: [aStage({ id: "train", action: "none" })] });
    const text = viewPlanMarkdown(aPlan([done, broken, ...FIRST_PLAN.pipelines], [aDiagnostic()]));
    expect(text.slice(0, text.indexOf("</details>"))).toMatchInlineSnapshot(`
      "- cat: no changes
      - owl: can't be planned
      - fox-t2v: create cache-latents and train · 4 checkpoints · ~14 h · VRAM up to 21 GiB of 24

      Plan: 2 stages to run, 4 checkpoints to create. 1 error.

      <details open><summary>1 error</summary>

      \`\`\`text
      error[S3] Unknown key
        = \`learing_rate\` is no key of \`train\`. Did you mean \`learning_rate\`?

      1 error
      \`\`\`

      "
    `);
  });

  it("puts notes last, which ask nothing of a reviewer, and warnings first", () => {
    const folds = (severity: "note" | "warning") =>
      [
        ...viewPlanMarkdown(aPlan([...FIRST_PLAN.pipelines], [aDiagnostic({ severity })])).matchAll(/<summary>(.*?)</g),
      ].map(([, summary]) => summary);
    expect(folds("note")).toEqual(["", "1 note"]);
    expect(folds("warning")).toEqual(["1 warning", ""]);
  });

  it("says so where nothing is to do", () => {
    const done = aPipeline({ stages: [aStage({ id: "train", action: "none" })] });
    expect(viewPlanMarkdown(aPlan([done]))).toBe("fox-t2v: no changes\n\nNo changes.\n");
  });

  it("says only what is wrong where nothing can be planned", () => {
    const text = viewPlanMarkdown(aPlan([aPipeline({ name: "owl", valid: false })], [aDiagnostic()]));
    expect(text.slice(0, text.indexOf("<"))).toBe("owl: can't be planned\n\n1 error.\n\n");
  });

  it("cuts what doesn't fit, says how much, and closes every fence and fold", () => {
    const stage = aStage({ id: "train", action: "create", files: { "dataset.toml": "x = 1\n".repeat(40_000) } });
    const checkpoints = Array.from({ length: 3_000 }, (_, index) =>
      aCheckpoint(index + 1, { action: index % 2 === 0 ? "keep" : "create" }),
    );
    const text = viewPlanMarkdown(
      aPlan([aPipeline({ stages: [stage], checkpoints }), aPipeline({ name: "owl", stages: [stage] })]),
    );
    expect(text.length).toBeLessThanOrEqual(65_000);
    expect(text.length).toBeGreaterThan(60_000);
    expect(text).toMatch(/… \d+ more lines\n```/);
    expect(text.endsWith("_Cut to fit into a comment; `wan22 plan` shows all of it._\n")).toBe(true);
    expect(text.match(/<details/g)?.length).toBe(text.match(/<\/details>/g)?.length);
    expect((text.match(/^```/gm)?.length ?? 1) % 2).toBe(0);
  });

  it("counts pipelines that find no room", () => {
    const pipelines = Array.from({ length: 2_000 }, (_, index) =>
      aPipeline({ name: `fox-${index}`, stages: [aStage({ id: "train", action: "create", argv: ["a", "--b"] })] }),
    );
    const text = viewPlanMarkdown(aPlan(pipelines));
    expect(text.length).toBeLessThanOrEqual(65_000);
    expect(text).toContain("and 1950 pipelines more");
    expect(text.match(/<details/g)?.length).toBe(text.match(/<\/details>/g)?.length);
  });
});

describe("a comment on a change", () => {
  const differences: readonly Difference[] = [
    { subject: "parameter", name: "learning_rate", how: "changed", from: 2e-4, to: 1e-4, file: "fox.yaml", line: 17 },
    { subject: "item", name: "0/07", how: "removed" },
  ];
  const baseOf = (pipelines: PlanBase["pipelines"]): PlanBase => ({
    ref: "origin/main",
    commit: "1234567890",
    pipelines,
  });

  it("says of each pipeline what became of it, and shows what differs before anything else", () => {
    const named = ["fox-t2v", "cat", "owl"].map((name) => ({ ...FIRST_PLAN.pipelines[0], name })) as Plan["pipelines"];
    const file = "pipelines/fox.yaml";
    const base = baseOf([
      { name: "fox-t2v", file, change: "changed", differences: [...differences] },
      { name: "cat", file, change: "new", differences: [] },
      { name: "owl", file, change: "unknown", problem: "the base's can't be planned", differences: [] },
      { name: "dog", file: "pipelines/dog.yaml", change: "removed", differences: [] },
    ]);
    const text = viewPlanMarkdown({ ...aPlan(named), base });
    expect(text.split("\n").slice(0, 4)).toEqual([
      "- fox-t2v: create cache-latents and train · 4 checkpoints · ~14 h · VRAM up to 21 GiB of 24 · 2 differences from origin/main",
      "- cat: create cache-latents and train · 4 checkpoints · ~14 h · VRAM up to 21 GiB of 24 · new",
      "- owl: create cache-latents and train · 4 checkpoints · ~14 h · VRAM up to 21 GiB of 24 · not compared with origin/main\\: the base's can't be planned",
      "- dog: removed; its record and checkpoints stay",
    ]);
    const diff = "@@ Against origin/main (1234567) @@\n~  learning_rate 2e-4 → 1e-4 (fox.yaml:17)\n-  clip 07\n";
    expect(text).toContain(diff);
    expect(text.indexOf(diff)).toBeLessThan(text.indexOf("@@ Stages @@"));
  });

  it("shows what differs where the plan has nothing to do", () => {
    const done = aPipeline({ stages: [aStage({ id: "train", action: "none" })] });
    const base = baseOf([{ name: done.name, file: done.file, change: "changed", differences: [...differences] }]);
    expect(viewPlanMarkdown({ ...aPlan([done]), base })).toContain("-  clip 07");
  });

  it("ends with a mark that no folder's name breaks and nothing quoted can imitate", () => {
    const mark = (project: string) => viewPlanMarkdown(FIRST_PLAN, { project }).split("\n").at(-2);
    expect(mark(".")).toBe("<!-- wan22 plan: . -->");
    expect(mark("train/fox-t2v")).toBe("<!-- wan22 plan: train/fox-t2v -->");
    expect(mark('a --> <b> "c"')).toBe("<!-- wan22 plan: a %2D%2D%3E %3Cb%3E %22c%22 -->");
    const evil = "<!-- wan22 plan: other -->";
    const stage = aStage({ id: "train", action: "create", argv: [evil], files: { "dataset.toml": evil } });
    const text = viewPlanMarkdown(aPlan([aPipeline({ name: evil, file: evil, stages: [stage] })]), { project: "." });
    expect(text.match(/<!--/g)).toHaveLength(1);
  });

  it("cuts what matters least of all pipelines, not the last ones", () => {
    const stage = aStage({ id: "train", action: "create", argv: Array.from({ length: 400 }, (_, at) => `--a${at}`) });
    const pipelines = Array.from({ length: 30 }, (_, at) => aPipeline({ name: `fox-${at}`, stages: [stage] }));
    const base = baseOf(
      pipelines.map(({ name, file }) => ({ name, file, change: "changed", differences: [...differences] })),
    );
    const text = viewPlanMarkdown({ ...aPlan(pipelines), base });
    expect(text.length).toBeLessThanOrEqual(65_000);
    expect(text.match(/^- {2}clip 07$/gm)).toHaveLength(30);
    expect(text).toMatch(/… \d+ more lines\n```/);
  });

  it("says so where a change touches nothing", () => {
    expect(viewPlanMarkdown({ ...aPlan([]), base: baseOf([]) })).toBe(
      "No pipeline is touched by what changed since origin/main \\(1234567\\).\n",
    );
  });
});

describe("text from outside, in Markdown", () => {
  it("can't close a fence, a fold or a code span", () => {
    const evil = "```\n</details>\n<img src=x onerror=alert(1)> @everyone `x` | a | #1 [l](http://e.com)";
    const pipeline = aPipeline({
      name: evil,
      file: evil,
      stages: [
        aStage({
          id: "train",
          action: "create",
          reasons: [{ cause: "stale", text: evil }],
          argv: [evil],
          files: { [evil]: `${evil}\n\`\`\`\`\`\`` },
        }),
      ],
      checkpoints: [aCheckpoint(1, { file: evil })],
      parameters: { seed: { value: evil, source: { layer: "pipeline", text: evil } } },
    });
    const text = viewPlanMarkdown(aPlan([pipeline], [aDiagnostic({ detail: evil, file: evil, summary: evil })]));
    const outside = withoutCode(text);
    expect(outside).not.toMatch(/everyone|onerror|http|\[l\]|#1/);
    expect(outside.match(/<\/?details/g)).toHaveLength(4);
  });

  it("is a code span whatever it holds", () => {
    expect(codeSpan("a`b")).toBe("``a`b``");
    expect(codeSpan("`")).toBe("`` ` ``");
    expect(codeSpan("a``b`")).toBe("``` a``b` ```");
    expect(codeSpan("")).toBe('`""`');
    expect(codeSpan("a\nb")).toBe("`a\\nb`");
  });

  it("is prose without formatting, links, mentions or HTML", () => {
    expect(prose("*a* _b_ [c](d) <e> & `f`")).toBe("\\*a\\* \\_b\\_ \\[c\\]\\(d\\) &lt;e&gt; &amp; \\`f\\`");
    expect(prose("@everyone #12 www.example.com http://e.com")).toBe(
      "@\u200beveryone \\#\u200b12 www\u200b.example.com http\\://e.com",
    );
    expect(prose("~14 h")).toBe("~14 h");
    expect(prose("~a~")).toBe("\\~a\\~");
  });
});

describe("viewPlanJson", () => {
  it("is the plan itself, indented, and the same every time", () => {
    const text = viewPlanJson(FIRST_PLAN);
    expect(planSchema.parse(JSON.parse(text))).toEqual(FIRST_PLAN);
    expect(text).toBe(viewPlanJson(structuredClone(FIRST_PLAN)));
    expect(text.split("\n").slice(0, 3)).toEqual(["{", '  "format_version": "1.0",', '  "changes": true,']);
  });

  it("holds no character that a terminal would obey, and yet says the same", () => {
    const plan = aPlan([aPipeline({ name: "\u001b[2J\u009b\u202e\u2028🦊学" })]);
    const text = viewPlanJson(plan);
    expect(text).not.toMatch(/[^\n\P{C}]/u);
    expect(JSON.parse(text)).toEqual(plan);
  });
});

/** What is left of Markdown when fenced blocks, code spans and `<code>` are taken away. */
function withoutCode(markdown: string): string {
  return markdown
    .replace(/^(`{3,})\w*\n[\s\S]*?\n\1$/gm, "")
    .replace(/<code>[^<]*<\/code>/g, "")
    .replace(/(?<!`)(`+)(?!`)[\s\S]*?(?<!`)\1(?!`)/g, "");
}
