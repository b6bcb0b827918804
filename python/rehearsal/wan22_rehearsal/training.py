"""The training loop: epochs, batches, steps and saves in the trainer's order, and an exact resume at any batch."""

from __future__ import annotations

import math
import os
import random
import time

from wan22_contract.stage import FINISHED, STOPPED, Refusal, read_items
from wan22_contract.training_state import Progress, require_same_resume

from .arguments import Arguments
from .model import FEATURES, Lora, Sample
from .optimizer import clip, make_optimizer
from .outputs import Memory, Outputs, load_training_state
from .schedule import learning_rates
from .stage import RehearsedStage
from .tensors import read_tensors

LARGEST_TIMESTEP = 1000
DEFAULT_DIM = 4
DEFAULT_ALPHA = 1.0
DEFAULT_LEARNING_RATE = 2e-6
"""The trainer's own defaults; a plan always gives all three."""


def train(stage: RehearsedStage) -> int:
    arguments, context = stage.arguments, stage.context
    seed = arguments.integer("seed")
    memory = Memory(int.from_bytes(os.urandom(4), "big") if seed is None else seed, [])
    alpha = arguments.number("network_alpha")
    lora = Lora(
        context["modules"],
        arguments.integer("network_dim") or DEFAULT_DIM,
        DEFAULT_ALPHA if alpha is None else alpha,
        memory.seed,
    )
    optimizer, stood_in_for = make_optimizer(arguments)
    if stood_in_for:
        stage.events.tell("warning", text=f"The rehearsal has no {stood_in_for}; AdamW stands in for it.")
    if arguments.text("sample_prompts"):
        stage.events.tell("warning", text="The rehearsal makes no samples.")
    progress = Progress(0, 0, 0)
    resume = arguments.text("resume")
    require_same_resume(resume, context)
    if resume is not None:
        progress, memory = load_training_state(resume, stage, lora, optimizer)
        print(f"resumed from {resume}: {progress.epochs} epochs, {progress.steps} steps done")
    elif arguments.text("network_weights"):
        lora.load(arguments.required("network_weights"))
    samples = read_samples(context["items"])
    loop = Loop(stage, lora, optimizer, memory, samples)
    return loop.run(progress, resume)


