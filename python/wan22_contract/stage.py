"""What all scripts share: context in, one terminal event and an exit code out."""

from __future__ import annotations

import errno
import json
import os
import sys
import traceback
from typing import Callable, NamedTuple

from .events import Events
from .stop import StopRequest
from .streams import outlive_full_disks

FINISHED = 0
FAILED = 1
STOPPED = 85

CONTEXT_VERSION = 1


class Refusal(Exception):
    """Something that the runner or the user got wrong, or that this run must not survive: reported without a stack."""

    def __init__(self, reason: str, message: str):
        super().__init__(message)
        self.reason = reason


class Stage(NamedTuple):
    words: list[str]
    """The trainer's own arguments, without the script's name and `--context FILE`."""
    context: dict
    events: Events
    stop: StopRequest


class Unexpected(NamedTuple):
    """How an exception that the contract knows nothing of is told: reason and message, and whether the log gets the stack."""

    reason: str
    message: str
    with_stack: bool = True


def run_stage(
    argv: list[str],
    work: Callable[[Stage], int],
    explain: Callable[[Stage, BaseException], Unexpected | None] = lambda _stage, _error: None,
) -> int:
    """Runs one script. Whatever happens, the events end with `finished`, `stopped` or `failed`.

    `explain` knows the exceptions of a backend; what it has no word for is told by its kind.
    """
    outlive_full_disks()
    if len(argv) < 3 or argv[-2] != "--context":
        print("The last argument must be --context FILE; `wan22 apply` gives it.", file=sys.stderr)
        return FAILED
    with open(argv[-1], encoding="utf-8") as file:
        context = json.load(file)
    events = Events(context["events"])
    events.tell("started", pid=os.getpid())
    stage = Stage(argv[1:-2], context, events, StopRequest(context["stop_file"]))
    try:
        if context.get("version") != CONTEXT_VERSION:
            raise Refusal("context", f"The context is of version {context.get('version')}; this is {CONTEXT_VERSION}.")
        code = work(stage)
        events.tell("stopped" if code == STOPPED else "finished", exit_code=code)
        events.settle(stage.stop.seen)
        return code
    except Refusal as refusal:
        return fail(events, refusal.reason, str(refusal))
    except (Exception, SystemExit) as error:
        unexpected = explain(stage, error) or explain_here(error)
        if unexpected.with_stack:
            traceback.print_exc()
        return fail(events, unexpected.reason, unexpected.message)


def explain_here(error: BaseException) -> Unexpected:
    if isinstance(error, OSError):
        closed = closed_folder(error)
        if closed is not None:
            return Unexpected("not-writable", f"Nothing can be written in {closed}: {error.strerror}", with_stack=False)
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        place = f" ({error.filename})" if error.filename else ""
        return Unexpected("disk-full" if full else "io", f"{error.strerror or error}{place}", with_stack=False)
    if isinstance(error, ValueError):
        return Unexpected("value", str(error), with_stack=False)
    return Unexpected("error", f"{type(error).__name__}: {error}")


def closed_folder(error: OSError) -> str | None:
    """The folder that refused a file; None where it was a file that could not be read, or something else altogether."""
    if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS) or not isinstance(error.filename, str):
        return None
    if os.path.exists(error.filename) and not os.access(error.filename, os.R_OK):
        return None
    folder = os.path.dirname(error.filename) or "."
    while not os.path.isdir(folder) and os.path.dirname(folder) != folder:
        folder = os.path.dirname(folder) or "."
    return None if os.access(folder, os.W_OK | os.X_OK) else folder


def fail(events: Events, reason: str, message: str) -> int:
    print(message, file=sys.stderr)
    # A full disk takes the event too; the exit code still tells.
    events.tell("failed", reason=reason, message=message, exit_code=FAILED)
    return FAILED


def read_items(path: str) -> list[dict]:
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file if line.strip()]
