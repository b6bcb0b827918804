"""What ends a stage of the real trainer, in a word that the runner knows remedies for."""

from __future__ import annotations

import os
import re
import shutil
import sys

from wan22_contract.stage import Stage, Unexpected

ROOM_FOR_NOTHING = 1 << 20
"""Bytes: a disk with less is full."""


def explain(stage: Stage, error: BaseException) -> Unexpected | None:
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(error, torch.cuda.OutOfMemoryError):
        stage.events.tell("oom", **memory_figures(torch, str(error)))
        return Unexpected("gpu-memory", str(error))
    if isinstance(error, MemoryError):
        return Unexpected("host-memory", str(error) or "Python could not get more memory.")
    if isinstance(error, ImportError):
        return Unexpected("module-missing", str(error))
    if isinstance(error, SystemExit):
        return Unexpected("arguments", "Musubi Tuner's own parser refused its arguments; its log says which.", False)
    if disk_is_full(error, stage):
        return Unexpected("disk-full", str(error))
    return Unexpected("error", f"{type(error).__name__}: {error}")


def memory_figures(torch, message: str) -> dict:
    """Bytes; the card's free and whole memory, what PyTorch holds of it, and what was asked for in vain."""
    wanted = re.search(r"Tried to allocate ([\d.]+) ([KMG])iB", message)
    try:
        free, total = torch.cuda.mem_get_info()
    except RuntimeError:
        return {}  # A driver that is in trouble itself.
    return {
        "free_bytes": free,
        "total_bytes": total,
        "allocated_bytes": torch.cuda.memory_allocated(),
        "peak_bytes": torch.cuda.max_memory_reserved(),
        "wanted_bytes": int(float(wanted[1]) * 1024 ** (" KMG".index(wanted[2]))) if wanted else None,
    }


def disk_is_full(error: BaseException, stage: Stage) -> bool:
    """safetensors and PyTorch have errors of their own for it, PyTorch without the system's words."""
    text = str(error)
    if "StorageFull" in text or "No space left" in text:
        return True
    writing = "PytorchStreamWriter" in text or "file write failed" in text or "unexpected pos" in text
    return writing and any(shutil.disk_usage(folder).free < ROOM_FOR_NOTHING for folder in written_to(stage.words))


def written_to(words: list[str]) -> list[str]:
    output = words[words.index("--output_dir") + 1] if "--output_dir" in words[:-1] else os.curdir
    return [folder for folder in (os.curdir, output) if os.path.isdir(folder)]
