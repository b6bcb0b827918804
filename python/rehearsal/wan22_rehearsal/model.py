"""The miniature model: for each linear layer of the module list a LoRA that learns to imitate a fixed teacher.

Layer j sees an input x made of an item's latent, its caption and noise, and should answer T·x for a fixed
matrix T. Its answer is gain·(alpha/dim)·U·D·x with the LoRA's two factors D (down) and U (up); the loss is the
mean squared error. Gradients are exact, so the loss falls for the same reason as in real training.
"""

from __future__ import annotations

import math
import random
from operator import mul
from typing import NamedTuple

from wan22_contract.stage import Refusal

from .caching import TEXT_WIDTH
from .tensors import Tensor, read_tensors, round_to_float32

FEATURES = TEXT_WIDTH
TEXT_SHARE = 0.5
"""Weight of a caption beside a latent in a layer's input."""
GAIN = 240.0
"""How much an answer changes with the factors: so much that the usual learning rates show within dozens of steps. It is
divided by the root of the rank, or a high rank would overshoot at rates at which a low one hardly moves."""
LOSS_SCALE = 0.1
"""Puts the first loss near the 0.1 that people know from Wan."""
TARGET_NOISE = 0.2
"""Standard deviation of what cannot be learnt: a real loss does not reach zero either."""


class Layer(NamedTuple):
    name: str
    inputs: int
    outputs: int
    teacher: list[list[float]]


class Sample(NamedTuple):
    """One item as the model sees it: FEATURES numbers of its latent, and as many of its caption."""

    latent: list[float]
    text: list[float]


class Lora:
    """All factors as flat lists by tensor name, each value exactly a 32-bit float."""

    def __init__(self, modules: list[dict], dim: int, alpha: float, seed: int):
        self.dim = dim
        self.alpha = alpha
        self.scale = GAIN * alpha / dim / math.sqrt(dim)
        self.layers = [
            Layer(tensor_name(module), module["in_features"], module["out_features"], make_teacher(module))
            for module in modules
        ]
        self.weights: dict[str, list[float]] = {}
        for layer in self.layers:
            bound = 1 / math.sqrt(layer.inputs)
            draw = random.Random(f"{seed}:init:{layer.name}").uniform
            self.weights[down(layer.name)] = round_to_float32(draw(-bound, bound) for _ in range(dim * layer.inputs))
            self.weights[up(layer.name)] = [0.0] * (layer.outputs * dim)

    def tensors(self) -> dict[str, Tensor]:
        """As a checkpoint holds them: down [dim, in], up [out, dim] and alpha, for each layer."""
        tensors = {}
        for layer in self.layers:
            tensors[down(layer.name)] = Tensor((self.dim, layer.inputs), self.weights[down(layer.name)])
            tensors[up(layer.name)] = Tensor((layer.outputs, self.dim), self.weights[up(layer.name)])
            tensors[f"{layer.name}.alpha"] = Tensor((), [self.alpha])
        return tensors

    def is_finite(self) -> bool:
        """Whether every factor is a number still: one that is not makes every later one worthless."""
        return all(all(map(math.isfinite, values)) for values in self.weights.values())

    def load(self, path: str) -> None:
        """Takes over the factors of a checkpoint or a state; a shape that differs is refused."""
        found, _ = read_tensors(path)
        for name, tensor in self.tensors().items():
            if name not in found or found[name].shape != tensor.shape:
                shape = list(found[name].shape) if name in found else "missing"
                raise Refusal("weights-mismatch", f"{path}: {name} is {shape}, and {list(tensor.shape)} is trained.")
            if name in self.weights:
                self.weights[name] = found[name].values

    def loss_and_gradients(
        self, samples: list[Sample], rng: random.Random, timesteps: tuple[float, float]
    ) -> tuple[float, dict[str, list[float]]]:
        """Mean loss over samples and layers, and its gradient for every factor; all NaN once numbers overflow."""
        try:
            return self._loss_and_gradients(samples, rng, timesteps)
        except (OverflowError, ValueError):  # How `math.fsum` answers infinities.
            return math.nan, {name: [math.nan] * len(values) for name, values in self.weights.items()}

    def _loss_and_gradients(
        self, samples: list[Sample], rng: random.Random, timesteps: tuple[float, float]
    ) -> tuple[float, dict[str, list[float]]]:
        rows = {
            layer.name: (
                split(self.weights[down(layer.name)], layer.inputs),
                split(self.weights[up(layer.name)], self.dim),
            )
            for layer in self.layers
        }
        gradients: dict[str, list[float]] = {}
        total = 0.0
        share = LOSS_SCALE / (len(self.layers) * len(samples))
        for sample in samples:
            t = rng.uniform(*timesteps)
            # Brought to variance 1, as a network's norm layers do: the loss then depends little on the timestep.
            norm = 1 / math.sqrt((1 - t) ** 2 + t**2 + TEXT_SHARE**2)
            noisy = [
                norm * ((1 - t) * latent + t * rng.gauss(0, 1) + TEXT_SHARE * text)
                for latent, text in zip(sample.latent, sample.text)
            ]
            for index, layer in enumerate(self.layers):
                start = index % FEATURES
                x = (noisy[start:] + noisy[:start])[: layer.inputs]
                down_rows, up_rows = rows[layer.name]
                hidden = [math.fsum(map(mul, row, x)) for row in down_rows]
                error = [
                    self.scale * math.fsum(map(mul, row, hidden))
                    - math.fsum(map(mul, teacher, x))
                    - rng.gauss(0, TARGET_NOISE)
                    for row, teacher in zip(up_rows, layer.teacher)
                ]
                total += share * sum_of_squares(error) / layer.outputs
                factor = 2 * share * self.scale / layer.outputs
                back = [factor * value for value in error]
                hidden_back = [math.fsum(map(mul, column, back)) for column in zip(*up_rows)]
                add(gradients, up(layer.name), [b * h for b in back for h in hidden])
                add(gradients, down(layer.name), [b * value for b in hidden_back for value in x])
        return total, gradients


def tensor_name(module: dict) -> str:
    """`blocks.0.self_attn.q` as a checkpoint calls it."""
    return "lora_unet_" + module["name"].replace(".", "_")


def down(name: str) -> str:
    return f"{name}.lora_down.weight"


def up(name: str) -> str:
    return f"{name}.lora_up.weight"


def make_teacher(module: dict) -> list[list[float]]:
    """The same for every run and seed: what there is to learn does not change."""
    gauss = random.Random(f"teacher:{module['name']}").gauss
    spread = 1 / math.sqrt(module["in_features"])
    return [[gauss(0, spread) for _ in range(module["in_features"])] for _ in range(module["out_features"])]


def split(values: list[float], width: int) -> list[list[float]]:
    return [values[start : start + width] for start in range(0, len(values), width)]


def sum_of_squares(values: list[float]) -> float:
    total = 0.0
    for value in values:
        total += value * value
    return total


def add(gradients: dict[str, list[float]], name: str, values: list[float]) -> None:
    before = gradients.get(name)
    gradients[name] = values if before is None else [a + b for a, b in zip(before, values)]
