"""Training states that are complete or say that they are not, and what retention takes away."""

from __future__ import annotations

import os
import re
from typing import Callable

from wan22_contract.files import remove_folder, remove_left_behind, sync
from wan22_contract.retention import Retention, own_names
from wan22_contract.stage import Stage
from wan22_contract.training_state import Progress, fill_state, holds, mark, remove_interim_states

from .memory import Memory, write_memory
from .saving import files_below


class TrainingStates:
    def __init__(self, stage: Stage, args):
        self.newest: Progress | None = None
        """Of the last state that this process has saved."""
        self._stage = stage
        self._folder: str = args.output_dir
        self._name: str = args.output_name
        self._saved: set[str] = set()
        last_steps = args.save_last_n_steps
        self._retention = Retention(
            self._name,
            bool(args.save_state),
            args.save_every_n_epochs,
            args.save_last_n_epochs_state or args.save_last_n_epochs,
            args.save_every_n_steps,
            last_steps,
            args.save_last_n_steps_state or last_steps,
        )
        remove_left_behind(self._folder, own_names(self._name) + "-state")

    def take_up(self, resume: str) -> None:
        """Goes on from a state: upstream will remove what earlier processes saved, and repeats no removal of theirs."""
        own = re.compile(own_names(self._name) + r"(?:-state|\.safetensors)")
        self._saved.update(os.path.join(self._folder, name) for name in os.listdir(self._folder) if own.fullmatch(name))
        for name in self._retention.overdue(resume):
            path = os.path.join(self._folder, name)
            if os.path.exists(path):
                self._remove(path)

    def save(self, folder: str, progress: Progress, kind: str, write: Callable[[str], None], memory: Memory) -> None:
        """Has `write` fill a folder, adds what an exact resume needs beside, and marks it last.

        Upstream calls this before it removes an older state: there is a complete one at every moment.
        """
        context = self._stage.context
        if holds(folder, context, progress):
            return
        with fill_state(folder) as making:
            write(making)
            write_memory(making, memory)
            files = files_below(making)
            for file in files:
                sync(os.path.join(making, file))
            mark(making, context, progress, files, kind)
        self.newest = progress
        self._saved.add(folder)
        epochs, steps, batches = progress
        self._stage.events.tell("state", dir=folder, done_epochs=epochs, done_steps=steps, done_batches=batches)
        self.remove_interim(steps)

    def remove_interim(self, before_step: int) -> None:
        remove_interim_states(self._folder, self._name, before_step, self._remove)

    def _remove(self, path: str) -> None:
        # Told first: a process that is killed in between leaves what nothing speaks of, never the reverse.
        self._stage.events.tell("removed", file=path)
        self._saved.discard(path)
        if os.path.isdir(path):
            remove_folder(path)
        else:
            os.unlink(path)

    def tell_checkpoint(self, path: str, epoch: int, step: int) -> None:
        self._stage.events.tell("checkpoint", file=path, epoch=epoch, step=step, bytes=os.path.getsize(path))
        self._saved.add(path)

    def tell_removed(self) -> None:
        """What retention has removed since the last look; upstream does so right after it has saved."""
        for path in sorted(self._saved):
            if not os.path.exists(path):
                self._saved.discard(path)
                self._stage.events.tell("removed", file=path)
