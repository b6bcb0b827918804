"""Optimizers over flat lists. Every value is rounded to 32 bits after a step, so that a saved state is exact."""

from __future__ import annotations

import ast
import math
from typing import Protocol

from .arguments import Arguments
from .model import sum_of_squares
from .tensors import Tensor, round_to_float32

Weights = dict[str, list[float]]


class Optimizer(Protocol):
    moments: dict[str, list[float]]

    def step(self, weights: Weights, gradients: Weights, lr: float, number: int) -> None: ...


class AdamW:
    """Decoupled weight decay (Loshchilov and Hutter); `number` counts steps from 1."""

    def __init__(self, options: dict):
        self.beta1, self.beta2 = options.get("betas", (0.9, 0.999))
        self.eps = options.get("eps", 1e-8)
        self.decay = options.get("weight_decay", 0.01)
        self.moments: dict[str, list[float]] = {}

    def step(self, weights: Weights, gradients: Weights, lr: float, number: int) -> None:
        beta1, beta2, eps = self.beta1, self.beta2, self.eps
        rate = lr / (1 - beta1**number)
        correction = 1 / (1 - beta2**number)
        keep = 1 - lr * self.decay
        sqrt = math.sqrt
        for name, gradient in gradients.items():
            zeros = [0.0] * len(gradient)
            first = self.moments.get(f"exp_avg.{name}", zeros)
            second = self.moments.get(f"exp_avg_sq.{name}", zeros)
            first = round_to_float32(beta1 * m + (1 - beta1) * g for m, g in zip(first, gradient))
            second = round_to_float32(beta2 * v + (1 - beta2) * g * g for v, g in zip(second, gradient))
            self.moments[f"exp_avg.{name}"] = first
            self.moments[f"exp_avg_sq.{name}"] = second
            weights[name] = round_to_float32(
                w * keep - rate * m / (sqrt(v * correction) + eps) for w, m, v in zip(weights[name], first, second)
            )


class Lion:
    """Sign of an interpolated momentum (Chen et al., 2023)."""

    def __init__(self, options: dict):
        self.beta1, self.beta2 = options.get("betas", (0.9, 0.99))
        self.decay = options.get("weight_decay", 0.0)
        self.moments: dict[str, list[float]] = {}

    def step(self, weights: Weights, gradients: Weights, lr: float, number: int) -> None:
        beta1, beta2 = self.beta1, self.beta2
        keep = 1 - lr * self.decay
        for name, gradient in gradients.items():
            moment = self.moments.get(f"exp_avg.{name}", [0.0] * len(gradient))
            signs = [sign(beta1 * m + (1 - beta1) * g) for m, g in zip(moment, gradient)]
            weights[name] = round_to_float32(w * keep - lr * s for w, s in zip(weights[name], signs))
            self.moments[f"exp_avg.{name}"] = round_to_float32(
                beta2 * m + (1 - beta2) * g for m, g in zip(moment, gradient)
            )


class Sgd:
    """Plain gradient descent, as torch's SGD without options."""

    def __init__(self, options: dict):
        self.decay = options.get("weight_decay", 0.0)
        self.moments: dict[str, list[float]] = {}

    def step(self, weights: Weights, gradients: Weights, lr: float, number: int) -> None:
        for name, gradient in gradients.items():
            weights[name] = round_to_float32(
                w - lr * (g + self.decay * w) for w, g in zip(weights[name], gradient)
            )


def sign(value: float) -> float:
    return (value > 0) - (value < 0) + 0.0


def make_optimizer(arguments: Arguments) -> tuple[Optimizer, str]:
    """The optimizer, and the name of the one asked for where AdamW stands in for it."""
    options = {}
    for word in arguments.words("optimizer_args"):
        key, _, value = word.partition("=")
        options[key] = ast.literal_eval(value)
    asked = arguments.text("optimizer_type") or "adamw"
    short = asked.rpartition(".")[2].lower()
    if short in ("adamw", "adamw8bit", "pagedadamw", "pagedadamw8bit"):
        return AdamW(options), ""
    if short.startswith("lion"):
        return Lion(options), ""
    if short in ("sgd", "sgd8bit"):
        return Sgd(options), ""
    known = {name: value for name, value in options.items() if name == "weight_decay"}
    return AdamW(known), asked


def clip(gradients: Weights, largest_norm: float) -> Weights:
    """Scales all gradients down together where their norm is above `largest_norm`; 0 means no limit."""
    if largest_norm == 0.0:
        return gradients
    norm = math.sqrt(math.fsum(sum_of_squares(values) for values in gradients.values()))
    if not norm > largest_norm:
        return gradients
    factor = largest_norm / (norm + 1e-6)
    return {name: [factor * value for value in values] for name, values in gradients.items()}


def moment_tensors(optimizer: Optimizer) -> dict[str, Tensor]:
    return {name: Tensor((len(values),), values) for name, values in optimizer.moments.items()}
