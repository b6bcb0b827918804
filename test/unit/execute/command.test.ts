import { describe, expect, test } from "vitest";
import type { StagePlan } from "../../../src/core/plan/plan.ts";
import { type CommandInput, stageCommand } from "../../../src/execute/stage/command.ts";

const PLACE = { file: "fox.yaml" };
const located = (path: string) => ({ written: path, path, place: PLACE, unset: [] });

const STAGE: StagePlan = {
  id: "train",
  action: "create",
  reasons: [],
  driver: "scripts",
  argv: ["wan_train_network.py", "--task", "t2v-A14B", "--mixed_precision", "bf16", "--training_comment", "a b; $(c)"],
  files: {},
  fingerprint: "f",
  inputs: {},
  identities: {},
};

function commandFor(changes: Partial<CommandInput>) {
  return stageCommand({
    stage: STAGE,
    spec: { trainer: { backend: "musubi", path: located("../musubi"), onNan: "stop" } },
    root: "/project",
    python: "/venv/bin/python",
    pythonDir: "/wan22/python",
    contextFile: ".wan22/work/fox/train.context.json",
    run: "20260701T000000Z-fox-abcd",
    gpus: [],
    environment: {},
    ...changes,
  });
}

describe("the command of a stage", () => {
  test("is the trainer's own script, its arguments one value each and nothing else", () => {
    expect(commandFor({})).toMatchObject({
      command: "/venv/bin/python",
      args: ["/musubi/src/musubi_tuner/wan_train_network.py", ...STAGE.argv.slice(1)],
    });
  });

  test("is the rehearsal's script with its context last", () => {
    const stage = { ...STAGE, driver: "rehearsal" as const };
    const { args } = commandFor({ stage, spec: { trainer: { backend: "rehearsal", onNan: "stop" } } });
    expect(args).toEqual([
      "/wan22/python/rehearsal/wan_train_network.py",
      ...STAGE.argv.slice(1),
      "--context",
      ".wan22/work/fox/train.context.json",
    ]);
  });

  test("is the bridge's script, with its context last and Musubi's sources where Python finds them", () => {
    const { args, env } = commandFor({ stage: { ...STAGE, driver: "bridge" } });
    expect(args).toEqual([
      "/wan22/python/bridge/wan_train_network.py",
      ...STAGE.argv.slice(1),
      "--context",
      ".wan22/work/fox/train.context.json",
    ]);
    expect(env.PYTHONPATH).toBe("/musubi/src");
  });

  test("goes through the launcher for several GPUs only, and there by words that no config file can change", () => {
    const spec = { trainer: { backend: "musubi" as const, path: located("/musubi"), onNan: "stop" as const } };
    expect(commandFor({ spec, stage: { ...STAGE, gpus: [2, 3] } })).toMatchObject({
      args: [
        ...["-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--num_machines", "1"],
        ...[
          "--main_process_port",
          "0",
          "--dynamo_backend",
          "no",
          "--num_cpu_threads_per_process",
          "1",
          "--mixed_precision",
          "bf16",
        ],
        "/musubi/src/musubi_tuner/wan_train_network.py",
        ...STAGE.argv.slice(1),
      ],
      env: { CUDA_VISIBLE_DEVICES: "2,3", CUDA_DEVICE_ORDER: "PCI_BUS_ID" },
    });
    expect(commandFor({ spec, stage: { ...STAGE, gpus: [2] } }).args[0]).toMatch(/\.py$/);
  });

  test("keeps what a launcher or a CI runner left in the environment from the trainer", () => {
    const environment = {
      HOME: "/root",
      ACCELERATE_USE_FSDP: "true",
      ACCELERATE_MIXED_PRECISION: "fp16",
      RUNNER_TRACKING_ID: "github_1",
      OMP_NUM_THREADS: "32",
      PYTHONPATH: "/mine",
      UNSET: undefined,
    };
    expect(commandFor({ environment }).env).toEqual({
      HOME: "/root",
      OMP_NUM_THREADS: "1",
      PYTHONPATH: "/musubi/src:/mine",
      PYTHONUNBUFFERED: "1",
      WAN22_STAGE: "20260701T000000Z-fox-abcd/train",
    });
  });

  test("gives the rehearsal the standard library alone", () => {
    const spec = { trainer: { backend: "rehearsal" as const, onNan: "stop" as const } };
    const environment = { PYTHONPATH: "/mine", PYTHONSAFEPATH: "1", PATH: "/bin" };
    const { env } = commandFor({ spec, stage: { ...STAGE, driver: "rehearsal", gpus: [1] }, environment });
    expect(env).toEqual({
      PATH: "/bin",
      CUDA_VISIBLE_DEVICES: "1",
      CUDA_DEVICE_ORDER: "PCI_BUS_ID",
      OMP_NUM_THREADS: "1",
      PYTHONUNBUFFERED: "1",
      WAN22_STAGE: "20260701T000000Z-fox-abcd/train",
    });
  });
});
