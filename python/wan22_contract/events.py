"""Tells the runner what happens, a line of JSON each, on disk as soon as it is told."""

from __future__ import annotations

import json
import math
import os
import time


class Events:
    def __init__(self, path: str):
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        self._path = path
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
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
        self._write((json.dumps(event, ensure_ascii=False) + "\n").encode("utf-8", "surrogateescape"))

    def _write(self, line: bytes) -> None:
        rest = (b"\n" if self._line_is_torn else b"") + line
        try:
            while rest:
                rest = rest[os.write(self._file, rest) :]
                self._line_is_torn = len(rest) > 0
        except OSError as error:
            error.filename = error.filename or self._path
            raise


def number_or_null(value: object) -> object:
    """JSON has no NaN and no infinity: both become null."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