class Loop:
    def __init__(self, stage: RehearsedStage, lora: Lora, optimizer, memory: Memory, samples: list[Sample]):
        arguments, context = stage.arguments, stage.context
        self._stage = stage
        self._lora = lora
        self._optimizer = optimizer
        self._memory = memory
        self._samples = samples
        self._outputs = Outputs(stage, lora, optimizer)
        self._epochs: int = context["total_epochs"]
        self._total_steps: int = context["total_steps"]
        self._accumulation = arguments.integer("gradient_accumulation_steps") or 1
        self._batches = batches_per_epoch(context, self._accumulation)
        learning_rate = arguments.number("learning_rate")
        self._learning_rate, unknown = learning_rates(
            arguments, DEFAULT_LEARNING_RATE if learning_rate is None else learning_rate, self._total_steps
        )
        if unknown:
            text = f"The rehearsal has no schedule {unknown}; the learning rate stays constant."
            stage.events.tell("warning", text=text)
        largest_norm = arguments.number("max_grad_norm")
        self._largest_norm = 1.0 if largest_norm is None else largest_norm
        lowest = arguments.integer("min_timestep")
        highest = arguments.integer("max_timestep")
        self._timesteps = (
            (lowest or 0) / LARGEST_TIMESTEP,
            (LARGEST_TIMESTEP if highest is None else highest) / LARGEST_TIMESTEP,
        )

    def run(self, progress: Progress, resume: str | None) -> int:
        print("running training")
        print(f"  num train items: {len(self._samples)}")
        print(f"  num batches per epoch: {self._batches}")
        print(f"  num epochs: {self._epochs}")
        print(f"  total optimization steps: {self._total_steps}")
        if resume is not None:
            self._outputs.after_resume(resume)
        while progress.epochs < self._epochs:
            reached = self._train_epoch(progress)
            if not self._is_epoch_end(reached):
                self._outputs.at_stop(reached, self._memory)
                return STOPPED
            progress = Progress(progress.epochs + 1, reached.steps, 0)
            average = moving_average(self._memory.losses)
            self._stage.events.tell("epoch", epoch=progress.epochs, loss=average)
            saved = self._outputs.after_epoch(progress, self._memory, self._epochs)
            if progress.epochs < self._epochs and self._stage.stop.seen():
                self._stage.events.tell("stopping")
                if not saved:
                    self._outputs.at_stop(progress, self._memory)
                return STOPPED
        self._outputs.at_end(progress, self._memory)
        print("model saved.")
        return FINISHED

    def _is_epoch_end(self, progress: Progress) -> bool:
        return progress.batches >= self._batches or progress.steps >= self._total_steps

    def _train_epoch(self, progress: Progress) -> Progress:
        """Trains what is left of the epoch in progress, up to its end or to where a stop ended it."""
        epoch = progress.epochs + 1
        print(f"\nepoch {epoch}/{self._epochs}")
        order = list(range(self._batches))
        random.Random(f"{self._memory.seed}:order:{epoch}").shuffle(order)
        done = progress
        started = time.monotonic()
        gradients: dict[str, list[float]] = {}
        step_loss = 0.0
        micro_batches = 0
        for batch in range(progress.batches, 0 if self._is_epoch_end(progress) else self._batches):
            # Seeded by place, not by history: a resumed run draws what an undisturbed one does.
            rng = random.Random(f"{self._memory.seed}:batch:{epoch}:{batch}")
            loss, batch_gradients = self._lora.loss_and_gradients(self._batch(order[batch]), rng, self._timesteps)
            record_loss(self._memory.losses, progress.epochs, batch, loss)
            step_loss += loss
            micro_batches += 1
            for name, values in batch_gradients.items():
                share = [value / self._accumulation for value in values]
                before = gradients.get(name)
                gradients[name] = share if before is None else [a + b for a, b in zip(before, share)]
            if micro_batches < self._accumulation and batch + 1 < self._batches:
                continue
            learning_rate = self._learning_rate(done.steps)
            done = Progress(progress.epochs, done.steps + 1, batch + 1)
            gradients = clip(gradients, self._largest_norm)
            self._optimizer.step(self._lora.weights, gradients, learning_rate, done.steps)
            now = time.monotonic()
            self._report(done.steps, epoch, step_loss / micro_batches, learning_rate, now - started)
            if not math.isfinite(step_loss):
                self._look_at_weights(done.steps)
            started, gradients, step_loss, micro_batches = now, {}, 0.0, 0
            self._outputs.after_step(done, self._memory, progress.epochs)
            # At its end the epoch's own saves come first; `run` looks again after them.
            if self._is_epoch_end(done):
                break
            if self._stage.stop.seen():
                self._stage.events.tell("stopping")
                break
        return done

    def _look_at_weights(self, step: int) -> None:
        """A loss that is not a number has reached the weights, unless it overflowed only while it was added up."""
        self._outputs.refuse_ruined(step)
        weights = "whole" if self._lora.is_finite() else "ruined"
        self._stage.events.tell("warning", text=f"The loss of step {step} is not a number; the weights are {weights}.")

    def _batch(self, slot: int) -> list[Sample]:
        """The samples of a batch: as many batches as the plan counts share out the items evenly."""
        first = slot * len(self._samples) // self._batches
        after = (slot + 1) * len(self._samples) // self._batches
        return self._samples[first : max(first + 1, after)]

    def _report(self, step: int, epoch: int, loss: float, learning_rate: float, seconds: float) -> None:
        average = moving_average(self._memory.losses)
        print(f"steps: {step}/{self._total_steps}, avr_loss={average:.4f}, lr={learning_rate:.3g}")
        self._stage.events.tell(
            "step", step=step, epoch=epoch, loss=finite_or_nan(loss), lr=learning_rate, seconds=round(seconds, 6)
        )


def batches_per_epoch(context: dict, accumulation: int) -> int:
    """The plan's number, unless several processes share the batches: this is always one process."""
    steps: int = context["steps_per_epoch"]
    planned: int = context.get("batches_per_epoch", steps * accumulation)
    return planned if math.ceil(planned / accumulation) == steps else steps * accumulation


def read_samples(path: str) -> list[Sample]:
    items = read_items(path)
    if not items:
        raise Refusal("no-items", "No training items: the items file is empty.")
    missing = [
        file for item in items for file in (item["cache_file"], item["text_cache_file"]) if not os.path.exists(file)
    ]
    if missing:
        raise Refusal("missing-cache", f"{len(missing)} cache files are missing, the first is {missing[0]}.")
    texts: dict[str, list[float]] = {}
    samples = []
    for item in items:
        text_file = item["text_cache_file"]
        if text_file not in texts:
            texts[text_file] = features(text_file, "varlen_t5_", 1)
        latent = features(item["cache_file"], "latents_", None)
        samples.append(Sample(latent, texts[text_file]))
    return samples


def features(path: str, prefix: str, stride: int | None) -> list[float]:
    """FEATURES numbers out of a cache file: one a channel of a latent, or the first token of a caption."""
    tensors, _ = read_tensors(path)
    values = next((tensor.values for name, tensor in sorted(tensors.items()) if name.startswith(prefix)), [])
    step = stride or max(1, len(values) // FEATURES)
    picked = values[::step][:FEATURES]
    if len(picked) < FEATURES:
        raise Refusal("cache", f"{path} was not made by the rehearsal.")
    return picked


def record_loss(losses: list[float], epochs_before: int, batch: int, loss: float) -> None:
    """The trainer's moving average: the newest loss of each batch position."""
    if epochs_before == 0 or batch >= len(losses):
        losses.append(loss)
    else:
        losses[batch] = loss


def moving_average(losses: list[float]) -> float:
    return math.fsum(losses) / len(losses) if losses and all(map(math.isfinite, losses)) else math.nan


def finite_or_nan(value: float) -> float:
    return value if math.isfinite(value) else math.nan
