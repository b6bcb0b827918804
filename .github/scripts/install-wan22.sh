#!/usr/bin/env bash
# Builds wan22 from a checkout of it, once for each commit: a trainer that outlives its job goes on to use what it was started from.
#
# SOURCE     the checkout
# COMMIT     what it has to be at, in full: a branch or a tag could come to mean something else
# TOOLS      the folder that keeps builds
# Gives `command`, the file that Node runs, as an output of the step.
set -euo pipefail

if [[ ! $COMMIT =~ ^[0-9a-f]{40}$ ]]; then
  echo "::error::wan22-ref is not a full commit. Give the 40 digits of the commit of wan22 that you have looked at: a branch or a tag can be moved."
  exit 1
fi
if [[ $(git -C "$SOURCE" rev-parse HEAD) != "$COMMIT" ]]; then
  echo "::error::The checkout of wan22 is not at $COMMIT. Check wan22-repository and wan22-ref."
  exit 1
fi

installed=$TOOLS/wan22/$COMMIT
if [[ ! -e $installed/dist/wan22.js ]]; then
  mkdir -p "$TOOLS/wan22"
  making=$(mktemp -d "$TOOLS/wan22/making-XXXXXX")
  trap 'rm -rf "$making"' EXIT
  git -C "$SOURCE" archive --format=tar HEAD | tar -x -C "$making"
  # Nothing that a package brings along is run, but for the bundler that builds the command.
  (cd "$making" && npm ci --ignore-scripts && node scripts/build.mjs)
  # What is built needs no package: of 200 MB for each commit 10 stay.
  rm -rf "$making/node_modules"
  # Whoever comes second leaves the first one's: something may run from it by now.
  mv -T "$making" "$installed" 2>/dev/null || [[ -e $installed/dist/wan22.js ]]
fi
echo "command=$installed/dist/wan22.js" >> "$GITHUB_OUTPUT"
