// Weighs the runner of a long run, in the foreground and detached, against an idle node beside it: memory and CPU of each while
// a trainer takes a step a second, printed as a ratio. The plan has 2,000 epochs with a checkpoint each; one more checkpoint
// than usual falls into the time that is measured. Memory is the most that was seen, from SETTLE_SECONDS after the start on.
// Usage: npm run build && node test/bench/runner.mjs [SECONDS] [SECONDS_A_STEP]
import { spawn, spawnSync } from "node:child_process";
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));
const seconds = Number(process.argv[2] ?? 60);
const secondsAStep = Number(process.argv[3] ?? 1);
const wan22 = join(root, "dist/wan22.js");
const FILE = "pipelines/quickstart.yaml";
const EPOCHS = 2000;
/** Planning and caching are over by then. */
const SETTLE_SECONDS = 20;
const TICKS_A_SECOND = Number(spawnSync("getconf", ["CLK_TCK"], { encoding: "utf8" }).stdout);

/** The rehearsal as it is, with a pause after each step: started in place of Python, as a user's own wrapper is. */
const pacedPython = `#!/usr/bin/env python3
import os, runpy, sys, time
if not sys.argv[1].endswith("wan_train_network.py"):
    os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
write = os.write
def write_and_pause(file, text):
    written = write(file, text)
    if b'"type": "step"' in text:
        time.sleep(${secondsAStep})
    return written
os.write = write_and_pause
del sys.argv[0]
sys.path.insert(0, os.path.dirname(sys.argv[0]))
runpy.run_path(sys.argv[0], run_name="__main__")
`;

function makeProject() {
  const project = mkdtempSync(join(tmpdir(), "wan22-bench-"));
  mkdirSync(join(project, ".git"));
  cpSync(join(root, "pipelines"), join(project, "pipelines"), { recursive: true });
  const yaml = readFileSync(join(project, FILE), "utf8")
    .replace("max_train_epochs: 4", `max_train_epochs: ${EPOCHS}\n  save_every_n_epochs: 1`)
    .replace("backend: rehearsal", "backend: rehearsal\n  python: ./python");
  writeFileSync(join(project, FILE), yaml);
  writeFileSync(join(project, "pipelines/python"), pacedPython);
  chmodSync(join(project, "pipelines/python"), 0o755);
  return project;
}

const run = (project, ...args) => spawnSync(process.execPath, [wan22, ...args], { cwd: project, encoding: "utf8" });

/** Megabytes that a process holds, and seconds of CPU that it has had, with all its threads. */
function weigh(pid) {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const megabytes = Number(/VmRSS:\s+(\d+)/.exec(status)[1]) * 1.024e-3;
  return { megabytes, cpu: (Number(fields[11]) + Number(fields[12])) / TICKS_A_SECOND };
}

const idle = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"], { stdio: "ignore" });
const [here, detached] = [makeProject(), makeProject()];
try {
  const args = ["apply", FILE, "--auto-approve"];
  const runner = spawn(process.execPath, [wan22, ...args], { cwd: here, stdio: "ignore" });
  const { stderr } = run(detached, ...args, "--detach");
  const background = Number(/Detached: process (\d+)/.exec(stderr)?.[1]);
  if (!background) throw new Error(stderr);
  const processes = { idle: idle.pid, apply: runner.pid, detached: background };
  await delay(SETTLE_SECONDS * 1000);
  const before = Object.entries(processes).map(([name, pid]) => ({ name, pid, most: 0, begun: weigh(pid).cpu }));
  for (let second = 0; second < seconds; second += 1) {
    await delay(1000);
    for (const one of before) one.most = Math.max(one.most, weigh(one.pid).megabytes);
  }
  const [{ most: idleMost }] = before;
  for (const { name, pid, most, begun } of before) {
    const percent = ((weigh(pid).cpu - begun) / seconds) * 100;
    const ratio = `${(most / idleMost).toFixed(2)} × idle`;
    console.log(`${name.padEnd(10)}${most.toFixed(1).padStart(6)} MB   ${ratio}   ${percent.toFixed(2)} % CPU`);
  }
  console.log("goal          80 MB, 1 % CPU");
} finally {
  idle.kill();
  for (const project of [here, detached]) {
    run(project, "stop", "--now");
    rmSync(project, { recursive: true, force: true });
  }
}
