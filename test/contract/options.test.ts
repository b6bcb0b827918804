/** Options of training, judged by the plan and then tried on the trainer: it takes exactly those that the plan takes. */
import { cp, mkdir, mkdtemp, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { check } from "../../src/core/check/check.ts";
import { hasErrors } from "../../src/core/diagnostic.ts";
import type { Facts } from "../../src/core/facts.ts";
import { render } from "../../src/core/render/render.ts";
import { promptsText } from "../../src/core/trainer/sample-prompts.ts";
import { observeModels } from "../../src/host/models.ts";
import { readMusubiSource } from "../../src/host/trainer/musubi-source.ts";
import { hasFfmpeg } from "../rig/clips.ts";
import { askOracle, describeWithMusubi } from "../rig/musubi.ts";
import { type Random, randomFrom } from "../rig/random.ts";
import { makeSmallDataset, type SmallDataset } from "../rig/small-dataset.ts";
import { resolveCase } from "../unit/check/judge.ts";
import { stageOf, TEMPLATES } from "../unit/render/sample.ts";
import { clips } from "../unit/resolve/sample.ts";

const RANDOM = Number(process.env.WAN22_RANDOM_OPTIONS ?? 60);
const SEED = Number(process.env.WAN22_SEED ?? 22);

type Options = Readonly<Record<string, unknown>>;

/** What a machine without a GPU can train. */
const ON_A_CPU: Options = {
  mixed_precision: "no",
  optimizer_type: "adamw",
  network_dim: 2,
  max_train_epochs: 1,
  max_data_loader_n_workers: 0,
  gradient_checkpointing: false,
  fp8_base: false,
  fp8_t5: false,
  blocks_to_swap: 0,
  offload_inactive_dit: false,
};

const PROMPTS = ["a fox --w 64 --h 48 --s 1", "狐狸 🦊 --w 64 --h 48 --f 5 --s 1"];

/** One run has six items, so six steps. */
const CHOSEN: readonly Options[] = [
  {},
  { mixed_precision: "bf16" },
  { fp8_base: true },
  { fp8_base: true, fp8_scaled: true },
  { fp8_base: false, fp8_scaled: true },
  { blocks_to_swap: 2 },
  { block_swap_ring_size: 1 },
  { persistent_data_loader_workers: true },
  { persistent_data_loader_workers: true, max_data_loader_n_workers: 1 },
  { learning_rate: 0 },
  { split_attn: true },
  { gradient_accumulation_steps: 100 },
  ...[
    "adafactor",
    "AdamW",
    "sgd",
    "NAdam",
    "radam",
    "Adam",
    "Rprop",
    "LBFGS",
    "SparseAdam",
    "adamv",
    "torch.optim.SGD",
  ].map((optimizer_type) => ({ optimizer_type })),
  { optimizer_args: ["weight_decay=0.1", "betas=0.9,0.99"] },
  { optimizer_args: ["weight_decay=abc"] },
  { optimizer_args: ["amsgrad=true"] },
  { optimizer_args: ["momentum=0.9"] },
  { optimizer_args: ["lr=1"] },
  { optimizer_type: "sgd", optimizer_args: ["momentum=0.9", "nesterov=True"] },
  { optimizer_args: ["betas=0.9"] },
  { optimizer_args: ["weight_decay=-1"] },
  { optimizer_type: "sgd", optimizer_args: ["nesterov=True"] },
  { optimizer_type: "transformers.Adafactor" },
  { optimizer_type: "transformers.Adafactor", optimizer_args: ["relative_step=False"] },
  { optimizer_type: "adafactor", optimizer_args: ["foo=1"] },
  { optimizer_type: "adafactor", optimizer_args: ["relative_step=False", "warmup_init=True"], lr_warmup_steps: 2 },
  { optimizer_type: "adafactor", optimizer_args: ["relative_step=0"], lr_warmup_steps: 2 },
  { optimizer_type: "adafactor", optimizer_args: ["relative_step=False"], lr_scheduler: "adafactor:1e-4" },
  { optimizer_type: "adafactor", lr_warmup_steps: 2 },
  { optimizer_type: "adafactor", lr_scheduler: "rex" },
  { lr_scheduler: "adafactor:1e-4" },
  { network_args: ["rank_dropout=0.1"] },
  { network_args: ["rank_dropout=1"] },
  { network_args: ["rank_dropout=x"] },
  { network_args: ["include_patterns=['.*ffn.*']"] },
  { network_args: ["exclude_patterns=foo"] },
  { network_args: ["conv_dim=4", "verbose=True", "foo=bar"] },
  { network_args: ["neuron_dropout=0.1"] },
  { network_args: ["loraplus_lr_ratio=4"] },
  { network_args: ["exclude_patterns=['.*']"] },
  { network_args: ["exclude_patterns=['[']"] },
  { network_dropout: 1, network_alpha: 0 },
  { lr_scheduler_type: "StepLR", lr_scheduler_args: ["step_size=3"] },
  { lr_scheduler_type: "StepLR" },
  { lr_scheduler_type: "StepLR", lr_scheduler_args: ["step_size=0"] },
  { lr_scheduler_type: "StepLR", lr_scheduler_args: ["step_size=3", "foo=1"] },
  { lr_scheduler_type: "OneCycleLR", lr_scheduler_args: ["max_lr=1e-3"] },
  { lr_scheduler_type: "OneCycleLR", lr_scheduler_args: ["max_lr=1e-3", "total_steps=3"] },
  { lr_scheduler: "cosine", lr_scheduler_args: ["num_cycles='a'"] },
  { lr_scheduler: "polynomial", lr_warmup_steps: 6 },
  { lr_scheduler_type: "Nope" },
  { lr_scheduler_type: "LambdaLR", lr_scheduler_args: ["lr_lambda=1"] },
  { lr_scheduler_type: "ReduceLROnPlateau" },
  { lr_scheduler_type: "OneCycleLR", lr_scheduler_args: ["max_lr=1e-3", "total_steps=100"] },
  {
    lr_scheduler_type: "torch.optim.lr_scheduler.CosineAnnealingLR",
    lr_scheduler_args: ["T_max=10"],
    lr_warmup_steps: 5,
  },
  { lr_scheduler: "linear", lr_scheduler_args: ["last_epoch=5"] },
  { lr_scheduler: "linear", lr_scheduler_args: ["last_epoch=-1"] },
  { lr_scheduler: "constant", lr_warmup_steps: 0.1 },
  { lr_scheduler: "constant", lr_warmup_steps: 0.2 },
  { lr_scheduler: "constant", lr_warmup_steps: 1 },
  { lr_scheduler: "polynomial", learning_rate: 1e-7 },
  { lr_scheduler: "polynomial", learning_rate: 1e-8, lr_scheduler_args: ["lr_end=1e-9"] },
  { lr_scheduler: "rex", lr_warmup_steps: 6 },
  { lr_scheduler: "REX", lr_warmup_steps: 7 },
  { lr_scheduler: "piecewise_constant", lr_scheduler_args: ["step_rules='1:2,0.5:4,0.1'"] },
  { lr_scheduler: "piecewise_constant", lr_scheduler_args: ["step_rules='abc'"] },
  { lr_scheduler: "piecewise_constant", lr_scheduler_args: ["step_rules=0.1"] },
  { lr_scheduler: "warmup_stable_decay", lr_decay_steps: 2, lr_scheduler_args: ["decay_type='linear'"] },
  { lr_scheduler: "warmup_stable_decay", lr_scheduler_args: ["decay_type='foo'"] },
  { lr_scheduler: "cosine_with_min_lr", lr_scheduler_args: ["min_lr=1e-6"] },
  { lr_scheduler: "cosine_with_min_lr", lr_scheduler_args: ["min_lr=1e-6"], lr_scheduler_min_lr_ratio: 0.1 },
  ...[
    "torch.optim.LBFGS",
    "torch.optim.SparseAdam",
    "torch.optim.Nope",
    "torch.optim.adamw",
    "torch.optim.adamw.AdamW",
    "torch.optim.Adafactor",
    "torch.optim._muon.Muon",
    "torch.optim.lr_scheduler.StepLR",
    "transformers.Foo",
    "Muon",
  ].map((optimizer_type) => ({ optimizer_type })),
  { optimizer_type: "torch.optim.adamw.AdamW", optimizer_args: ["foo=1"] },
  { optimizer_type: "torch.optim.Adafactor", optimizer_args: ["eps=None,1e-3", "d=1.0", "beta2_decay=-0.5"] },
  { optimizer_type: "Muon", optimizer_args: ["ns_steps=100"] },
  { optimizer_type: "Muon", optimizer_args: ["ns_steps=99"] },
  { optimizer_type: "Muon", optimizer_args: ["ns_steps=5.0"] },
  ...["0x1", "1_0", "True", "0.1 ", "007", "+.5", "1e-2", "-1", "'0.1'"].map((value) => ({
    optimizer_args: [`weight_decay=${value}`],
  })),
  ...["torch.optim.Adam", "torch.optim.lr_scheduler.Nope"].map((lr_scheduler_type) => ({
    lr_scheduler_type,
  })),
  ...["get_nope", "get_scheduler", "get_constant_schedule", "get_cosine_schedule_with_warmup"].map((name) => ({
    lr_scheduler_type: `diffusers.optimization.${name}`,
  })),
  {
    lr_scheduler_type: "diffusers.optimization.get_piecewise_constant_schedule",
    lr_scheduler_args: ["step_rules='1:2,0.5'"],
  },
  ...["get_constant_schedule", "get_reduce_on_plateau_schedule", "get_scheduler", "get_adafactor_schedule", "Nope"].map(
    (name) => ({ lr_scheduler_type: `transformers.optimization.${name}` }),
  ),
  ...["AdafactorSchedule", "get_adafactor_schedule"].flatMap((name) => [
    { lr_scheduler_type: `transformers.optimization.${name}`, optimizer_type: "adafactor" },
    {
      lr_scheduler_type: `transformers.optimization.${name}`,
      optimizer_type: "transformers.Adafactor",
      optimizer_args: ["relative_step=False"],
      lr_scheduler_args: ["initial_lr=1e-3"],
    },
  ]),
  { lr_scheduler_type: "transformers.AdafactorSchedule", optimizer_type: "adafactor" },
  {
    lr_scheduler_type: "transformers.get_linear_schedule_with_warmup",
    lr_scheduler_args: ["num_warmup_steps=2", "num_training_steps=6"],
  },
  {
    lr_scheduler_type: "transformers.get_wsd_schedule",
    lr_scheduler_args: ["num_warmup_steps=2", "num_decay_steps=2"],
  },
  {
    lr_scheduler_type: "transformers.get_wsd_schedule",
    lr_scheduler_args: ["num_warmup_steps=2", "num_decay_steps=2", "num_training_steps=6", "num_stable_steps=2"],
  },
  {
    lr_scheduler_type: "transformers.get_polynomial_decay_schedule_with_warmup",
    lr_scheduler_args: ["num_warmup_steps=0", "num_training_steps=6", "lr_end=1"],
  },
  {
    lr_scheduler_type: "transformers.get_cosine_with_min_lr_schedule_with_warmup",
    lr_scheduler_args: ["num_warmup_steps=0", "num_training_steps=6"],
  },
  ...["T_0=3", "T_0=3.0", "T_0=True"].map((word) => ({
    lr_scheduler_type: "CosineAnnealingWarmRestarts",
    lr_scheduler_args: [word],
  })),
  ...[
    ["pct_start=0", "total_steps=10"],
    ["pct_start=0.0", "total_steps=10"],
    ["pct_start=1", "total_steps=10"],
    ["pct_start=1.0", "total_steps=10"],
    ["pct_start=1.0", "total_steps=6"],
    ["pct_start=0.1", "total_steps=10"],
    ["pct_start=0.1", "total_steps=100"],
  ].map((words) => ({ lr_scheduler_type: "OneCycleLR", lr_scheduler_args: ["max_lr=1e-3", ...words] })),
  ...[["max_lr=[1e-3,2e-3]"], ["max_lr=(1e-3,)"], ["max_lr={1e-3}"]].flatMap((words) =>
    [{}, { network_args: ["loraplus_lr_ratio=4"] }, { network_args: ["loraplus_lr_ratio=0"] }].map((more) => ({
      ...more,
      lr_scheduler_type: "OneCycleLR",
      lr_scheduler_args: [...words, "total_steps=100"],
    })),
  ),
  { lr_scheduler_type: "CyclicLR", lr_scheduler_args: ["base_lr=[1e-5]", "max_lr=1e-4"] },
  ...["{2,4}", "[2,4]", "(4,)", "{}", "4"].map((milestones) => ({
    lr_scheduler_type: "MultiStepLR",
    lr_scheduler_args: [`milestones=${milestones}`],
  })),
  ...["rex_alpha=1 rex_beta=-1", "rex_alpha=0.5 rex_beta=-1", "rex_alpha=1 rex_beta=-3", "rex_alpha=2 rex_beta=-1"].map(
    (words) => ({ lr_scheduler: "rex", lr_scheduler_args: words.split(" ") }),
  ),
  { optimizer_type: "adafactor", lr_scheduler: "adafactor" },
  { optimizer_type: "adafactor", optimizer_args: ["relative_step=False"], lr_scheduler: "adafactor" },
  {
    optimizer_type: "transformers.Adafactor",
    optimizer_args: ["relative_step=False"],
    lr_scheduler: "adafactor:1e-3",
  },
  ...["rank_dropout=+0.1", "rank_dropout=-0.1", "rank_dropout=0.1 ", "module_dropout=1", "network_dim=4"].map(
    (word) => ({
      network_args: [word],
    }),
  ),
  ...["('.*ffn.*',)", "None", "{'.*ffn.*'}", "[3]"].flatMap((patterns) => [
    { network_args: [`include_patterns=${patterns}`] },
    { network_args: [`exclude_patterns=${patterns}`] },
  ]),
  { min_timestep: 500, max_timestep: 400 },
  { timestep_sampling: "sigma" },
  { timestep_sampling: "logsnr", num_timestep_buckets: 4 },
  { log_with: "tensorboard" },
  { metadata_reso: "64,48" },
  { timestep_sampling: "sigma", min_timestep: 1000, max_timestep: 1000 },
  { sample_prompts: PROMPTS, sample_every_n_epochs: 1 },
];

const SCHEDULERS = [
  ...["constant", "constant_with_warmup", "piecewise_constant", "linear", "cosine", "cosine_with_restarts"],
  ...["cosine_with_min_lr", "cosine_warmup_with_min_lr", "polynomial", "inverse_sqrt", "warmup_stable_decay"],
  ...["reduce_lr_on_plateau", "rex", "adafactor:1e-3"],
] as const;

const SCHEDULER_ARGS = [
  ...[
    "num_cycles=2",
    "lr_end=1e-9",
    "lr_end=1",
    "min_lr=1e-6",
    "step_rules='1:3,0.1'",
    "rex_alpha=0.2",
    "decay_type='cosine'",
  ],
  ...[
    "warmup_type='1-sqrt'",
    "last_epoch=-1",
    "power=2",
    "timescale=5",
    "num_warmup_steps=1",
    "x=(1, [2], {'a': None})",
    "y=nan",
  ],
] as const;

function randomOptions(random: Random): Options {
  const maybe = (options: Options): Options => (random.chance(0.4) ? options : {});
  return {
    lr_scheduler: random.pick(SCHEDULERS),
    ...maybe({ lr_warmup_steps: random.pick([0, 1, 3, 6, 7, 0.1, 0.17, 0.5]) }),
    ...maybe({ lr_decay_steps: random.pick([0, 2, 9, 0.3]) }),
    ...maybe({ lr_scheduler_min_lr_ratio: random.pick([0, 0.1, 1]) }),
    ...maybe({ lr_scheduler_num_cycles: random.integer(1, 3) }),
    ...maybe({ lr_scheduler_power: random.pick([0, 0.5, 2]) }),
    ...maybe({ lr_scheduler_timescale: random.integer(1, 9) }),
    ...maybe({ lr_scheduler_args: random.some(SCHEDULER_ARGS, 1, 2) }),
    ...maybe({ optimizer_type: random.pick(["adamw", "adafactor", "sgd", "Adamax"]) }),
    ...maybe({ optimizer_args: random.some(["weight_decay=0.01", "relative_step=False", "warmup_init=True"], 1, 2) }),
    ...maybe({ learning_rate: random.pick([1e-4, 1e-7]) }),
  };
}

describeWithMusubi("options of training", (musubi) => {
  let folder = "";
  let small: SmallDataset;
  let models: Facts["models"];
  const trainer = { ...readMusubiSource(musubi.path), missingModules: [] };

  beforeAll(async () => {
    folder = await realpath(await mkdtemp(join(tmpdir(), "wan22-options-")));
    small = await makeSmallDataset(musubi, folder);
    await mkdir(join(folder, ".wan22/work/fox"), { recursive: true });
    await cp(join(folder, small.toml), join(folder, ".wan22/work/fox/dataset.toml"));
    await writeFile(join(folder, ".wan22/work/fox/prompts.txt"), promptsText(PROMPTS));
    const place = { file: "fox.yaml" };
    const located = Object.fromEntries(
      Object.entries(small.models).map(([role, path]) => [role, { written: path, path, place, unset: [] }]),
    );
    models = await observeModels(located, { root: folder });
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  /** The trainer's arguments, or what the plan says against them. */
  function judge(options: Options): { readonly argv: readonly string[] } | { readonly refused: string } {
    const lines = Object.entries({ ...ON_A_CPU, ...options }).map(
      ([name, value]) => `  ${name}: ${JSON.stringify(value)}`,
    );
    const paths = Object.entries(small.models).map(([role, path]) => `  ${role}: ${join(folder, path)}`);
    const pipeline = [
      "noise: low",
      "dataset:\n  resolution: 96x64\n  enable_bucket: true\n  sources:\n    - videos: data\n      target_frames: [1, 9]",
      `models:\n${paths.join("\n")}`,
      `train:\n${lines.join("\n")}`,
      `output:\n  dir: ${join(folder, "output")}`,
    ];
    const media = clips(3).map((clip) => ({ ...clip, width: 96, height: 64 }));
    try {
      const judged = resolveCase({ pipeline, facts: { models, miniature: true, sources: [{ media }] } });
      const findings = check(judged);
      const { value, diagnostics } = render({ resolved: judged.resolved, templates: TEMPLATES, trainer });
      const errors = [...findings, ...diagnostics].filter(({ severity }) => severity === "error");
      if (hasErrors(errors) || value === undefined) return { refused: errors.map(({ code }) => code).join(" ") };
      return { argv: stageOf(value.stages, "train").argv.slice(1) };
    } catch (error) {
      // The shape of the file refuses some of them before any rule.
      return { refused: error instanceof Error ? error.message : String(error) };
    }
  }

  /** The same options without the plan's judgement: as arguments after those that the plan makes without them. */
  function bareArguments(options: Options): readonly string[] {
    const sound = judge({});
    if ("refused" in sound) throw new Error(sound.refused);
    const names = new Set(Object.keys(options).map((name) => `--${name}`));
    const kept: string[] = [];
    let keeping = true;
    for (const word of sound.argv) {
      if (word.startsWith("--")) keeping = !names.has(word);
      if (keeping) kept.push(word);
    }
    const given = Object.entries(options).flatMap(([name, value]) => {
      if (value === false) return [];
      if (value === true) return [`--${name}`];
      return [`--${name}`, ...(Array.isArray(value) ? value : [value]).map(String)];
    });
    return [...kept, ...given];
  }

  test.skipIf(!hasFfmpeg)(
    `${CHOSEN.length} chosen and ${RANDOM} random ones are taken where the trainer takes them`,
    async () => {
      const random = randomFrom(SEED);
      const cases = [...CHOSEN, ...Array.from({ length: RANDOM }, () => randomOptions(random))];
      const judged = cases.map((options) => ({ options, verdict: judge(options) }));
      const answers = await askOracle<"train">(
        musubi,
        judged.map(({ options, verdict }) => ({
          kind: "train",
          argv: "argv" in verdict ? verdict.argv : bareArguments(options),
        })),
        { cwd: folder },
      );
      const wrong = judged.flatMap(({ options, verdict }, index) => {
        const taken = answers[index]?.error === undefined;
        const said = "argv" in verdict ? "taken" : `refused: ${verdict.refused}`;
        return taken === "argv" in verdict ? [] : [{ options, said, trainer: answers[index]?.error ?? "taken" }];
      });
      expect(wrong).toEqual([]);
    },
  );
});
