#!/usr/bin/env bash
# What there is to see of a pipeline when its job ends, also of one that failed or was cancelled: where it stands, in the step's
# summary, and its last run's plan, journal, events and logs in a folder. Checkpoints stay on the machine.
#
# WAN22      the command
# FOLDER     the checkout on this machine; PROJECT is the project's folder in it
# ADDRESS    the pipeline, seen from PROJECT
# OUT        the folder for the copies
set -euo pipefail

cd "$FOLDER/$PROJECT"
{
  echo
  # Indented, it is code, and nothing in it can end that.
  node "$WAN22" status -- "$ADDRESS" 2>&1 | sed 's/^/    /'
} >> "$GITHUB_STEP_SUMMARY" || true

last='let text = ""; process.stdin.on("data", (part) => { text += part; }).on("end", () => {
  const runs = JSON.parse(text).pipelines.flatMap((pipeline) => pipeline.runs);
  process.stdout.write(runs.at(-1)?.folder ?? "");
});'
run=$(node "$WAN22" runs --format json -- "$ADDRESS" | node -e "$last")
mkdir -p "$OUT"
if [[ -n $run ]]; then cp -R -- "$run/." "$OUT"; fi
