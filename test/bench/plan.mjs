// Times the second `plan` of the quickstart against `node -e 0`, turn by turn, and prints the ratio of the medians.
// Usage: npm run build && node test/bench/plan.mjs [ROUNDS]
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));
const rounds = Number(process.argv[2] ?? 15);
const project = mkdtempSync(join(tmpdir(), "wan22-bench-"));
mkdirSync(join(project, ".git"));
cpSync(join(root, "pipelines"), join(project, "pipelines"), { recursive: true });

function timeMs(args) {
  const start = process.hrtime.bigint();
  const { status } = spawnSync(process.execPath, args, { cwd: project, stdio: "ignore" });
  if (status !== 0) throw new Error(`node ${args.join(" ")} ended with ${status}`);
  return Number(process.hrtime.bigint() - start) / 1e6;
}

function median(values) {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
}

const plan = [join(root, "dist/wan22.js"), "plan", "pipelines/quickstart.yaml"];
const empty = ["-e", "0"];
try {
  // The first look at young files is not remembered; let them settle, then look twice.
  timeMs(plan);
  await new Promise((done) => setTimeout(done, 3000));
  timeMs(plan);
  const times = { plan: [], empty: [] };
  for (let round = 0; round < rounds; round += 1) {
    times.empty.push(timeMs(empty));
    times.plan.push(timeMs(plan));
  }
  const [planMs, emptyMs] = [median(times.plan), median(times.empty)];
  const goalMs = 2.5 * emptyMs + 100;
  console.log(`node -e 0        ${emptyMs.toFixed(0)} ms`);
  console.log(`plan, again      ${planMs.toFixed(0)} ms   ${(planMs / emptyMs).toFixed(2)} × node -e 0`);
  console.log(
    `of the goal      ${(planMs / goalMs).toFixed(2)}   (goal: 2.5 × node -e 0 + 100 ms = ${goalMs.toFixed(0)} ms)`,
  );
} finally {
  rmSync(project, { recursive: true, force: true });
}
