import { describe, expect, it } from "vitest";
import type { Plan } from "../../../src/core/plan/plan.ts";
import { viewPlanHuman } from "../../../src/views/human/plan.ts";
import { describeSteps, describeTraining } from "../../../src/views/plan-summary.ts";
import { textColumns } from "../../../src/views/text/width.ts";
import { aCheckpoint, aDiagnostic, aPipeline, aPlan, aStage, FIRST_PLAN } from "./plans.ts";

function view(plan: Plan, options: { readonly width?: number; readonly details?: "summary" | "full" } = {}): string {
  return viewPlanHuman(plan, { colour: false, ...options });
}

describe("a first plan", () => {
  it("reads as this", () => {
    expect(view(FIRST_PLAN)).toMatchInlineSnapshot(`
      "fox-t2v: create cache-latents and train · 4 checkpoints · ~14 h · VRAM up to
        21 GiB of 24
        pipelines/fox.yaml · t2v-A14B · noise dual · tier high-end · Musubi Tuner
        through the bridge
        8 files, 16 items, 16 batches · 16 steps an epoch, 64 in all

        Stages
          +  cache-latents  create: nothing is recorded yet
          +  train          create: nothing is recorded yet
                            64 steps in 4 epochs

        Checkpoints in output/fox (4 files, 2.5 GB)
          +  fox-t2v-000001.safetensors  epoch 1, step 16  613 MB
          +  fox-t2v-000002.safetensors  epoch 2, step 32  613 MB
          +  fox-t2v-000003.safetensors  epoch 3, step 48  613 MB
          +  fox-t2v.safetensors         epoch 4, step 64  613 MB
          Sizes are of the tensors; on disk each file has a small header besides.

        Estimates
          time  13 to 15 h          table: RTX 4090, 35 to 40 s a step
          vram  19 to 21 GiB of 24  formula: 14 B weights in fp8, 20 of 40 blocks
                                    swapped

        Learning
          learning_rate  2e-4  pipelines/fox.yaml:17 (recommended: 1e-4 to 3e-4)
          network_dim    32    size rule 20 files: 32 (recommended: 32)

        Memory
          blocks_to_swap  20  tier high-end (recommended: 10 to 20)

        Dataset
          dataset.resolution  [1280, 720]  pipelines/fox.yaml:6

        2 more parameters at their defaults, or following from other keys: --details
        shows them.

      Plan: 2 stages to run, 4 checkpoints to create.
      Apply it with: wan22 apply pipelines/fox.yaml
      "
    `);
  });

  it("reads as this in full", () => {
    expect(view(FIRST_PLAN, { details: "full" })).toMatchInlineSnapshot(`
      "fox-t2v: create cache-latents and train · 4 checkpoints · ~14 h · VRAM up to
        21 GiB of 24
        pipelines/fox.yaml · t2v-A14B · noise dual · tier high-end · Musubi Tuner
        through the bridge
        8 files, 16 items, 16 batches · 16 steps an epoch, 64 in all

        Stages
          +  cache-latents  create: nothing is recorded yet
          +  train          create: nothing is recorded yet
                            64 steps in 4 epochs

        Checkpoints in output/fox (4 files, 2.5 GB)
          +  fox-t2v-000001.safetensors  epoch 1, step 16  613 MB
          +  fox-t2v-000002.safetensors  epoch 2, step 32  613 MB
          +  fox-t2v-000003.safetensors  epoch 3, step 48  613 MB
          +  fox-t2v.safetensors         epoch 4, step 64  613 MB
          Sizes are of the tensors; on disk each file has a small header besides.

        Estimates
          time  13 to 15 h          table: RTX 4090, 35 to 40 s a step
          vram  19 to 21 GiB of 24  formula: 14 B weights in fp8, 20 of 40 blocks
                                    swapped

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

        Cache files of cache-latents in .
          +  a
          +  b

        dataset.toml (cache-latents, train)
          [general]
          resolution = [1280, 720]

          [[datasets]]
          video_directory = "data/fox"

        Arguments of cache-latents: wan_cache_latents.py
          --dataset_config .wan22/work/fox-t2v/dataset.toml
          --vae "my models/vae.safetensors"
          --vae_cache_cpu

        Arguments of train: wan_train_network.py
          --task t2v-A14B
          --sdpa
          --optimizer_args weight_decay=0.01 betas=0.9,0.999

      Plan: 2 stages to run, 4 checkpoints to create.
      Apply it with: wan22 apply pipelines/fox.yaml
      "
    `);
  });

  it("says what is done alone, and which rules are broken, where nobody weighs values", () => {
    const [pipeline] = FIRST_PLAN.pipelines;
    const policy = [
      { rule: "tasks" as const, limit: ["t2v-A14B"], verdict: "kept" as const, found: ["t2v-A14B"] },
      { rule: "require_lock" as const, limit: true, verdict: "broken" as const },
    ];
    const plan = aPlan(pipeline === undefined ? [] : [{ ...pipeline, policy }]);
    const text = viewPlanHuman(plan, { colour: false, sections: "stages", applyCommand: "none" });
    expect(text.match(/^ {2}[A-Z]\w+.*/gm)).toEqual(["  Stages", "  Policy"]);
    expect(text).toContain("64 steps in 4 epochs");
    expect(text).toContain("    require_lock  broken  there is no lock file\n");
    expect(text).not.toContain("tasks");
  });

  it("fits into a narrow terminal", () => {
    const text = view(FIRST_PLAN, { width: 44 });
    expect(text).toMatchInlineSnapshot(`
      "fox-t2v: create cache-latents and train ·
        4 checkpoints · ~14 h · VRAM up to 21 GiB
        of 24
        pipelines/fox.yaml · t2v-A14B · noise
        dual · tier high-end · Musubi Tuner
        through the bridge
        8 files, 16 items, 16 batches · 16 steps
        an epoch, 64 in all

        Stages
          +  cache-latents
              create: nothing is recorded yet
          +  train
              create: nothing is recorded yet
              64 steps in 4 epochs

        Checkpoints in output/fox (4 files,
        2.5 GB)
          +  fox-t2v-000001.safetensors
              epoch 1, step 16, 613 MB
          +  fox-t2v-000002.safetensors
              epoch 2, step 32, 613 MB
          +  fox-t2v-000003.safetensors
              epoch 3, step 48, 613 MB
          +  fox-t2v.safetensors
              epoch 4, step 64, 613 MB
          Sizes are of the tensors; on disk each
          file has a small header besides.

        Estimates
          time  13 to 15 h
              table: RTX 4090, 35 to 40 s a step
          vram  19 to 21 GiB of 24
              formula: 14 B weights in fp8, 20 of
              40 blocks swapped

        Learning
          learning_rate  2e-4
              pipelines/fox.yaml:17 (recommended:
              1e-4 to 3e-4)
          network_dim    32
              size rule 20 files: 32 (recommended:
              32)

        Memory
          blocks_to_swap  20
              tier high-end (recommended: 10 to
              20)

        Dataset
          dataset.resolution  [1280, 720]
              pipelines/fox.yaml:6

        2 more parameters at their defaults, or
        following from other keys: --details shows
        them.

      Plan: 2 stages to run, 4 checkpoints to
      create.
      Apply it with:
        wan22 apply pipelines/fox.yaml
      "
    `);
    expect(text.split("\n").filter((line) => textColumns(line) > 44)).toEqual([]);
  });

  it("says in its first line what it comes to", () => {
    expect(view(FIRST_PLAN, { width: 100 }).split("\n")[0]).toBe(
      "fox-t2v: create cache-latents and train · 4 checkpoints · ~14 h · VRAM up to 21 GiB of 24",
    );
  });
});

