"""What goes once a training state is complete: by the trainer's own parameters, names and arithmetic (its `utils/train_utils.py`)."""

from __future__ import annotations

import os
import re
from typing import NamedTuple

from .training_state import read_marker


class Retention(NamedTuple):
    name: str
    """`output_name`."""
    save_state: bool
    every_epochs: int | None
    last_epochs_state: int | None
    every_steps: int | None
    last_steps: int | None
    last_steps_state: int | None

    def after_state(self, state: str) -> list[str]:
        """Base names that the trainer removes after it has saved this state, in its order; whether they are there or not."""
        match = re.fullmatch(re.escape(self.name) + r"-(step)?(\d{6,})-state", state)
        if match is None:
            return []
        number = int(match[2])
        return self.after_step(number) if match[1] else self.after_epoch(number)

    def after_epoch(self, epoch: int) -> list[str]:
        """Checkpoints of epochs go before the state is saved."""
        every, keep = self.every_epochs, self.last_epochs_state
        if every is None or keep is None or epoch % every != 0 or not self.save_state:
            return []
        old = epoch - every * keep
        return [f"{self.name}-{old:06d}-state"] if old > 0 else []

    def after_step(self, step: int) -> list[str]:
        every = self.every_steps
        if every is None or step % every != 0:
            return []
        kinds = [(self.last_steps_state, "-state")] if self.save_state else []
        olds = [
            ((step - keep - 1) // every * every, end)
            for keep, end in [*kinds, (self.last_steps, ".safetensors")]
            if keep is not None
        ]
        return [f"{self.name}-step{old:08d}{end}" for old, end in olds if old > 0]

    def overdue(self, resume: str) -> list[str]:
        """What a process that was killed right after it had saved this state has not come to remove."""
        marker = read_marker(resume)
        scheduled = marker is not None and marker.get("kind", "scheduled") == "scheduled"
        return self.after_state(os.path.basename(os.path.normpath(resume))) if scheduled else []


def own_names(name: str) -> str:
    """A pattern: others may be at work in this folder, on names that start with the same letters."""
    return re.escape(name) + r"(?:-\d{6,}|-step\d{8,})?"
