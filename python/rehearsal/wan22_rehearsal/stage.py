"""One script of the rehearsal: says what it is, and knows the trainer's arguments by name."""

from __future__ import annotations

from typing import Callable, NamedTuple

from wan22_contract.events import Events
from wan22_contract.stage import Stage, run_stage
from wan22_contract.stop import StopRequest

from .arguments import Arguments

NOTICE = (
    "This is wan22's rehearsal, not Wan2.2: a miniature model is trained in plain Python, "
    "so that a pipeline can be tried out. Its checkpoints are good for nothing else."
)


class RehearsedStage(NamedTuple):
    arguments: Arguments
    context: dict
    events: Events
    stop: StopRequest


def rehearse(argv: list[str], work: Callable[[RehearsedStage], int]) -> int:
    def begin(stage: Stage) -> int:
        print(NOTICE)
        return work(RehearsedStage(Arguments(stage.words), stage.context, stage.events, stage.stop))

    return run_stage(argv, begin)