describe("the head of a plan", () => {
  const half = { id: "train-low", action: "create", driver: "rehearsal", total_steps: 30 } as const;
  const head = (...stages: readonly ReturnType<typeof aStage>[]) =>
    view(aPlan([aPipeline({ noise: "separate", backend: "rehearsal", stages: [...stages] })]))
      .split("\n")
      .slice(1, 4)
      .map((line) => line.trim());

  it("says loudly that a rehearsal makes nothing to keep", () => {
    expect(head(aStage({ ...half, id: "train" })).slice(0, 2)).toEqual([
      "pipelines/fox.yaml · t2v-A14B · noise separate · tier high-end · REHEARSAL on",
      "a miniature model: no LoRA for Wan comes of it",
    ]);
  });

  it("counts the steps of both halves where they are trained apart", () => {
    expect(head(aStage(half), aStage({ ...half, id: "train-high" }))[2]).toBe(
      "8 files, 16 items, 16 batches · 16 steps an epoch; 2 stages of 30 steps, 60 in",
    );
    expect(
      describeSteps(aPipeline({ stages: [aStage(half), aStage({ ...half, id: "train-high", total_steps: 45 })] })),
    ).toBe("16 steps an epoch; 30 in train-low and 45 in train-high, 75 in all");
  });

  it("names what runs it where that is not the bridge", () => {
    const scripts = aStage({ id: "train", action: "create", driver: "scripts" });
    expect(describeTraining(aPipeline({ stages: [scripts] }))).toContain(
      "Musubi Tuner's own scripts: a stop loses what is not saved yet, and nothing resumes",
    );
  });
});

