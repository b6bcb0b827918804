"""Tells the runner what happens, a line of JSON each, on disk as soon as it is told, or as soon as the disk takes it.

Nobody is trained worse for not being seen: what can't be written is kept, and goes before the next that can be.
"""

from __future__ import annotations

import json
import math
import os
import time
from typing import Callable

KEPT = 10_000
"""Lines. Of more than these, steps and items go first: the next one says as much."""

PATIENCE_SECONDS = 3600.0
"""How long a process that is done waits for its last words to be written: without them its outputs are nobody's."""

LOOK_SECONDS = 1.0


class Events:
    def __init__(self, path: str):
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._kept: list[bytes] = []
        self._line_is_torn = False
        """A line that a killed process left unfinished, or a full disk took a part of, must not swallow the next one."""
        with open(path, "rb") as existing:
            size = existing.seek(0, os.SEEK_END)
            if size > 0:
                existing.seek(size - 1)
                self._line_is_torn = existing.read(1) != b"\n"

    def tell(self, kind: str, **fields: object) -> None:
        event = {"v": 1, "t": round(time.time(), 3), "type": kind}
        event.update({name: number_or_null(value) for name, value in fields.items() if value is not None})
        self._kept.append((json.dumps(event, ensure_ascii=False) + "\n").encode("utf-8", "surrogateescape"))
        if not self._write_kept() and len(self._kept) > KEPT:
            self._kept = [line for line in self._kept[:-1] if not is_passing(line)] + self._kept[-1:]

    def settle(self, is_stopped: Callable[[], bool]) -> None:
        """Waits until all is written; not for ever, and not for one who is told to end."""
        until = time.monotonic() + PATIENCE_SECONDS
        while not self._write_kept() and not is_stopped() and time.monotonic() < until:
            time.sleep(LOOK_SECONDS)

    def _write_kept(self) -> bool:
        """Whether nothing is left to be written."""
        try:
            while self._kept:
                self._write(self._kept[0])
                del self._kept[0]
        except OSError:
            return False
        return True

    def _write(self, line: bytes) -> None:
        rest = (b"\n" if self._line_is_torn else b"") + line
        while rest:
            rest = rest[os.write(self._file, rest) :]
            self._line_is_torn = len(rest) > 0


def is_passing(line: bytes) -> bool:
    return json.loads(line)["type"] in ("step", "item")


def number_or_null(value: object) -> object:
    """JSON has no NaN and no infinity: both become null."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
