"""Python runs this by itself when the folder is on PYTHONPATH; it does nothing unless WAN22_MINIATURE=1."""

import os

if os.environ.get("WAN22_MINIATURE") == "1":
    import small_trainer

    small_trainer.install()
