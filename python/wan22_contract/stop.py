"""How a stage is told to end: a stop file, or a signal."""

from __future__ import annotations

import os
import signal


class StopRequest:
    """Watches the stop file, SIGTERM and SIGINT. A second SIGINT ends the process at once, with code 130."""

    def __init__(self, stop_file: str):
        self._stop_file = stop_file
        self._signalled = False
        self._interrupts = 0
        signal.signal(signal.SIGTERM, self._on_terminate)
        signal.signal(signal.SIGINT, self._on_interrupt)

    def _on_terminate(self, _signum: int, _frame: object) -> None:
        self._signalled = True

    def _on_interrupt(self, _signum: int, _frame: object) -> None:
        self._signalled = True
        self._interrupts += 1
        if self._interrupts > 1:
            os._exit(130)

    def seen(self) -> bool:
        return self._signalled or os.path.exists(self._stop_file)
