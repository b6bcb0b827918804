"""The few functions of torchvision that the trainer's Wan scripts call; the real one is used where it is installed."""

from torchvision import transforms, utils

__all__ = ["transforms", "utils"]
__version__ = "0"
