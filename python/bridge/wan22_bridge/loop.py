"""The trainer's training loop, begun where a training state ends; and what the bridge needs to find in it."""

from __future__ import annotations

import ast
import inspect
import sys
import textwrap
from typing import Callable, Iterable

from wan22_contract.stage import Refusal

KNOWN_VERSIONS = "0.3.0 to 0.3.4"


def refuse(what: str) -> Refusal:
    return Refusal(
        "unknown-trainer",
        f"{what}. The bridge knows Musubi Tuner {KNOWN_VERSIONS}; with another one, check out the tag of one of these.",
    )


def require_hooks(trainer: type, names: Iterable[str]) -> None:
    missing = [name for name in names if not callable(getattr(trainer, name, None))]
    if missing:
        raise refuse(f"This Musubi Tuner's {trainer.__name__} has no {', '.join(missing)}")


def require_line(function: Callable, line: str) -> None:
    """Each patch stands for a line of upstream's, and looks first whether it is there, exactly once."""
    if inspect.getsource(function).count(line) != 1:
        raise refuse(f"This Musubi Tuner's {function.__qualname__} has no `{line}`, or more than one")


def resumable_loop(loop: Callable, epochs: int, steps: int) -> Callable:
    """The loop with its two first lines of counting changed: `epoch_to_start = 0` and `global_step = 0`.

    File names, metadata, TensorBoard steps, retention and the end then follow from them by themselves.
    """
    tree = ast.parse(textwrap.dedent(inspect.getsource(loop)))
    for name, value in (("epoch_to_start", epochs), ("global_step", steps)):
        found = [node for node in ast.walk(tree) if is_start(node, name)]
        if len(found) != 1:
            raise refuse(f"This Musubi Tuner's {loop.__qualname__} has no `{name} = 0`, or more than one")
        found[0].value = ast.copy_location(ast.Constant(value), found[0].value)
    ast.increment_lineno(tree, loop.__code__.co_firstlineno - 1)
    made: dict = {}
    exec(compile(tree, loop.__code__.co_filename, "exec"), vars(sys.modules[loop.__module__]), made)
    return made[loop.__name__]


def is_start(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Assign) and ast.unparse(node) == f"{name} = 0"
