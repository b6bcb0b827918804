#!/usr/bin/env bash
# Plans what a pull request changes: annotations on standard output, a comment in a file. The pull request is looked at alone.
#
# WAN22      the command, built from a commit that is not the pull request's
# PROJECT    the project's folder in the checkout of the pull request
# BASE       the commit or branch that it is to be merged into
# COMMENT    the file for the comment
set -euo pipefail

mkdir -p "$(dirname "$COMMENT")"
code=0
(cd "$PROJECT" && node "$WAN22" plan "--changed-since=$BASE" --format github --markdown "$COMMENT") || code=$?
if [[ -s $COMMENT ]]; then cat "$COMMENT" >> "$GITHUB_STEP_SUMMARY"; fi
case $code in
  0) ;;
  5) echo "::error::The policy in wan22.yaml is not kept; the plan says by what." ;;
  *) echo "::error::The change can't be planned; the annotations and the summary say why." ;;
esac
exit "$code"
