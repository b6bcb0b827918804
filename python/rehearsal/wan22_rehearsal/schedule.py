"""Learning-rate schedules, against the full number of steps: what a run does after a resume is what it would have done."""

from __future__ import annotations

import ast
import math
from typing import Callable

from .arguments import Arguments

Factor = Callable[[int], float]
"""Multiplies the learning rate of a step, counted from 0."""

POLYNOMIAL_END_LR = 1e-7
"""The end of `polynomial` in transformers, which the trainer takes."""


def learning_rates(arguments: Arguments, learning_rate: float, total_steps: int) -> tuple[Callable[[int], float], str]:
    """The learning rate of each step, from 0, and the schedule's name where it is not rehearsed (then constant)."""
    name = (arguments.text("lr_scheduler") or "constant").lower()
    if arguments.text("lr_scheduler_type"):
        return (lambda _step: learning_rate), arguments.required("lr_scheduler_type")
    warmup = arguments.steps("lr_warmup_steps", total_steps)
    decay = arguments.steps("lr_decay_steps", total_steps)
    cycles = arguments.number("lr_scheduler_num_cycles") or 1
    least = arguments.number("lr_scheduler_min_lr_ratio")
    options = {}
    for word in arguments.words("lr_scheduler_args"):
        key, _, value = word.partition("=")
        options[key] = ast.literal_eval(value)

    def after_warmup(rest: Factor) -> Factor:
        return lambda step: step / max(1, warmup) if step < warmup else rest(step)

    def progress(step: int) -> float:
        return (step - warmup) / max(1, total_steps - warmup)

    def half_cosine(share: float, floor: float = 0.0) -> float:
        return max(0.0, 0.5 * (1.0 + math.cos(math.pi * share)) * (1 - floor) + floor)

    def restarts(step: int) -> float:
        return 0.0 if progress(step) >= 1.0 else half_cosine((cycles * progress(step)) % 1.0)

    def polynomial(step: int) -> float:
        power = arguments.number("lr_scheduler_power") or 1.0
        end = float(options.get("lr_end", POLYNOMIAL_END_LR))
        remaining = max(0.0, 1 - (step - warmup) / max(1, total_steps - warmup))
        return ((learning_rate - end) * remaining**power + end) / learning_rate

    def inverse_sqrt(step: int) -> float:
        timescale = arguments.integer("lr_scheduler_timescale") or warmup or 10_000
        return 1.0 / math.sqrt((step + timescale - warmup) / timescale)

    def stable_decay(step: int) -> float:
        floor = least or 0.0
        if step < warmup:
            return (step / max(1, warmup)) * (1 - floor) + floor
        if step < total_steps - decay:
            return 1.0
        if step < total_steps:
            return half_cosine(cycles * (step - (total_steps - decay)) / max(1, decay), floor)
        return floor

    factors: dict[str, Factor] = {
        "constant": lambda _step: 1.0,
        "constant_with_warmup": after_warmup(lambda _step: 1.0),
        "linear": after_warmup(lambda step: max(0.0, 1.0 - progress(step))),
        "cosine": after_warmup(lambda step: half_cosine(progress(step))),
        "cosine_with_restarts": after_warmup(restarts),
        "cosine_with_min_lr": after_warmup(lambda step: half_cosine(cycles * progress(step), least or 0.0)),
        "polynomial": after_warmup(polynomial),
        "inverse_sqrt": after_warmup(inverse_sqrt),
        "warmup_stable_decay": stable_decay,
        "rex": rex(options, total_steps, warmup, 0.01 if least is None else least),
    }
    if name == "piecewise_constant":
        factor = piecewise_constant(str(options["step_rules"]))
    elif name.startswith("adafactor"):
        factor = factors["constant"]
    elif name in factors:
        factor = factors[name]
    else:
        return (lambda _step: learning_rate), name
    return (lambda step: learning_rate * factor(step)), ""


def rex(options: dict, total_steps: int, warmup: int, least: float) -> Factor:
    """Reflected exponential (https://arxiv.org/abs/2107.04197), with the trainer's bounds at both ends."""
    alpha = float(options.get("rex_alpha", 0.1))
    beta = float(options.get("rex_beta", 0.9))
    remaining = total_steps - warmup

    def factor(step: int) -> float:
        if warmup == 1 and step == 1:
            return least
        if warmup > 1 and 1 <= step <= warmup - 1:
            return least + (1 - least) * (step - 1) / (warmup - 1)
        after = step - warmup
        if after >= remaining or after == -1 or remaining <= 0:
            return least
        left = (remaining - after % remaining) / remaining
        return least + (1 - least) * left / (alpha + beta * left)

    return factor


def piecewise_constant(rules: str) -> Factor:
    """`1:10,0.1:20,0.005`: factor 1 before step 10, 0.1 before step 20, then 0.005."""
    *bounded, last = rules.split(",")
    bounds = sorted((int(rule.split(":")[1]), float(rule.split(":")[0])) for rule in bounded)
    return lambda step: next((value for bound, value in bounds if step < bound), float(last))
