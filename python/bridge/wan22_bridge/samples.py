"""Samples that are whole or not there, are given up when a stop is asked for, and are made once."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import Callable, Iterator

from .memory import read_generators, restore_generators


class SampleGivenUp(Exception):
    """A stop was asked for while a sample was made, which can take many minutes."""


class Sampling:
    given_up = False


def sample_stem(output_name: str, epoch: int | None, step: int, prompt: int) -> str:
    """What a sample's name starts with, before its time (`{name}_e000004_00_`)."""
    number = f"e{epoch:06d}" if epoch is not None else f"{step:06d}"
    return f"{output_name}_{number}_{prompt:02d}_"


def is_made(folder: str, stem: str, since: float) -> bool:
    """Whether a sample of this training is there: one of an earlier training may have the same name."""
    if not os.path.isdir(folder):
        return False
    with os.scandir(folder) as entries:
        return any(entry.name.startswith(stem) and entry.stat().st_mtime >= since for entry in entries)


@contextmanager
def given_up_on_stop(transformer, stop_seen: Callable[[], bool]) -> Iterator[Sampling]:
    """Ends a sample between two steps of its inference. Random numbers go on as if it had not been begun."""
    sampling = Sampling()

    def look(_module, _inputs) -> None:
        if stop_seen():
            raise SampleGivenUp

    generators = read_generators()
    handle = transformer.register_forward_pre_hook(look)
    try:
        yield sampling
    except SampleGivenUp:
        sampling.given_up = True
        restore_generators(generators)
    finally:
        handle.remove()
