// Times a step of the real trainer on miniature models with the bridge and as Musubi's own script, turn by turn, and prints
// what the bridge adds to it. What a start costs is taken out: each trains for few and for many epochs, and the difference
// is steps alone. A step of the miniature takes some 40 ms; one of Wan2.2 takes seconds, and the bridge adds the same to it.
// Usage: npm run build && MUSUBI_TUNER_PATH=… MUSUBI_PYTHON=… node test/bench/bridge.mjs [ROUNDS]
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));
const rounds = Number(process.argv[2] ?? 3);
const { MUSUBI_TUNER_PATH, MUSUBI_PYTHON: python } = process.env;
if (!MUSUBI_TUNER_PATH || !python) throw new Error("Set MUSUBI_TUNER_PATH and MUSUBI_PYTHON.");
const musubi = resolve(MUSUBI_TUNER_PATH);
const miniature = join(root, "test/rig/miniature");
const env = {
  ...process.env,
  PYTHONPATH: [miniature, join(musubi, "src")].join(delimiter),
  WAN22_MINIATURE: "1",
  OMP_NUM_THREADS: "1",
};
const project = mkdtempSync(join(tmpdir(), "wan22-bench-"));
const FEW = 2;
const MANY = 22;
/** Eight clips, with one frame and with nine each. */
const BATCHES = 16;

function run(command, args) {
  const start = process.hrtime.bigint();
  const { status, stderr } = spawnSync(command, args, { cwd: project, env, encoding: "utf8", maxBuffer: 1 << 28 });
  if (status !== 0) throw new Error(`${command} ${args.join(" ")} ended with ${status}\n${stderr.slice(-2000)}`);
  return Number(process.hrtime.bigint() - start) / 1e6;
}

function median(values) {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
}

const pipeline = `version: 1
name: bench
task: t2v-A14B
noise: dual
hardware: professional
dataset:
  resolution: 96x64
  enable_bucket: true
  sources: [{ videos: clips, target_frames: [1, 9] }]
models:
  dit: models/wan2.2_t2v_low_noise_14B_fp32.safetensors
  dit_high_noise: models/wan2.2_t2v_high_noise_14B_fp32.safetensors
  vae: models/wan_2.1_vae.safetensors
  t5: models/models_t5_umt5-xxl-enc-bf16.pth
train:
  mixed_precision: "no"
  optimizer_type: adamw
  offload_inactive_dit: false
  max_train_epochs: ${FEW}
  save_every_n_epochs: 100
  max_data_loader_n_workers: 0
output: { dir: out }
trainer: { backend: musubi, path: ${musubi}, python: ${python} }
`;

/** Arguments of the train stage as they were planned, for another number of epochs. */
function argvFor(epochs) {
  const run = JSON.parse(readFileSync(join(project, "plan.json"), "utf8"));
  const argv = run.pipelines[0].stages.find(({ id }) => id === "train").argv.slice(1);
  argv[argv.indexOf("--max_train_epochs") + 1] = String(epochs);
  return argv;
}

function timeOwn(epochs) {
  return run(python, [join(musubi, "src/musubi_tuner/wan_train_network.py"), ...argvFor(epochs)]);
}

function timeBridged(epochs) {
  const context = JSON.parse(readFileSync(join(project, ".wan22/work/bench/train.context.json"), "utf8"));
  const total = { total_epochs: epochs, total_steps: epochs * BATCHES };
  const file = join(project, "train.context.json");
  writeFileSync(file, JSON.stringify({ ...context, ...total, events: join(project, "train.events.ndjson") }));
  return run(python, [join(root, "python/bridge/wan_train_network.py"), ...argvFor(epochs), "--context", file]);
}

try {
  mkdirSync(join(project, ".git"));
  cpSync(join(root, "pipelines/quickstart/clips"), join(project, "clips"), { recursive: true });
  run(python, [join(miniature, "write_models.py"), join(project, "models"), "fp32"]);
  writeFileSync(join(project, "bench.yaml"), pipeline);
  const wan22 = join(root, "dist/wan22.js");
  const planned = spawnSync(process.execPath, [wan22, "plan", "--format", "json", "bench.yaml"], { cwd: project, env });
  writeFileSync(join(project, "plan.json"), planned.stdout);
  run(process.execPath, [wan22, "apply", "bench.yaml", "--auto-approve"]);

  const steps = (MANY - FEW) * BATCHES;
  const times = { own: [], bridged: [] };
  for (let round = 0; round < rounds; round += 1) {
    times.own.push((timeOwn(MANY) - timeOwn(FEW)) / steps);
    times.bridged.push((timeBridged(MANY) - timeBridged(FEW)) / steps);
  }
  const [own, bridged] = [median(times.own), median(times.bridged)];
  console.log(`Musubi's own script   ${own.toFixed(2)} ms a step`);
  console.log(`with the bridge       ${bridged.toFixed(2)} ms a step   ${(bridged / own).toFixed(3)} × its own`);
  console.log(
    `the bridge adds       ${(bridged - own).toFixed(2)} ms a step: ${((bridged - own) / 100).toFixed(4)} % of one of 10 s`,
  );
} finally {
  rmSync(project, { recursive: true, force: true });
}
