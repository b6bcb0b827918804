import torch


def make_grid(images, nrow=8, **_):
    """Pictures side by side: samples are made one at a time, so there is only one."""
    return torch.cat(list(images), dim=-1)
