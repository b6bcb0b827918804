"""Writes miniature Wan2.2 model files, small but of the right form: write_models.py FOLDER [fp32|fp16|bf16].

Run with this folder and the trainer's `src` on PYTHONPATH and WAN22_MINIATURE=1. Dtype, tensor names and input channels are
those of the real files; width and depth are not. Training on a CPU takes fp32.
"""

import os
import sys

import torch
from safetensors.torch import save_file

import small_trainer
from musubi_tuner.wan.configs import WAN_CONFIGS
from musubi_tuner.wan.modules.model import WanModel
from musubi_tuner.wan.modules.vae import WanVAE_

DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


def transformer_weights(task, dtype):
    config = WAN_CONFIGS[task]
    model = WanModel(
        model_type="i2v" if config.i2v else "t2v",
        model_version="2.2",
        in_dim=config.in_dim,
        out_dim=config.out_dim,
        text_len=config.text_len,
        eps=config.eps,
        attn_mode="torch",
        **small_trainer.WAN,
    )
    weights = {name: tensor.detach().clone().contiguous() for name, tensor in model.state_dict().items()}
    # A fresh model's head is zero, and would pass no gradient on to anything before it.
    torch.nn.init.normal_(weights["head.head.weight"], std=0.05)
    return {name: tensor.to(dtype) for name, tensor in weights.items()}


def vae_weights():
    model = WanVAE_(
        z_dim=16,
        dim_mult=[1, 2, 4, 4],
        attn_scales=[],
        temperal_downsample=[False, True, True],
        **small_trainer.VAE,
    )
    return {name: tensor.detach().clone().contiguous() for name, tensor in model.state_dict().items()}


def main(folder, precision="fp32"):
    os.makedirs(folder, exist_ok=True)
    torch.manual_seed(22)
    for task in ("t2v", "i2v"):
        for half in ("low", "high"):
            path = os.path.join(folder, f"wan2.2_{task}_{half}_noise_14B_{precision}.safetensors")
            save_file(transformer_weights(f"{task}-A14B", DTYPES[precision]), path)
    save_file(vae_weights(), os.path.join(folder, "wan_2.1_vae.safetensors"))
    with open(os.path.join(folder, "models_t5_umt5-xxl-enc-bf16.pth"), "wb") as stand_in:
        stand_in.write(b"The stand-in for the text encoder needs a file, not weights.\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
