"""The three scripts: Musubi's own `main`, on its own arguments, with the bridge in place."""

from __future__ import annotations

import importlib
import inspect
import os
import sys
from types import ModuleType

from wan22_contract.stage import FINISHED, STOPPED, Stage
from wan22_contract.training_state import require_same_resume


def cache_latents(stage: Stage) -> int:
    script = load("wan_cache_latents", stage)
    from .missing import only_what_is_missing

    if only_what_is_missing(script.config_utils, stage):
        # What is not among the sources that are left is no leftover: the runner has removed those before.
        sys.argv.append("--keep_cache")
    return cache(script, "save_latent_cache_wan", "latent_cache_path", stage)


def cache_text(stage: Stage) -> int:
    script = load("wan_cache_text_encoder_outputs", stage)
    return cache(script, "save_text_encoder_output_cache_wan", "text_encoder_output_cache_path", stage)


def cache(script: ModuleType, save: str, place: str, stage: Stage) -> int:
    from .caching import Stopped, save_whole_items

    save_whole_items(script, save, place, stage)
    try:
        script.main()
    except Stopped:
        return STOPPED
    return FINISHED


def train(stage: Stage) -> int:
    words = stage.words
    require_same_resume(words[words.index("--resume") + 1] if "--resume" in words else None, stage.context)
    script = load("wan_train_network", stage)
    from .batches import end_workers
    from .trainer import BridgedTrainer, Stopped

    use_trainer(script, BridgedTrainer, stage)
    try:
        script.main()
    except Stopped:
        return STOPPED
    finally:
        end_workers()
    return FINISHED


def load(name: str, stage: Stage) -> ModuleType:
    """Musubi's script as a module, about to read its arguments. Whoever trains has torch; nobody else waits for it."""
    folder = os.path.join(stage.context["trainer_path"], "src")
    if folder not in sys.path:
        sys.path.insert(1, folder)
    script = importlib.import_module(f"musubi_tuner.{name}")
    sys.argv = [script.__file__, *stage.words]
    return script


def use_trainer(script: ModuleType, trainer: type, stage: Stage) -> None:
    """Stands for `trainer = WanNetworkTrainer()` in the script's `main`."""
    from .loop import require_line

    require_line(script.main, "trainer = WanNetworkTrainer()")
    script.WanNetworkTrainer = lambda: trainer(stage)
