"""Musubi's Wan trainer, told where to begin, watched, and stopped between two steps."""

from __future__ import annotations

import inspect
import math
import os
import time
from contextlib import contextmanager
from typing import Iterator

import torch
from musubi_tuner.utils import train_utils
from musubi_tuner.wan_train_network import WanNetworkTrainer

from wan22_contract.stage import Refusal, Stage
from wan22_contract.training_state import Progress, require_state

from .batches import Batches, EpochOrder, leave_stopping_to_the_trainer, sort_caches
from .loop import require_hooks, resumable_loop
from .losses import Losses
from .memory import Memory, read_generators, read_memory, restore_generators
from .samples import given_up_on_stop, is_made, sample_stem
from .saving import Workshop, move_whole, save_weights_whole
from .states import TrainingStates

HOOKS = (
    *("_init_session", "_build_dataset", "_load_dit_and_swap", "_build_optimizer_and_dataloader"),
    *("_register_hooks_and_resume", "_run_training_loop", "on_train_start", "process_batch"),
    *("on_post_optimizer_step", "on_post_save", "sample_images", "sample_image_inference"),
)


class Stopped(Exception):
    """Training ended early, with its training state saved."""


class BridgedTrainer(WanNetworkTrainer):
    def __init__(self, stage: Stage):
        super().__init__()
        require_hooks(WanNetworkTrainer, HOOKS)
        self._stage = stage
        context = stage.context
        self._resume: str | None = context.get("resume")
        self._begun_at = Progress(0, 0, 0) if self._resume is None else require_state(self._resume, context)
        self._memory = Memory(started_at=time.time()) if self._resume is None else read_memory(self._resume)
        self._just_resumed = self._resume is not None
        self._loop = resumable_loop(WanNetworkTrainer._run_training_loop, self._begun_at.epochs, self._begun_at.steps)
        self._recorded = Losses(self._memory, self._begun_at, self._batch_done)
        self._epochs, self._steps, self._batches = self._begun_at
        self._loss: torch.Tensor | None = None
        """Of a batch that is not recorded yet."""
        self._step_losses: list[float] = []
        self._step_began = time.perf_counter()
        self._last_was_finite = True

    # Before training

    def _init_session(self, args):
        if args.seed is None:
            args.seed = self._memory.seed
        session = super()._init_session(args)
        self._memory.seed = args.seed
        self._args = args
        self._workshop = Workshop(args.output_dir, args.output_name)
        self._states = TrainingStates(self._stage, args)
        if self._resume is not None:
            self._states.take_up(self._resume)
        return session

    def _build_dataset(self, args):
        self._end_if_asked()
        built = super()._build_dataset(args)
        self._group = built[0]
        sort_caches(self._group.datasets)
        return built

    def _load_dit_and_swap(self, *args, **named):
        self._end_if_asked()
        return super()._load_dit_and_swap(*args, **named)

    def _build_optimizer_and_dataloader(self, *args, **named):
        self._end_if_asked()
        *built, loader = super()._build_optimizer_and_dataloader(*args, **named)
        self._order = EpochOrder(loader.batch_sampler.sampler, self._group.datasets, self._group.cumulative_sizes)
        loader.batch_sampler.sampler = self._order
        loader.worker_init_fn = leave_stopping_to_the_trainer
        return (*built, loader)

    def _register_hooks_and_resume(self, args, accelerator, network):
        super()._register_hooks_and_resume(args, accelerator, network)
        self.timestep_range_pool = [tuple(bounds) for bounds in self._memory.timestep_ranges]
        self._accelerator = accelerator
        self._save_state = accelerator.save_state
        accelerator.save_state = self._save_training_state

    def on_train_start(self, args, accelerator, network, transformer, optimizer):
        super().on_train_start(args, accelerator, network, transformer, optimizer)
        self._network = accelerator.unwrap_model(network)
        self._optimizer = optimizer
        save_weights_whole(self._network, self._workshop, self._refuse_ruined, self._apart)

    def _run_training_loop(self, *args, **named):
        given = inspect.signature(WanNetworkTrainer._run_training_loop).bind(self, *args, **named)
        self._loader = given.arguments["train_dataloader"]
        given.arguments["train_dataloader"] = Batches(self._loader, self._before_epoch, self._after_batch)
        self._step_began = time.perf_counter()
        try:
            self._loop(*given.args, **given.kwargs)
        except Stopped:
            self._accelerator.end_training()
            raise
        self._states.tell_removed()
        self._states.remove_interim(self._steps + 1)

    def _end_if_asked(self) -> None:
        """While models load there is nothing to save: what is there already is gone on from."""
        if self._stage.stop.seen():
            self._stage.events.tell("stopping")
            raise Stopped

    # Where training is

    def _before_epoch(self) -> bool:
        """Where an epoch's iteration begins. Says whether it has batches left."""
        if not self._just_resumed and self._batches > 0:
            self._close_epoch()
        self._states.tell_removed()
        if self._stage.stop.seen():
            self._stop()
        if not self._just_resumed:
            return True
        self._just_resumed = False
        return self._take_up(len(self._loader))

    def _take_up(self, length: int) -> bool:
        """Has the first epoch after a resume go on where it was."""
        order, done = self._memory.order, self._begun_at.batches
        restore = lambda: restore_generators(self._memory.generators)  # noqa: E731
        if done > 0 and (order is None or len(order) != length):
            text = f"{self._resume} is of an epoch of {len(order or [])} batches, and this one has {length}."
            raise Refusal("resume-mismatch", text)
        if 0 < done < length:
            self._order.take_up(order, done, restore)
            return True
        restore()
        if done == length:
            # The state is of the epoch's last step: what comes after an epoch is still to come.
            self._order.order = order
            return False
        if self._loader.persistent_workers and self._loader.num_workers > 0:
            # They draw their seed once a training, and drew it in its first process.
            self._order.draw_after(restore)
        return True

    def on_post_optimizer_step(self, args, accelerator, network, transformer, sync_gradients, global_step):
        super().on_post_optimizer_step(args, accelerator, network, transformer, sync_gradients, global_step)
        self._batches += 1
        self._stepped = sync_gradients
        if sync_gradients:
            self._steps += 1

    def _after_batch(self) -> None:
        self._states.tell_removed()
        # The last batch of an epoch is followed by its saves and samples first.
        if self._stepped and self._batches < len(self._loader) and self._stage.stop.seen():
            self._stop()

    def _after_epoch(self) -> Progress:
        return Progress(self._epochs + (1 if self._batches > 0 else 0), self._steps, 0)

    def _close_epoch(self) -> None:
        self._epochs, self._steps, self._batches = self._after_epoch()

    def _stop(self) -> None:
        self._stage.events.tell("stopping")
        if Progress(self._epochs, self._steps, self._batches) not in (self._begun_at, self._states.newest):
            name = train_utils.STEP_STATE_NAME.format(self._args.output_name, self._steps)
            self._save_training_state(os.path.join(self._args.output_dir, name), kind="stop")
        raise Stopped

    # What a step gave

    def process_batch(self, *args, **named):
        self._lr = self._optimizer.param_groups[0]["lr"]
        loss, metrics = super().process_batch(*args, **named)
        self._loss = loss.detach()
        return loss, metrics

    def _batch_done(self, loss: float, average: float) -> None:
        """The last thing that the loop does for a batch."""
        self._loss = None
        self._step_losses.append(loss)
        if not self._stepped:
            return
        self._tell_step()
        if self._batches == len(self._loader):
            self._stage.events.tell("epoch", epoch=self._epochs + 1, loss=average)

    def _tell_step(self) -> None:
        now = time.perf_counter()
        loss = math.fsum(self._step_losses) / len(self._step_losses)
        step = {
            "step": self._steps,
            "epoch": self._epochs + 1,
            "loss": loss,
            "lr": None if self._lr is None else float(self._lr),
            "seconds": round(now - self._step_began, 6),
            "vram_bytes": torch.cuda.max_memory_reserved() if torch.cuda.is_available() else None,
        }
        self._stage.events.tell("step", **step)
        self._step_losses.clear()
        self._step_began = now
        if not math.isfinite(loss):
            self._look_at_weights()
        self._last_was_finite = math.isfinite(loss)

    @contextmanager
    def _apart(self) -> Iterator[None]:
        """Time that is not a step's."""
        begun = time.perf_counter()
        try:
            yield
        finally:
            self._step_began += time.perf_counter() - begun

    def _look_at_weights(self) -> None:
        """In half precision one overflow can pass: its step is left out. What has reached the weights stays in them."""
        self._refuse_ruined()
        if not self._last_was_finite:
            return
        whole = "whole, since the step was left out" if self._weights_are_finite() else "ruined"
        text = f"The loss of step {self._steps} is not a number; the weights are {whole}."
        self._stage.events.tell("warning", text=text)

    def _refuse_ruined(self) -> None:
        """Keeps what was saved before from being replaced by what is worth nothing."""
        if self._stage.context.get("on_nan", "stop") == "stop" and not self._weights_are_finite():
            text = f"The weights are not numbers any more at step {self._steps}; nothing is saved of them."
            raise Refusal("nan-loss", text)

    def _weights_are_finite(self) -> bool:
        return all(bool(torch.isfinite(weights).all()) for weights in self._network.parameters())

    # Saving

    def on_post_save(self, args, accelerator, network, transformer, ckpt_name, *rest):
        super().on_post_save(args, accelerator, network, transformer, ckpt_name, *rest)
        self._states.tell_checkpoint(os.path.join(args.output_dir, ckpt_name), self._after_epoch().epochs, self._steps)

    def _save_training_state(self, folder: str, *rest, kind: str = "scheduled", **named) -> None:
        """In the place of `accelerator.save_state`."""
        name, output_name = os.path.basename(folder), self._args.output_name
        by_step = name == train_utils.STEP_STATE_NAME.format(output_name, self._steps)
        progress = Progress(self._epochs, self._steps, self._batches) if by_step else self._after_epoch()
        kind = "last" if name == train_utils.LAST_STATE_NAME.format(output_name) else kind
        self._refuse_ruined()
        with self._apart():
            self._states.save(
                folder, progress, kind, lambda making: self._save_state(making, *rest, **named), self._remember()
            )

    def _remember(self) -> Memory:
        loss = None if self._loss is None else self._loss.item()
        losses, total = self._recorded.after(self._epochs, self._batches - 1, loss)
        return Memory(
            seed=self._memory.seed,
            started_at=self._memory.started_at,
            order=self._order.order,
            losses=losses,
            loss_total=total,
            timestep_ranges=[list(bounds) for bounds in self.timestep_range_pool],
            generators=read_generators(),
        )

    # Samples

    def sample_images(self, accelerator, args, epoch, steps, vae, transformer, sample_parameters, dit_dtype):
        if epoch == 0 and steps > 0:
            self._make_missing_samples(accelerator, args, steps, vae, transformer, sample_parameters, dit_dtype)
            return
        due = [prompt for prompt in sample_parameters or [] if not self._is_made(epoch, steps, prompt)]
        if sample_parameters and not due:
            return
        with self._apart(), given_up_on_stop(accelerator.unwrap_model(transformer), self._stage.stop.seen) as sampling:
            super().sample_images(accelerator, args, epoch, steps, vae, transformer, due, dit_dtype)
        if sampling.given_up and epoch is not None:
            self._close_epoch()
            self._stop()

    def _make_missing_samples(self, accelerator, args, steps, *rest) -> None:
        """Upstream looks for a sample before its loop; after a resume these are the ones that were interrupted."""
        if args.sample_every_n_steps is not None and steps % args.sample_every_n_steps == 0:
            self.sample_images(accelerator, args, None, steps, *rest)
        if self._begun_at.batches == 0 and self._begun_at.epochs > 0:
            self.sample_images(accelerator, args, self._begun_at.epochs, steps, *rest)

    def _is_made(self, epoch: int | None, step: int, prompt: dict) -> bool:
        stem = sample_stem(self._args.output_name, epoch, step, prompt.get("enum", 0))
        folder = os.path.join(self._args.output_dir, "sample")
        return self._resume is not None and is_made(folder, stem, self._memory.started_at)

    def sample_image_inference(self, accelerator, args, transformer, dit_dtype, vae, save_dir, prompt, epoch, steps):
        with self._workshop.make() as folder:
            super().sample_image_inference(accelerator, args, transformer, dit_dtype, vae, folder, prompt, epoch, steps)
            for name in sorted(os.listdir(folder)):
                place = os.path.join(save_dir, name)
                move_whole(os.path.join(folder, name), place)
                self._stage.events.tell("sample", file=place, epoch=self._epochs if epoch is None else epoch)
