"""The moving average of the loss, which goes on where it was and says when a batch is done."""

from __future__ import annotations

from typing import Callable

from musubi_tuner.utils import train_utils
from musubi_tuner.wan_train_network import WanNetworkTrainer

from wan22_contract.training_state import Progress

from .loop import require_line
from .memory import Memory


class Losses:
    """Stands for `loss_recorder = train_utils.LossRecorder()`."""

    def __init__(self, memory: Memory, begun_at: Progress, batch_done: Callable[[float, float], None]):
        require_line(WanNetworkTrainer._run_training_loop, "loss_recorder = train_utils.LossRecorder()")
        require_line(WanNetworkTrainer._run_training_loop, "loss_recorder.add(epoch=epoch, step=step, loss=current_loss)")
        self._own = train_utils.LossRecorder
        self._recorder = self._filled(memory.losses, memory.loss_total)
        self._begun_at = begun_at
        self._batch_done = batch_done
        train_utils.LossRecorder = lambda: self

    def _filled(self, losses: list[float], total: float):
        recorder = self._own()
        recorder.loss_list, recorder.loss_total = list(losses), total
        return recorder

    def add(self, *, epoch: int, step: int, loss: float) -> None:
        # The loop counts the batches that it is given: of an epoch that was interrupted, those that were left.
        begun = self._begun_at
        self._recorder.add(epoch=epoch, step=step + (begun.batches if epoch == begun.epochs else 0), loss=loss)
        self._batch_done(loss, self.moving_average)

    @property
    def moving_average(self) -> float:
        return self._recorder.moving_average

    def after(self, epoch: int, step: int, loss: float | None) -> tuple[list[float], float]:
        """The losses and their sum, with that of a batch whose step is being saved before it is recorded."""
        later = self._filled(self._recorder.loss_list, self._recorder.loss_total)
        if loss is not None:
            later.add(epoch=epoch, step=step, loss=loss)
        return later.loss_list, later.loss_total
