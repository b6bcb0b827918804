"""Musubi's two caching scripts: each file whole or not there, told of, and a stop between two of them."""

from __future__ import annotations

import inspect
import os
from types import ModuleType

from wan22_contract.stage import Stage, read_items

from .loop import refuse
from .saving import move_whole


class Stopped(Exception):
    """Caching ended early. Every file that is there is whole."""


def save_whole_items(script: ModuleType, save: str, place: str, stage: Stage) -> None:
    """Stands for a script's calls of `save_latent_cache_wan` or `save_text_encoder_output_cache_wan`.

    `place` names the field of an item that says where its file goes.
    """
    own = getattr(script, save, None)
    if own is None or f"{save}(item" not in inspect.getsource(script.encode_and_save_batch):
        raise refuse(f"This Musubi Tuner's {script.__name__} saves its caches by something else than {save}")
    items = read_items(stage.context["items"])
    done = sum(os.path.exists(item["cache_file"]) for item in items)

    def save_whole(item, *tensors, **named) -> None:
        nonlocal done
        file = getattr(item, place)
        made = f"{file}.unfinished"
        setattr(item, place, made)
        try:
            own(item, *tensors, **named)
        finally:
            setattr(item, place, file)
        move_whole(made, file)
        done += 1
        stage.events.tell("item", file=file, done=done, total=len(items))
        if stage.stop.seen():
            stage.events.tell("stopping")
            raise Stopped

    setattr(script, save, save_whole)