describe("cache files", () => {
  it("are named in full, with what becomes of each", () => {
    const stage = aStage({
      id: "cache-text",
      action: "update",
      cache_files: ["cache/fox/a_te.safetensors", "cache/fox/b_te.safetensors", "cache/owl/c_te.safetensors"],
      pending: ["cache/fox/b_te.safetensors"],
      leftover: ["cache/fox/gone_te.safetensors"],
    });
    const text = view(aPlan([aPipeline({ stages: [stage] })]), { details: "full" });
    expect(text.slice(text.indexOf("  Cache files"), text.indexOf("\nPlan:"))).toMatchInlineSnapshot(`
      "  Cache files of cache-text in cache/fox
          =  a_te.safetensors
          +  b_te.safetensors
          -  gone_te.safetensors

        Cache files of cache-text in cache/owl
          =  c_te.safetensors
      "
    `);
    expect(view(aPlan([aPipeline({ stages: [stage] })]))).not.toContain("Cache files");
  });
});

describe("stages", () => {
  /** The stages' lines. */
  function stages(...list: readonly ReturnType<typeof aStage>[]): string {
    const lines = view(aPlan([aPipeline({ stages: [...list] })])).split("\n");
    return lines.slice(lines.indexOf("  Stages") + 1, lines.indexOf("", lines.indexOf("  Stages"))).join("\n");
  }

  it("are shown with a sign for each action, the reason and the work", () => {
    const reason = { cause: "parameter-changed", text: "learning_rate 2e-4 → 1e-4 (fox.yaml:17)" } as const;
    const text = stages(
      aStage({
        id: "cache-latents",
        action: "none",
        reasons: [{ cause: "up-to-date", text: "16 cache files are up to date" }],
      }),
      aStage({
        id: "cache-text",
        action: "update",
        reasons: [{ cause: "stale", text: "2 captions changed" }],
        cache_files: ["a", "b", "c"],
        pending: ["a", "b"],
      }),
      aStage({
        id: "train-low",
        action: "replace",
        reasons: [reason, { cause: "dataset-changed", text: "2 captions changed" }],
        total_steps: 64,
        total_epochs: 4,
        archive: ["output/fox.safetensors", "output/fox-state"],
      }),
      aStage({ id: "train-high", action: "wait", reasons: [] }),
    );
    expect(text).toMatchInlineSnapshot(`
      "    =    cache-latents  none: 16 cache files are up to date
          ~    cache-text     update: 2 captions changed
          -/+  train-low      replace because learning_rate 2e-4 → 1e-4 (fox.yaml:17);
                              2 captions changed
                              64 steps in 4 epochs
                              archives fox.safetensors and fox-state into
                              archive/RUN_ID; nothing is deleted
          …    train-high     wait"
    `);
  });

  it("say from where they resume", () => {
    const text = stages(
      aStage({
        id: "train",
        action: "resume",
        reasons: [{ cause: "unfinished", text: "it was stopped at step 135" }],
        total_epochs: 16,
        total_steps: 480,
        done_epochs: 4,
        done_steps: 135,
        done_batches: 15,
        resume_from: "output/fox/fox-t2v-step00000135-state",
      }),
    );
    expect(text).toMatchInlineSnapshot(`
      "    >  train  resume: it was stopped at step 135
                    480 steps in 16 epochs; 345 to go after step 135 (4 epochs and 15
                    batches done), from fox-t2v-step00000135-state"
    `);
  });

  it("say what is renamed before they go on", () => {
    const text = stages(
      aStage({
        id: "train",
        action: "extend",
        reasons: [{ cause: "more-epochs", text: "max_train_epochs 4 → 8" }],
        total_epochs: 8,
        total_steps: 128,
        done_epochs: 4,
        done_steps: 64,
        renames: [{ from: "output/fox/fox-t2v.safetensors", to: "output/fox/fox-t2v-000004.safetensors" }],
      }),
    );
    expect(text).toMatchInlineSnapshot(`
      "    »  train  extend because max_train_epochs 4 → 8
                    128 steps in 8 epochs; 64 to go after step 64 (4 epochs done)
                    renames fox-t2v.safetensors to fox-t2v-000004.safetensors"
    `);
  });
});

