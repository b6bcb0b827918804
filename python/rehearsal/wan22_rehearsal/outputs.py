"""Checkpoints and training states: their names, what they hold, and which older ones go. As the trainer does it."""

from __future__ import annotations

import hashlib
import json
import os
from typing import NamedTuple

from wan22_contract.files import remove_folder, remove_left_behind, write_whole
from wan22_contract.retention import Retention, own_names
from wan22_contract.stage import Refusal
from wan22_contract.training_state import (
    Progress,
    fill_state,
    holds,
    mark,
    remove_interim_states,
    require_state,
)

from .model import Lora
from .optimizer import Optimizer, moment_tensors
from .stage import RehearsedStage
from .tensors import encode, read_tensors, write_tensors

STATE_FILES = ["model.safetensors", "optimizer.safetensors", "rehearsal.json"]
DTYPES = {"float": "F32", "fp32": "F32", "float32": "F32", "fp16": "F16", "float16": "F16", "bf16": "BF16", "bfloat16": "BF16"}


class Memory(NamedTuple):
    """What a resume needs beside weights and moments."""

    seed: int
    losses: list[float]


class Outputs:
    def __init__(self, stage: RehearsedStage, lora: Lora, optimizer: Optimizer):
        arguments = stage.arguments
        self._stage = stage
        self._lora = lora
        self._optimizer = optimizer
        self._folder = arguments.required("output_dir")
        self._name = arguments.required("output_name")
        self._every_epochs = arguments.integer("save_every_n_epochs")
        self._every_steps = arguments.integer("save_every_n_steps")
        self._last_epochs = arguments.integer("save_last_n_epochs")
        self._save_state = arguments.flag("save_state")
        last_steps = arguments.integer("save_last_n_steps")
        self._retention = Retention(
            self._name,
            self._save_state,
            self._every_epochs,
            arguments.integer("save_last_n_epochs_state") or self._last_epochs,
            self._every_steps,
            last_steps,
            arguments.integer("save_last_n_steps_state") or last_steps,
        )
        self._save_last_state = self._save_state or arguments.flag("save_state_on_train_end")
        self._dtype = save_dtype(stage)
        self._clean_up()

    def _clean_up(self) -> None:
        """Other trainings may be at work in this folder, on names that start with the same letters."""
        remove_left_behind(self._folder, own_names(self._name) + r"(?:\.safetensors|-state)")

    def after_resume(self, state: str) -> None:
        self._remove(self._retention.overdue(state))

    def after_step(self, progress: Progress, memory: Memory, epoch_index: int) -> None:
        """Saves by steps, if this step is one of them. `epoch_index` counts from 0, as the trainer's metadata do then."""
        step = progress.steps
        if self._every_steps is None or step % self._every_steps != 0:
            return
        self._save_checkpoint(f"{self._name}-step{step:08d}.safetensors", epoch_index + 1, step, in_metadata=epoch_index)
        if self._save_state:
            self._save_training_state(f"{self._name}-step{step:08d}-state", progress, memory)
        self._remove(self._retention.after_step(step))

    def after_epoch(self, progress: Progress, memory: Memory, total_epochs: int) -> bool:
        """Saves by epochs, if this epoch is one of them. Says whether a training state was saved."""
        epoch = progress.epochs
        if self._every_epochs is None or epoch % self._every_epochs != 0 or epoch >= total_epochs:
            return False
        self._save_checkpoint(f"{self._name}-{epoch:06d}.safetensors", epoch, progress.steps)
        if self._last_epochs is not None:
            self._remove([f"{self._name}-{epoch - self._every_epochs * self._last_epochs:06d}.safetensors"])
        if not self._save_state:
            return False
        self._save_training_state(f"{self._name}-{epoch:06d}-state", progress, memory)
        self._remove(self._retention.after_epoch(epoch))
        return True

    def at_end(self, progress: Progress, memory: Memory) -> None:
        if self._save_last_state:
            self._save_training_state(f"{self._name}-state", progress, memory, kind="last")
        self._save_checkpoint(f"{self._name}.safetensors", progress.epochs, progress.steps)
        remove_interim_states(self._folder, self._name, progress.steps + 1, self._remove_state_folder)

    def at_stop(self, progress: Progress, memory: Memory) -> None:
        """A state to go on from; it goes once a later one is complete."""
        self._save_training_state(f"{self._name}-step{progress.steps:08d}-state", progress, memory, kind="stop")

    def refuse_ruined(self, step: int) -> None:
        """Keeps what was saved before from being replaced by what is worth nothing."""
        if self._stage.context.get("on_nan", "stop") == "stop" and not self._lora.is_finite():
            text = f"The weights are not numbers any more at step {step}; nothing is saved of them."
            raise Refusal("nan-loss", text)

    def _save_checkpoint(self, file: str, epoch: int, step: int, in_metadata: int | None = None) -> None:
        self.refuse_ruined(step)
        path = os.path.join(self._folder, file)
        print(f"\nsaving checkpoint: {path}")
        tensors = self._lora.tensors()
        body = hashlib.sha256()
        for _, tensor in sorted(tensors.items()):
            body.update(encode(tensor.values, self._dtype))
        metadata = checkpoint_metadata(self._stage, epoch if in_metadata is None else in_metadata, step)
        metadata["sshs_model_hash"] = body.hexdigest()
        size = write_tensors(path, tensors, metadata, self._dtype)
        self._stage.events.tell("checkpoint", file=path, epoch=epoch, step=step, bytes=size)

    def _save_training_state(self, folder: str, progress: Progress, memory: Memory, kind: str = "scheduled") -> None:
        path = os.path.join(self._folder, folder)
        if holds(path, self._stage.context, progress):
            return
        self.refuse_ruined(progress.steps)
        print(f"saving state: {path}")
        notice = {"wan22_rehearsal": "true"}
        with fill_state(path) as making:
            write_tensors(os.path.join(making, "model.safetensors"), self._lora.tensors(), notice, "F32")
            write_tensors(os.path.join(making, "optimizer.safetensors"), moment_tensors(self._optimizer), notice, "F32")
            remembered = {"wan22_rehearsal": True, **memory._asdict()}
            write_whole(os.path.join(making, "rehearsal.json"), json.dumps(remembered).encode())
            mark(making, self._stage.context, progress, STATE_FILES, kind)
        self._stage.events.tell(
            "state",
            dir=path,
            done_epochs=progress.epochs,
            done_steps=progress.steps,
            done_batches=progress.batches,
        )
        remove_interim_states(self._folder, self._name, progress.steps, self._remove_state_folder)

    def _remove(self, names: list[str]) -> None:
        for path in [os.path.join(self._folder, name) for name in names]:
            if os.path.isdir(path):
                self._remove_state_folder(path)
            elif os.path.exists(path):
                print(f"removing old checkpoint: {path}")
                # Told first: a process that is killed in between leaves a file that nothing speaks of, never the reverse.
                self._stage.events.tell("removed", file=path)
                os.unlink(path)

    def _remove_state_folder(self, path: str) -> None:
        print(f"removing old state: {path}")
        self._stage.events.tell("removed", file=path)
        remove_folder(path)


