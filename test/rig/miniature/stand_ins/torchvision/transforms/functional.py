import numpy
import torch


def to_tensor(image):
    """A picture of bytes as channels, rows, columns from 0 to 1."""
    return torch.from_numpy(numpy.array(image)).permute(2, 0, 1).float() / 255
