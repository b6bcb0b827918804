"""Files that appear under their names whole, and on the disk, or not at all."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from typing import Callable, ContextManager, Iterator

from wan22_contract.files import sync, sync_folder


class Workshop:
    """A folder beside the outputs in which files are made before they get their place.

    On the same file system, so that a rename is all it takes; named after the output, so that what a killed process left
    in it is found and removed by the next one.
    """

    def __init__(self, output_dir: str, name: str):
        self._folder = os.path.join(output_dir, f".{name}.unfinished")
        shutil.rmtree(self._folder, ignore_errors=True)

    @contextmanager
    def make(self) -> Iterator[str]:
        os.makedirs(self._folder, exist_ok=True)
        try:
            yield self._folder
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)


def save_weights_whole(
    network, workshop: Workshop, before: Callable[[], None], apart: Callable[[], ContextManager[None]]
) -> None:
    """Checkpoints are written beside their place. `before` may refuse to save; what it takes is no part of a step."""
    save_weights = network.save_weights

    def save_whole(file: str, *rest, **named) -> None:
        before()
        with apart(), workshop.make() as folder:
            made = os.path.join(folder, os.path.basename(file))
            save_weights(made, *rest, **named)
            move_whole(made, file)

    network.save_weights = save_whole


def move_whole(made: str, place: str) -> None:
    sync(made)
    os.replace(made, place)
    sync_folder(os.path.dirname(place) or ".")


def files_below(folder: str) -> list[str]:
    """Relative to the folder, with `/`."""
    found = [os.path.join(place, name) for place, _, names in os.walk(folder) for name in names]
    return sorted(os.path.relpath(path, folder).replace(os.sep, "/") for path in found)
