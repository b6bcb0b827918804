"""Standard output and error, a log on a disk that may become full: training does not end for want of a line in it."""

from __future__ import annotations

import io
import os
import sys

LOST = "\n[wan22: {} bytes of this log are lost, since they could not be written]\n"


class Unfailing(io.RawIOBase):
    """A descriptor that takes everything. What the system refuses is lost, and said once something can be written again."""

    def __init__(self, descriptor: int):
        super().__init__()
        self._descriptor = descriptor
        self._lost = 0

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)

    def writable(self) -> bool:
        return True

    def write(self, content) -> int:
        try:
            if self._lost > 0:
                os.write(self._descriptor, LOST.format(self._lost).encode())
                self._lost = 0
            return os.write(self._descriptor, content)
        except OSError:
            self._lost += len(content)
            return len(content)


def outlive_full_disks() -> None:
    """In place of the interpreter's own streams, before anything is printed: also what a trainer prints itself goes there."""
    for name in ("stdout", "stderr"):
        raw = Unfailing(getattr(sys, name).fileno())
        stream = io.TextIOWrapper(
            io.BufferedWriter(raw), encoding="utf-8", errors="backslashreplace", line_buffering=True, write_through=True
        )
        setattr(sys, name, stream)
