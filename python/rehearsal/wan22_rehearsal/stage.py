"""What the three scripts share: context in, one terminal event and an exit code out."""

from __future__ import annotations

import errno
import json
import os
import sys
import traceback
from typing import Callable, NamedTuple

from .arguments import Arguments
from .events import Events
from .stop import StopRequest

FINISHED = 0
FAILED = 1
STOPPED = 85

CONTEXT_VERSION = 1
NOTICE = (
    "This is wan22's rehearsal, not Wan2.2: a miniature model is trained in plain Python, "
    "so that a pipeline can be tried out. Its checkpoints are good for nothing else."
)


class Refusal(Exception):
    """Something that the runner or the user got wrong: reported without a stack."""

    def __init__(self, reason: str, message: str):
        super().__init__(message)
        self.reason = reason


class Stage(NamedTuple):
    arguments: Arguments
    context: dict
    events: Events
    stop: StopRequest


def run_stage(argv: list[str], work: Callable[[Stage], int]) -> int:
    """Runs one script. Whatever happens, the events end with `finished`, `stopped` or `failed`."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)
    print(NOTICE)
    if len(argv) < 3 or argv[-2] != "--context":
        print("The last argument must be --context FILE; `wan22 apply` gives it.", file=sys.stderr)
        return FAILED
    with open(argv[-1], encoding="utf-8") as file:
        context = json.load(file)
    events = Events(context["events"])
    events.tell("started", pid=os.getpid())
    try:
        if context.get("version") != CONTEXT_VERSION:
            raise Refusal("context", f"The context is of version {context.get('version')}; this is {CONTEXT_VERSION}.")
        stage = Stage(Arguments(argv[1:-2]), context, events, StopRequest(context["stop_file"]))
        code = work(stage)
        events.tell("stopped" if code == STOPPED else "finished")
        return code
    except Refusal as refusal:
        return fail(events, refusal.reason, str(refusal))
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        place = f" ({error.filename})" if error.filename else ""
        return fail(events, "disk-full" if full else "io", f"{error.strerror or error}{place}")
    except ValueError as error:
        return fail(events, "value", str(error))
    except Exception as error:  # A bug here: the stack goes to the log, the runner gets one line.
        traceback.print_exc()
        return fail(events, "error", f"{type(error).__name__}: {error}")


def fail(events: Events, reason: str, message: str) -> int:
    print(message, file=sys.stderr)
    try:
        events.tell("failed", reason=reason, message=message)
    except OSError:
        pass  # A full disk takes the event too; the exit code and the log still tell.
    return FAILED


def read_items(path: str) -> list[dict]:
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file if line.strip()]
