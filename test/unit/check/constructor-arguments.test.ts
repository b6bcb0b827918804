/** What the trainer hands to the constructors of optimizers and schedulers; every line was tried on them. */
import { describe, expect, test } from "vitest";
import { codes, findings } from "./judge.ts";

const train = (options: Readonly<Record<string, unknown>>) =>
  `train:\n${Object.entries(options)
    .map(([name, value]) => `  ${name}: ${JSON.stringify(value)}`)
    .join("\n")}`;
const trained = (options: Readonly<Record<string, unknown>>) => codes({ pipeline: [train(options)] });

describe("optimizer_args", () => {
  test.each([
    ["adamw", "betas=0.9"],
    ["adamw", "betas=(0.9,)"],
    ["adamw", "betas=(0.9,1.0)"],
    ["adamw", "eps=-1"],
    ["adamw", "weight_decay=-1"],
    ["adamw", "weight_decay=None"],
    ["adamw", "differentiable=True"],
    ["adamw", "foreach=True fused=True"],
    ["torch.optim.AdamW", "eps='x'"],
    ["adafactor", "eps=1e-8"],
    ["sgd", "nesterov=True"],
    ["sgd", "momentum=0.9 dampening=0.1 nesterov=True"],
    ["Adadelta", "rho=2"],
    ["Rprop", "etas=(2,1.2)"],
    ["Muon", "adjust_lr_fn='x'"],
    ["AdamW8bit", "amsgrad=True"],
    ["AdamW8bit", "optim_bits=8"],
    ["PagedAdamW8bit", "is_paged=True"],
    ["lion", "eps=1e-8"],
    ["Lion8bit", "betas=0.9"],
    ["Adagrad8bit", "lr_decay=0.1"],
    ["SGD8bit", "nesterov=True"],
    ["transformers.Adafactor", "eps=(1e-30,1e-3)"],
    ["adamw", "weight_decay=abc"],
    ["adamw", "weight_decay=007"],
    ["adamw", "foreach=true"],
    ["torch.optim.adamw.AdamW", "foo=1"],
    ["torch.optim.sgd.SGD", "nesterov=True"],
    ["torch.optim.Adafactor", "relative_step=False"],
    ["Muon", "ns_steps=100"],
    ["Muon", "ns_steps=5.0"],
    ["transformers.Adafactor", "relative_step=False warmup_init=True"],
  ])("%s refuses %s", (optimizer_type, words) => {
    expect(trained({ optimizer_type, optimizer_args: words.split(" ") })).toContain("T29");
  });

  test("transformers.Adafactor refuses even none, since the trainer gives it a learning rate", () => {
    expect(trained({ optimizer_type: "transformers.Adafactor" })).toContain("T29");
  });

  test.each([
    ["adamw", "betas=[0.9,0.95] eps=0 weight_decay=0"],
    ["adamw", "capturable=True amsgrad=1"],
    ["adamw", "weight_decay=0x1"],
    ["adamw", "weight_decay=1_0"],
    ["adamw", "weight_decay=True"],
    ["torch.optim.adamw.AdamW", "fused=True"],
    ["torch.optim.Adafactor", "eps=(None,1e-3) d=1.0"],
    ["Muon", "ns_steps=5"],
    ["adafactor", "eps=(1e-30,1e-3) clip_threshold=0 beta1=0.9"],
    ["sgd", "momentum=0.9 nesterov=True"],
    ["Rprop", "etas=(0.5,1.2) step_sizes=(1e-6,50)"],
    ["AdamW8bit", "optim_bits=32 args=None min_8bit_size=4096"],
    ["AdamW32bit", "is_paged=True amsgrad=True"],
    ["AdEMAMix", "betas=(0.9,0.99,0.999) alpha=8.0 t_alpha=100"],
    ["lion", "betas=0.9,0.99 is_paged=True"],
    ["SGD8bit", "momentum=0.9"],
    ["transformers.Adafactor", "relative_step=False scale_parameter=False"],
    ["prodigyopt.Prodigy", "anything=True"],
  ])("%s takes %s", (optimizer_type, words) => {
    expect(trained({ optimizer_type, optimizer_args: words.split(" ") })).toEqual([]);
  });

  test("a finding says what the value has to be", () => {
    const pipeline = [train({ optimizer_type: "adamw", optimizer_args: ["betas=0.9"] })];
    expect(findings({ pipeline })[0]?.detail).toBe(
      "`betas=0.9` in `optimizer_args` is not what adamw takes: it has to be two numbers from 0 to below 1, such as betas=0.9,0.999.",
    );
  });
});

