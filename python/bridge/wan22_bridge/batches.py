"""The order of the data: the same on every machine, and after every interruption."""

from __future__ import annotations

import multiprocessing
import os
import signal
from bisect import bisect_right
from typing import Callable, Iterator

from musubi_tuner.dataset.image_video_dataset import BaseDataset


def sort_caches(datasets: list[BaseDataset]) -> None:
    """Each dataset's items by the names of their caches. Upstream takes them as the file system lists them.

    The order of the buckets counts as well: they are shuffled one after the other.
    """
    for dataset in datasets:
        buckets = dataset.batch_manager.buckets
        for items in buckets.values():
            items.sort(key=lambda item: os.path.basename(item.latent_cache_path))
        in_order = sorted(buckets.items(), key=lambda bucket: os.path.basename(bucket[1][0].latent_cache_path))
        buckets.clear()
        buckets.update(in_order)


def leave_stopping_to_the_trainer(_worker: int) -> None:
    """A signal to the process group reaches the workers too; without them the trainer could not come to its next step."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def end_workers() -> None:
    """Before the process ends: Python would ask them with SIGTERM, and wait."""
    for worker in multiprocessing.active_children():
        worker.kill()
        worker.join()


class EpochOrder:
    """The sampler's order of an epoch, remembered; of an epoch that was interrupted, what is left of it.

    With the order itself kept in the training state, nothing hangs on how and when it was drawn.
    """

    def __init__(self, sampler, datasets: list[BaseDataset], ends: list[int]):
        self.order: list[int] | None = None
        """Of the epoch in progress."""
        self._sampler = sampler
        self._datasets = datasets
        self._ends = ends
        self._rest: tuple[list[int], int] | None = None
        self._restore: Callable[[], None] = lambda: None
        self._before_drawing: Callable[[], None] = lambda: None

    def __len__(self) -> int:
        return len(self._sampler)

    def take_up(self, order: list[int], done: int, restore: Callable[[], None]) -> None:
        """The next iteration is the rest of `order`; `restore` sets the generators to where they were."""
        self._rest, self._restore = (order, done), restore

    def draw_after(self, restore: Callable[[], None]) -> None:
        """The next iteration is drawn from generators that `restore` sets first."""
        self._before_drawing = restore

    def __iter__(self) -> Iterator[int]:
        if self._rest is None:
            self._before_drawing()
            self._before_drawing = lambda: None
            self.order = list(self._sampler)
            yield from self.order
            return
        (self.order, done), self._rest = self._rest, None
        self._shuffle_as_before(self.order[: done + 1])
        rest = iter(self.order[done:])
        # The data loader is one batch ahead: this one had been fetched when the state was saved, and the next had not.
        yield next(rest)
        self._restore()
        yield from rest

    def _shuffle_as_before(self, positions: list[int]) -> None:
        """Datasets shuffle, and seed Python's generator, when they are first asked in an epoch: so they were before."""
        for dataset in sorted({bisect_right(self._ends, position) for position in positions}):
            BaseDataset.__getitem__(self._datasets[dataset], 0)


class Batches:
    """The trainer's data loader as its loop sees it: tells where an epoch begins and where a batch is done."""

    def __init__(self, loader, before_epoch: Callable[[], bool], after_batch: Callable[[], None]):
        self._loader = loader
        self._before_epoch = before_epoch
        self._after_batch = after_batch

    def __len__(self) -> int:
        return len(self._loader)

    def __iter__(self) -> Iterator[dict]:
        if not self._before_epoch():
            return
        for batch in self._loader:
            yield batch
            self._after_batch()
