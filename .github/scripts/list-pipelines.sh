#!/usr/bin/env bash
# Lists the pipelines that a push touches, or all of them, as the matrix of the jobs that follow.
#
# WAN22      the command
# PROJECT    the project's folder in the checkout
# SINCE      the commit before the push; all pipelines where it is empty, or not in the history any more
# Gives `matrix`, one line of JSON, and `any`, as outputs of the step.
set -euo pipefail

cd "$PROJECT"
changed=()
if [[ $SINCE =~ ^[0-9a-f]{40}$ ]] && git cat-file -e "$SINCE^{commit}" 2> /dev/null; then
  changed=("--changed-since=$SINCE")
elif [[ -n $SINCE ]]; then
  echo "::notice::The commit before this push is not in the history: all pipelines are looked at."
fi
matrix=$(node "$WAN22" list --json "${changed[@]}")
any=true
if [[ $matrix == '{"include":[]}' ]]; then any=false; fi
{
  echo "matrix=$matrix"
  echo "any=$any"
} >> "$GITHUB_OUTPUT"