describe("full names", () => {
  test.each([
    "torch.optim.LBFGS",
    "torch.optim.SparseAdam",
    "torch.optim.Nope",
    "torch.optim.adamw",
    "torch.optim.lr_scheduler.StepLR",
    "torch.nn.Linear",
    "transformers.Foo",
    "transformers.optimization.get_scheduler",
    "bitsandbytes.optim.Nope",
  ])("of an optimizer that there is none of: %s", (optimizer_type) => {
    expect(trained({ optimizer_type })).toEqual(["T7"]);
  });

  test("an optimizer that there is none of is said to be of its package, with one that was meant", () => {
    const pipeline = [train({ optimizer_type: "torch.optim.adamw" })];
    expect(findings({ pipeline })[0]?.detail).toContain(
      "torch has no optimizer of this name that a LoRA can be trained with. Did you mean adamw?",
    );
  });

  test.each(["torch.optim.AdamW", "torch.optim.sgd.SGD", "torch.optim._muon.Muon", "somewhere.Else"])(
    "of an optimizer that there is: %s",
    (optimizer_type) => {
      expect(trained({ optimizer_type })).toEqual([]);
    },
  );

  test.each([
    "torch.optim.Adam",
    "torch.optim.lr_scheduler.Nope",
    "torch.optim.lr_scheduler.ReduceLROnPlateau",
    "diffusers.optimization.get_nope",
    "diffusers.optimization.get_scheduler",
    "transformers.AdafactorSchedule",
    "transformers.optimization.get_reduce_on_plateau_schedule",
  ])("of a scheduler that there is none of: %s", (lr_scheduler_type) => {
    expect(trained({ lr_scheduler_type })).toEqual(["T18"]);
  });

  test("of a scheduler need their module, which is named where it is missing", () => {
    const facts = { trainer: { missingModules: ["nopackage"] } };
    const [finding] = findings({ pipeline: [train({ lr_scheduler_type: "nopackage.Foo" })], facts });
    expect(finding).toMatchObject({ code: "T41", path: "train.lr_scheduler_type" });
    expect(finding?.detail).toContain("pip install nopackage");
  });
});