def save_dtype(stage: RehearsedStage) -> str:
    """`--save_precision` first, then the precision that is trained in, then float32."""
    precision = stage.arguments.text("save_precision")
    if precision is not None:
        return DTYPES[precision]
    if stage.arguments.flag("full_fp16"):
        return "F16"
    return "BF16" if stage.arguments.flag("full_bf16") else "F32"


def load_training_state(
    folder: str, stage: RehearsedStage, lora: Lora, optimizer: Optimizer
) -> tuple[Progress, Memory]:
    """Restores a training state. One that is incomplete, or of something else, is refused."""
    progress = require_state(folder, stage.context)
    lora.load(os.path.join(folder, "model.safetensors"))
    moments, _ = read_tensors(os.path.join(folder, "optimizer.safetensors"))
    optimizer.moments.update({name: tensor.values for name, tensor in moments.items()})
    with open(os.path.join(folder, "rehearsal.json"), encoding="utf-8") as file:
        memory = json.load(file)
    return progress, Memory(memory["seed"], memory["losses"])


def checkpoint_metadata(stage: RehearsedStage, epoch: int, step: int) -> dict[str, str]:
    """The trainer's fields, without its dates and random numbers: the same run gives the same bytes."""
    arguments, context = stage.arguments, stage.context
    if arguments.flag("no_metadata"):
        return {"wan22_rehearsal": "true", "ss_epoch": str(epoch), "ss_steps": str(step)}
    metadata = {
        "ss_base_model_version": "wan",
        "ss_output_name": arguments.required("output_name"),
        "ss_learning_rate": arguments.shown("learning_rate"),
        "ss_num_batches_per_epoch": str(context.get("batches_per_epoch", context["steps_per_epoch"])),
        "ss_num_epochs": str(context["total_epochs"]),
        "ss_max_train_steps": str(context["total_steps"]),
        "ss_gradient_accumulation_steps": arguments.shown("gradient_accumulation_steps", "1"),
        "ss_lr_scheduler": arguments.shown("lr_scheduler", "constant"),
        "ss_lr_warmup_steps": arguments.shown("lr_warmup_steps", "0"),
        "ss_network_module": arguments.shown("network_module"),
        "ss_network_dim": arguments.shown("network_dim"),
        "ss_network_alpha": arguments.shown("network_alpha", "1"),
        "ss_network_dropout": arguments.shown("network_dropout"),
        "ss_optimizer": arguments.shown("optimizer_type", "adamw"),
        "ss_max_grad_norm": arguments.shown("max_grad_norm", "1.0"),
        "ss_mixed_precision": arguments.shown("mixed_precision", "no"),
        "ss_seed": arguments.shown("seed"),
        "ss_training_comment": arguments.shown("training_comment"),
        "ss_fp8_base": str(arguments.flag("fp8_base")),
        "ss_timestep_sampling": arguments.shown("timestep_sampling", "sigma"),
        "ss_discrete_flow_shift": arguments.shown("discrete_flow_shift", "1.0"),
        "ss_epoch": str(epoch),
        "ss_steps": str(step),
        "modelspec.architecture": "wan2.1/lora",
        "modelspec.title": arguments.text("metadata_title") or arguments.required("output_name"),
        "wan22_rehearsal": "true",
        "wan22_fingerprint": context["fingerprint"],
    }
    return metadata
