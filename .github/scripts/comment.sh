#!/usr/bin/env bash
# Puts a plan into a comment of its pull request: into the one that is there already, if there is.
#
# The plan comes from a run that a pull request has shaped, perhaps of somebody who means harm, who can have put anything in its
# place. So it is text and nothing else, of the form that a plan has, and it doesn't say where it goes: which pull request it
# belongs to is GitHub's own answer for the commit that the run was of.
#
# COMMENT                                           the file with the plan
# REPOSITORY                                        the repository that has the pull request
# HEAD_OWNER, HEAD_REPOSITORY, HEAD_BRANCH, HEAD_SHA   what GitHub says that the run was of
# RUN_URL                                           the run
# GH_TOKEN                                          may write to pull requests
set -euo pipefail
export LC_ALL=C.UTF-8

refuse() {
  echo "::error::The plan was not posted: $1 It comes from $RUN_URL."
  exit 1
}

if [[ ! -e $COMMENT && ! -L $COMMENT ]]; then
  echo "::notice::The run has left no plan: there is nothing to post."
  exit 0
fi
[[ -f $COMMENT && ! -L $COMMENT ]] || refuse "it is not a file."
(($(wc -c < "$COMMENT") <= 262144)) || refuse "it is larger than any comment."
iconv -f UTF-8 -t UTF-8 "$COMMENT" > /dev/null 2>&1 || refuse "it is not text."
(($(wc -m < "$COMMENT") <= 65000)) || refuse "it is longer than wan22 makes one."

MARK=$(tail -n 1 "$COMMENT")
export MARK
# As `hiddenMark` in src/views/markdown/escape.ts writes it.
[[ $MARK =~ ^'<!-- wan22 plan: '[[:alnum:]_./\ %-]+' -->'$ ]] || refuse "its last line is not the mark of a plan."
[[ $(grep -c -F '<!--' "$COMMENT") == 1 ]] || refuse "it holds another comment's mark."

# `-f` sends words as they are, whatever a branch is called.
numbers=$(gh api -X GET "repos/$REPOSITORY/pulls" -f state=open -f "head=$HEAD_OWNER:$HEAD_BRANCH" -f per_page=100 \
  --jq '.[] | select(.head.sha == $ENV.HEAD_SHA and .head.repo.full_name == $ENV.HEAD_REPOSITORY) | .number')
if [[ -z $numbers ]]; then
  echo "::notice::No open pull request is at $HEAD_SHA any more: its plan is not posted."
  exit 0
fi

body=$(mktemp)
trap 'rm -f "$body"' EXIT
# An invisible space after each `@`: wan22 mentions nobody, and neither shall anybody else by this.
{
  head -n -1 "$COMMENT" | sed $'s/@/@\u200b/g'
  printf '<sub>Planned from the files of the pull request, at %s, by <a href="%s">this run</a>.</sub>\n\n%s\n' \
    "$HEAD_SHA" "$RUN_URL" "$MARK"
} > "$body"
(($(wc -m < "$body") <= 65536)) || refuse "it is longer than a comment may be."

for number in $numbers; do
  own=$(gh api --paginate "repos/$REPOSITORY/issues/$number/comments?per_page=100" \
    --jq '.[] | select(.user.login == "github-actions[bot]" and (.body | rtrimstr("\n") | endswith($ENV.MARK))) | .id' |
    sed -n 1p)
  if [[ -n $own ]]; then
    gh api -X PATCH "repos/$REPOSITORY/issues/comments/$own" -F "body=@$body" > /dev/null
  elif grep -q '^No pipeline is touched by what changed since ' "$COMMENT"; then
    echo "::notice::The pull request touches no pipeline: it gets no comment."
  else
    gh api -X POST "repos/$REPOSITORY/issues/$number/comments" -F "body=@$body" > /dev/null
  fi
done
