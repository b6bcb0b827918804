"""Training states: which are complete, what they say of themselves, and which a later one makes superfluous.

A state is a folder that the trainer fills file by file, beside its place: it gets its name when it is complete. Its
`wan22.json` is written last, and holds the size of every file: a state without it, or with other sizes, is incomplete and
never gone on from.
"""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from typing import Callable, Iterator, NamedTuple

from .files import TEMPORARY, remove_folder, remove_tree, sync_folder, write_whole
from .stage import Refusal

MARKER = "wan22.json"


class Progress(NamedTuple):
    """Epochs that are complete, steps in all, and batches done of the epoch in progress."""

    epochs: int
    steps: int
    batches: int


@contextmanager
def fill_state(folder: str) -> Iterator[str]:
    """The folder to fill and to mark, which is then put in its place. What fails leaves nothing; what is killed, a temporary one.

    One that is there already goes first: two of them may be more than the disk holds.
    """
    if os.path.isdir(folder):
        remove_folder(folder)
    making = f"{folder}.{os.getpid()}{TEMPORARY}"
    os.makedirs(making)
    try:
        yield making
        os.rename(making, folder)
    except BaseException as error:
        remove_tree(making)
        if isinstance(error, OSError) and str(error.filename).startswith(making):
            # Nobody knows the temporary name.
            error.filename = folder + error.filename[len(making) :]
        raise
    sync_folder(os.path.dirname(folder) or ".")


def mark(folder: str, context: dict, progress: Progress, files: list[str], kind: str) -> None:
    """Says that a state is complete. `kind` is why it was saved: `scheduled`, `last` or `stop`."""
    content = {
        "version": 1,
        "pipeline": context["pipeline"],
        "stage": context["stage"],
        "fingerprint": context["fingerprint"],
        "segment": context["segment"],
        "done_epochs": progress.epochs,
        "done_steps": progress.steps,
        "done_batches": progress.batches,
        "total_epochs": context["total_epochs"],
        "total_steps": context["total_steps"],
        "files": {name: os.path.getsize(os.path.join(folder, name)) for name in files},
        "kind": kind,
    }
    write_whole(os.path.join(folder, MARKER), json.dumps(content).encode(), sync="disk")


def read_marker(folder: str) -> dict | None:
    """What a training state says of itself, if it is complete: every file there, with the size it should have."""
    try:
        with open(os.path.join(folder, MARKER), encoding="utf-8") as file:
            content = json.load(file)
        whole = all(os.path.getsize(os.path.join(folder, name)) == size for name, size in content["files"].items())
        return content if whole else None
    except (OSError, ValueError, KeyError, AttributeError):
        return None


def holds(folder: str, context: dict, progress: Progress) -> bool:
    """Whether this very state is there already: writing it again could only lose it."""
    content = read_marker(folder)
    return (
        content is not None
        and content.get("fingerprint") == context["fingerprint"]
        and content.get("done_steps") == progress.steps
        and content.get("done_batches") == progress.batches
    )


def require_state(folder: str, context: dict) -> Progress:
    """The progress of a state that is to be gone on from. One that is incomplete, or of something else, is refused."""
    content = read_marker(folder)
    if content is None:
        raise Refusal("resume-mismatch", f"{folder} is not a complete training state.")
    for field in ("stage", "fingerprint", "done_epochs", "done_steps", "done_batches"):
        if content.get(field) != context.get(field):
            raise Refusal(
                "resume-mismatch",
                f"{folder} and the context disagree about {field}: {content.get(field)} and {context.get(field)}.",
            )
    return Progress(content["done_epochs"], content["done_steps"], content["done_batches"])


def require_same_resume(named: str | None, context: dict) -> None:
    """`--resume` and the context must speak of the same state, and of none where nothing is done."""
    if normal(named) != normal(context.get("resume")):
        raise Refusal(
            "resume-mismatch", f"--resume is {named or 'not given'}, and the context says {context.get('resume')}."
        )
    if named is None and context.get("done_steps", 0) > 0:
        raise Refusal("resume-mismatch", f"The context counts {context['done_steps']} steps done, without --resume.")


def normal(path: str | None) -> str | None:
    return None if path is None else os.path.normpath(path)


def remove_interim_states(output_dir: str, name: str, before_step: int, remove: Callable[[str], None]) -> None:
    """States under a step's name from before a step that no schedule keeps: a stop's, an extended run's last, a torn one."""
    prefix, suffix = f"{name}-step", "-state"
    for folder in sorted(os.listdir(output_dir)) if os.path.isdir(output_dir) else []:
        digits = folder[len(prefix) : -len(suffix)]
        if not (folder.startswith(prefix) and folder.endswith(suffix) and digits.isdecimal()):
            continue
        content = read_marker(os.path.join(output_dir, folder))
        scheduled = content is not None and content.get("kind") not in ("stop", "last")
        if not scheduled and int(digits) < before_step:
            remove(os.path.join(output_dir, folder))
