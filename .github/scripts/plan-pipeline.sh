#!/usr/bin/env bash
# Saves the plan of one pipeline. Training that an earlier job has left is followed to its end first, for a plan of what is moving is stale.
#
# WAN22      the command
# FOLDER     the checkout on this machine; PROJECT is the project's folder in it
# COMMIT     what has been checked out
# ADDRESS    the pipeline, seen from PROJECT
# OUT        the folder for `wan22.plan` and `plan.md`
set -euo pipefail
# shellcheck source=.github/scripts/follow.sh
source "$(dirname "${BASH_SOURCE[0]}")/follow.sh"

cd "$FOLDER/$PROJECT"
follow node "$WAN22" attach --detach-on-signal -- "$ADDRESS"
if ((signalled)); then
  echo "::notice::The job was cancelled, and training goes on. The next job attaches to it."
  exit 1
fi

mkdir -p "$OUT"
code=0
node "$WAN22" plan --out "$OUT/wan22.plan" --markdown "$OUT/plan.md" --format github -- "$ADDRESS" || code=$?
if [[ -s $OUT/plan.md ]]; then cat "$OUT/plan.md" >> "$GITHUB_STEP_SUMMARY"; fi
if ((code != 0)); then
  echo "::error::There is no plan to apply; the annotations and the summary say why."
  exit "$code"
fi
if [[ $(git rev-parse HEAD) != "$COMMIT" ]]; then
  echo "::error::Another job has brought the folder to another commit meanwhile. Run this job again."
  exit 1
fi
