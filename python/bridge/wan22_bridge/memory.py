"""What an exact resume needs beside what accelerate keeps: `wan22_resume.json` in each training state."""

from __future__ import annotations

import json
import os
import random
from dataclasses import asdict, dataclass, field

import numpy
import torch

from wan22_contract.files import write_whole

FILE = "wan22_resume.json"


@dataclass
class Memory:
    seed: int | None = None
    """That everything was drawn from, where the arguments name none."""
    started_at: float = 0.0
    """When the training's first process began, in Unix seconds."""
    order: list[int] | None = None
    """The epoch in progress: the positions of its batches, as they were drawn."""
    losses: list[float] = field(default_factory=list)
    loss_total: float = 0.0
    """Of the moving average: the newest loss of each batch of an epoch."""
    timestep_ranges: list[list[float]] = field(default_factory=list)
    """That `num_timestep_buckets` has still to draw from."""
    generators: dict | None = None


def write_memory(folder: str, memory: Memory) -> None:
    write_whole(os.path.join(folder, FILE), json.dumps(asdict(memory)).encode())


def read_memory(folder: str) -> Memory:
    with open(os.path.join(folder, FILE), encoding="utf-8") as file:
        return Memory(**json.load(file))


def read_generators() -> dict:
    """The state of every random number generator that training draws from."""
    name, keys, position, has_gauss, gauss = numpy.random.get_state()
    version, words, next_gauss = random.getstate()
    return {
        "python": [version, list(words), next_gauss],
        "numpy": [name, keys.tolist(), position, has_gauss, gauss],
        "torch": torch.get_rng_state().numpy().tobytes().hex(),
        "cuda": [state.numpy().tobytes().hex() for state in torch.cuda.get_rng_state_all()],
    }


def restore_generators(states: dict) -> None:
    version, words, next_gauss = states["python"]
    random.setstate((version, tuple(words), next_gauss))
    name, keys, *rest = states["numpy"]
    numpy.random.set_state((name, numpy.array(keys, dtype=numpy.uint32), *rest))
    torch.set_rng_state(as_bytes(states["torch"]))
    if torch.cuda.is_available():
        torch.cuda.set_rng_state_all([as_bytes(state) for state in states["cuda"][: torch.cuda.device_count()]])


def as_bytes(text: str) -> torch.Tensor:
    return torch.frombuffer(bytearray.fromhex(text), dtype=torch.uint8)
