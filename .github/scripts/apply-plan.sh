#!/usr/bin/env bash
# Carries a saved plan out: that, or nothing. Cancelled, it leaves training to go on.
#
# WAN22        the command
# FOLDER       the checkout on this machine; PROJECT is the project's folder in it
# PLAN         the saved plan; ADDRESS is its pipeline, seen from PROJECT
# BACKGROUND   true: hand it to the background, and free the runner when the first trainer runs
# Gives `outcome` (finished, resumable, failed) as an output of the step.
set -euo pipefail
# shellcheck source=.github/scripts/follow.sh
source "$(dirname "${BASH_SOURCE[0]}")/follow.sh"

cd "$FOLDER/$PROJECT"
apply=(node "$WAN22" apply --auto-approve)
if [[ ${BACKGROUND:-false} == true ]]; then apply+=(--detach); fi
apply+=(-- "$PLAN")

follow "${apply[@]}"
if ((code == 4 && !signalled)); then
  # A runner in the background has it, perhaps with this very plan: it is followed, and what it left is done after it.
  follow node "$WAN22" attach --detach-on-signal -- "$ADDRESS"
  if ((!signalled)); then follow "${apply[@]}"; fi
fi

outcome=failed
case $code in
  0) outcome=finished ;;
  3) echo "::error::The saved plan is stale: what it was made from has moved since, as said above. Nothing was done. Run all jobs again, for a plan of how things are now." ;;
  4) echo "::error::Another apply, another machine or another training is at work, as said above. Run this job again when it has ended." ;;
  5) echo "::error::The policy in wan22.yaml is not kept, as said above. Nothing was done." ;;
  6) echo "::error::A stage failed, as said above. Its log is among the artifacts; once it is mended, run the jobs again." ;;
  85)
    outcome=resumable
    echo "::notice::Training was stopped, or goes on without this job. Nothing is lost: the next job attaches to it, or goes on where it stopped."
    code=0
    ;;
  *) echo "::error::wan22 apply ended with $code, as said above." ;;
esac
echo "outcome=$outcome" >> "$GITHUB_OUTPUT"
exit "$code"
