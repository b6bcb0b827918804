#!/usr/bin/env bash
# Brings the project's folder on this machine to a commit. It is not the job's workspace: records, caches and checkpoints lie in it,
# a trainer may be at work in it, and whichever runner of this machine takes the next job has to find them.
#
# FOLDER     the folder, absolute; made where it is not there
# COMMIT     the commit
# URL        the repository
# TOKEN      may read it; kept nowhere
set -euo pipefail

if [[ $FOLDER != /* ]]; then
  echo "::error::folder has to be an absolute path on the self-hosted machine, and it is '$FOLDER'."
  exit 1
fi
export GIT_TERMINAL_PROMPT=0
if [[ -n ${TOKEN:-} ]]; then
  basic=$(printf 'x-access-token:%s' "$TOKEN" | base64 -w 0)
  echo "::add-mask::$basic"
  export GIT_CONFIG_COUNT=1
  export GIT_CONFIG_KEY_0="http.${URL%/*/*}/.extraheader"
  export GIT_CONFIG_VALUE_0="AUTHORIZATION: basic $basic"
fi

mkdir -p "$FOLDER"
# Jobs of several pipelines come at the same moment.
exec 9> "$FOLDER.checkout-lock"
flock 9
if [[ ! -e $FOLDER/.git ]]; then
  git init --quiet "$FOLDER"
  git -C "$FOLDER" remote add origin "$URL"
fi
cd "$FOLDER"
# Git's own tidying would go on in the background, and keep the lock.
git fetch --quiet --no-tags --no-recurse-submodules --no-auto-maintenance "$URL" "$COMMIT"
# No `--force` and no `clean`: what somebody changed here by hand is not thrown away, and what Git ignores is the work of days.
if ! git checkout --quiet --detach "$COMMIT"; then
  echo "::error::$FOLDER can't be brought to $COMMIT: files in it were changed by hand. Commit or put back what \`git status\` shows there."
  exit 1
fi