describe("lr_scheduler_args", () => {
  test.each([
    [{ lr_scheduler: "cosine" }, "num_cycles='a'"],
    [{ lr_scheduler: "cosine" }, "num_cycles=None"],
    [{ lr_scheduler: "cosine_with_min_lr" }, "min_lr='a'"],
    [{ lr_scheduler: "polynomial" }, "lr_end='x'"],
    [{ lr_scheduler: "rex" }, "rex_alpha='a'"],
    [{ lr_scheduler: "rex" }, "rex_alpha=0 rex_beta=0"],
    [{ lr_scheduler_type: "StepLR" }, "step_size=0"],
    [{ lr_scheduler_type: "StepLR" }, "step_size=3 foo=1"],
    [{ lr_scheduler_type: "StepLR" }, "step_size=3 optimizer=1"],
    [{ lr_scheduler_type: "StepLR" }, "step_size=3 last_epoch=3"],
    [{ lr_scheduler_type: "MultiStepLR" }, "milestones=3"],
    [{ lr_scheduler_type: "LinearLR" }, "start_factor=0"],
    [{ lr_scheduler_type: "ConstantLR" }, "factor=2"],
    [{ lr_scheduler_type: "CosineAnnealingLR" }, "T_max=0"],
    [{ lr_scheduler_type: "CosineAnnealingWarmRestarts" }, "T_0=1.5"],
    [{ lr_scheduler_type: "CyclicLR" }, "base_lr=1e-5 max_lr=1e-4 mode='x'"],
    [{ lr_scheduler_type: "CyclicLR", optimizer_type: "adafactor" }, "base_lr=1e-5 max_lr=1e-4"],
    [{ lr_scheduler_type: "OneCycleLR" }, "max_lr=1e-3"],
    [{ lr_scheduler_type: "OneCycleLR" }, "max_lr=1e-3 epochs=1"],
    [{ lr_scheduler_type: "OneCycleLR" }, "max_lr=1e-3 total_steps=100 pct_start=0"],
    [{ lr_scheduler_type: "OneCycleLR" }, "max_lr=1e-3 total_steps=100 pct_start=0.01"],
    [{ lr_scheduler_type: "OneCycleLR" }, "max_lr=[1e-3,2e-3] total_steps=100"],
    [{ lr_scheduler_type: "CyclicLR" }, "base_lr=[1e-5,1e-5] max_lr=1e-4"],
    [{ lr_scheduler_type: "CosineAnnealingWarmRestarts" }, "T_0=3.0"],
    [{ lr_scheduler: "rex" }, "rex_alpha=1 rex_beta=-1"],
    [{ lr_scheduler: "rex" }, "rex_alpha=0.5 rex_beta=-1"],
    [{ lr_scheduler: "adafactor" }, "last_epoch=-1"],
    [{ lr_scheduler_type: "transformers.get_linear_schedule_with_warmup" }, "num_warmup_steps=2"],
    [{ lr_scheduler_type: "transformers.optimization.get_wsd_schedule" }, "num_warmup_steps=2 num_decay_steps=2"],
    [{ lr_scheduler_type: "transformers.optimization.AdafactorSchedule" }, "initial_lr=1e-3"],
    [{ lr_scheduler_type: "diffusers.optimization.get_piecewise_constant_schedule" }, "step_rules='x'"],
    [{ lr_scheduler_type: "OneCycleLR" }, "max_lr=1e-3 total_steps=100 anneal_strategy='x'"],
  ])("%o refuses %s", (options, words) => {
    expect(trained({ ...options, lr_scheduler_args: words.split(" ") })).toEqual(["T18"]);
  });

  test.each([
    [{ lr_scheduler: "cosine" }, "num_cycles=2"],
    [{ lr_scheduler: "cosine_with_min_lr" }, "min_lr=1e-6"],
    [{ lr_scheduler: "rex" }, "rex_alpha=0 rex_beta=0.5"],
    [{ lr_scheduler_type: "torch.optim.lr_scheduler.StepLR" }, "step_size=3 gamma=0.5 last_epoch=-1"],
    [{ lr_scheduler_type: "MultiStepLR" }, "milestones=[3,2]"],
    [{ lr_scheduler_type: "MultiStepLR" }, "milestones={2,4}"],
    [{ lr_scheduler_type: "OneCycleLR", network_args: ["loraplus_lr_ratio=4"] }, "max_lr=[1e-3,2e-3] total_steps=100"],
    [{ lr_scheduler_type: "CyclicLR" }, "base_lr=[1e-5] max_lr=1e-4"],
    [{ lr_scheduler: "rex" }, "rex_alpha=1 rex_beta=-0.5"],
    [{ lr_scheduler: "adafactor", optimizer_type: "adafactor" }, "last_epoch=-1"],
    [
      {
        lr_scheduler: "adafactor:1e-3",
        optimizer_type: "transformers.Adafactor",
        optimizer_args: ["relative_step=False"],
      },
      "last_epoch=-1",
    ],
    [{ lr_scheduler_type: "transformers.get_constant_schedule_with_warmup" }, "num_warmup_steps=2"],
    [
      { lr_scheduler_type: "transformers.optimization.AdafactorSchedule", optimizer_type: "adafactor" },
      "initial_lr=1e-3",
    ],
    [{ lr_scheduler_type: "diffusers.optimization.get_piecewise_constant_schedule" }, "step_rules='1:3,0.1'"],
    [{ lr_scheduler_type: "somewhere.Else" }, "anything=1"],
    [{ lr_scheduler_type: "CyclicLR", optimizer_type: "adafactor" }, "base_lr=1e-5 max_lr=1e-4 cycle_momentum=False"],
    [{ lr_scheduler_type: "CyclicLR", optimizer_type: "sgd" }, "base_lr=1e-5 max_lr=1e-4"],
    [{ lr_scheduler_type: "OneCycleLR" }, "max_lr=1e-3 epochs=1 steps_per_epoch=100"],
  ])("%o takes %s", (options, words) => {
    expect(trained({ ...options, lr_scheduler_args: words.split(" ") })).toEqual([]);
  });

  test("a warm-up as long as the run divides by zero under polynomial alone", () => {
    // 60 clips are 60 steps.
    const run = { max_train_epochs: 1, lr_scheduler: "polynomial" };
    expect(trained({ ...run, lr_warmup_steps: 60 })).toEqual(["T18"]);
    expect(trained({ ...run, lr_warmup_steps: 59 })).toEqual([]);
    expect(trained({ ...run, lr_warmup_steps: 61 })).toEqual([]);
    expect(trained({ ...run, lr_scheduler: "linear", lr_warmup_steps: 60 })).toEqual([]);
  });
});
