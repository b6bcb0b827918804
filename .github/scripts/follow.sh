# shellcheck shell=bash
# Runs a command as a job's step has to: a shell in between would keep the signal that cancels a job to itself, and wan22, which
# leaves training to go on when it hears it, would be killed without having heard. Sets `code` and `signalled`.

follow() {
  signalled=0
  code=0
  local heard=0
  "$@" &
  local child=$!
  # Once: a second signal means "now" to wan22.
  trap 'heard=1; if ((!signalled)); then signalled=1; kill -TERM "$child" 2> /dev/null || true; fi' INT TERM
  while true; do
    heard=0
    code=0
    wait "$child" || code=$?
    # A wait that a signal broke off says nothing of the command.
    if ((!heard)); then break; fi
  done
  trap - INT TERM
}
