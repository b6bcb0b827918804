// Installs what tests need beyond Node and Python, where it may. What cannot be installed is said, and its tests skip.
import { spawnSync } from "node:child_process";

const NEEDED = [
  { command: "ffmpeg", package: "ffmpeg", why: "tests make real clips with it" },
  { command: "jq", package: "jq", why: "the scripts of workflows are tried with it" },
];

function has(command) {
  return spawnSync(command, ["-version"], { stdio: "ignore" }).error === undefined;
}

const missing = NEEDED.filter((need) => !has(need.command));
if (missing.length > 0) {
  const packages = missing.map((need) => need.package);
  const mayInstall = process.getuid?.() === 0 && spawnSync("apt-get", ["--version"], { stdio: "ignore" }).status === 0;
  if (mayInstall) {
    const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
    console.error(`test setup: installing ${packages.join(", ")}`);
    spawnSync("apt-get", ["update", "-qq"], { stdio: "inherit", env });
    spawnSync("apt-get", ["install", "-y", "-qq", "--no-install-recommends", ...packages], { stdio: "inherit", env });
  }
  for (const need of missing) {
    if (has(need.command)) continue;
    console.error(
      `test setup: ${need.command} is missing (${need.why}). Its tests are skipped; they run after: sudo apt-get install ${need.package}`,
    );
  }
}