describe("checkpoints", () => {
  function checkpoints(
    list: readonly ReturnType<typeof aCheckpoint>[],
    details: "summary" | "full" = "summary",
  ): string {
    const stage = aStage({ id: "train", action: "create", reasons: [] });
    const text = view(aPlan([aPipeline({ stages: [stage], checkpoints: [...list] })]), { details });
    return text.slice(text.indexOf("  Checkpoints"), text.indexOf("\nPlan:")).trimEnd();
  }
  const sixteen = Array.from({ length: 16 }, (_, index) => aCheckpoint(index + 1));

  it("are folded where many are alike", () => {
    expect(checkpoints(sixteen)).toMatchInlineSnapshot(`
      "  Checkpoints in output/fox (16 files, 9.8 GB)
          +  fox-t2v-000001.safetensors  epoch  1, step  16  613 MB
          +  fox-t2v-000002.safetensors  epoch  2, step  32  613 MB
          +  fox-t2v-000003.safetensors  epoch  3, step  48  613 MB
          …  11 more, epochs 4 to 14
          +  fox-t2v-000015.safetensors  epoch 15, step 240  613 MB
          +  fox-t2v-000016.safetensors  epoch 16, step 256  613 MB
          Sizes are of the tensors; on disk each file has a small header besides."
    `);
  });

  it("are listed one by one in full", () => {
    const rows = checkpoints(sixteen, "full").split("\n");
    expect(rows.filter((row) => row.includes(".safetensors"))).toHaveLength(16);
  });

  it("say what is kept, replaced, removed by retention, or left over", () => {
    const actions = ["keep", "replace", "prune", "orphan"] as const;
    expect(checkpoints(actions.map((action, index) => aCheckpoint(index + 9, { action })))).toMatchInlineSnapshot(`
      "  Checkpoints in output/fox (3 files, 1.8 GB)
          =    fox-t2v-000009.safetensors  epoch  9, step 144  613 MB, kept
          -/+  fox-t2v-000010.safetensors  epoch 10, step 160  613 MB, replaced
          -    fox-t2v-000011.safetensors  epoch 11, step 176  613 MB, pruned later
          ?    fox-t2v-000012.safetensors  epoch 12, step 192  613 MB, orphaned
          Sizes are of the tensors; on disk each file has a small header besides."
    `);
  });

  it("stand apart from training states, of which those that go again are only counted", () => {
    const states = sixteen.map(({ epoch }) =>
      aCheckpoint(epoch, {
        kind: "state",
        file: `output/fox/fox-t2v-${String(epoch).padStart(6, "0")}-state`,
        action: epoch < 15 ? "prune" : "create",
        bytes: 1.8e9,
      }),
    );
    expect(checkpoints([aCheckpoint(16), ...states])).toMatchInlineSnapshot(`
      "  Checkpoints in output/fox (1 file, 613 MB)
          +  fox-t2v-000016.safetensors  epoch 16, step 256  613 MB

        Training states in output/fox (2 files, 3.6 GB)
          -  14 earlier ones removed by retention on the way
          +  fox-t2v-000015-state  epoch 15, step 240  1.8 GB
          +  fox-t2v-000016-state  epoch 16, step 256  1.8 GB
          Sizes are of the tensors; on disk each file has a small header besides."
    `);
  });
});

describe("the end of a plan", () => {
  const done = aPipeline({
    name: "cat",
    stages: [aStage({ id: "train", action: "none" })],
    checkpoints: [aCheckpoint(1, { action: "keep" })],
  });
  const note = aDiagnostic({ severity: "note", code: "R2", summary: "Clash resolved", detail: "The trainer wins." });
  const warning = aDiagnostic({ severity: "warning", code: "D4", summary: "Few words", detail: "Two." });

  it("is a single line where nothing is to do", () => {
    expect(view(aPlan([done]))).toBe("No changes. cat is as described; nothing is to do.\n");
    expect(view(aPlan([done, aPipeline({ name: "owl" })], [note]))).toBe(
      "No changes. cat and owl are as described; nothing is to do.\n",
    );
  });

  it("has no notes of pipelines with nothing to do beside others", () => {
    const owl = aPipeline({
      name: "owl",
      file: "pipelines/owl.yaml",
      stages: [aStage({ id: "train", action: "create" })],
    });
    const notes = [
      { ...note, file: "pipelines/fox.yaml" },
      { ...note, file: "pipelines/owl.yaml", detail: "Of the owl." },
      { ...note, file: "wan22.yaml", detail: "Of both." },
    ];
    const text = view(aPlan([done, owl], notes));
    expect(text.match(/Clash resolved: .*/g)).toEqual([
      "Clash resolved: Of the owl. (pipelines/owl.yaml)",
      "Clash resolved: Of both. (wan22.yaml)",
    ]);
  });

  it("keeps warnings in sight where nothing is to do", () => {
    expect(view(aPlan([done], [warning, note]))).toMatchInlineSnapshot(`
      "warning[D4] Few words
        = Two.

      1 warning

      No changes. cat is as described; nothing is to do.
      "
    `);
  });

  it.each(["P6", "P7", "P10"])("does not call it as described where %s says what is not", (code) => {
    const departure = aDiagnostic({ severity: "warning", code, file: "pipelines/fox.yaml" });
    const owl = aPipeline({ name: "owl", file: "pipelines/owl.yaml" });
    const text = view(aPlan([done, owl], [departure]));
    expect(text.slice(text.indexOf("No changes"))).toBe(
      "No changes. owl is as described; nothing is to do.\nNothing is to do for cat; see the warnings above.\n",
    );
  });

  it("gives a command a line of its own rather than break it", () => {
    const file = "pipelines/a-rather-long-name-for-a-fox.yaml";
    const text = view(aPlan([aPipeline({ file, stages: [aStage({ id: "train", action: "create" })] })]), { width: 44 });
    expect(text).toContain(`\nApply it with:\n  wan22 apply ${file}\n`);
  });

  it("names each of several pipelines by what becomes of it", () => {
    const broken = aPipeline({ name: "owl", valid: false });
    const text = view(aPlan([done, broken, ...FIRST_PLAN.pipelines], [aDiagnostic(), note]));
    expect(text.slice(text.indexOf("  Notes"))).toMatchInlineSnapshot(`
      "  Notes
          R2  Clash resolved: The trainer wins.

      error[S3] Unknown key
        = \`learing_rate\` is no key of \`train\`. Did you mean \`learning_rate\`?

      1 error

      owl can't be planned; see the errors above.
      No changes. cat is as described; nothing is to do.
      Plan: 2 stages to run, 4 checkpoints to create.
      Apply it with: wan22 apply pipelines/fox.yaml
      "
    `);
  });

  it("is the errors alone where no pipeline could be read", () => {
    expect(view(aPlan([], [aDiagnostic()]))).toMatchInlineSnapshot(`
      "error[S3] Unknown key
        = \`learing_rate\` is no key of \`train\`. Did you mean \`learning_rate\`?

      1 error
      "
    `);
  });
});
