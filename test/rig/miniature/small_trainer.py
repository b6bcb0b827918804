"""Makes an unchanged Musubi Tuner small enough for a CPU: narrow models, a text encoder without weights.

Datasets, caches, the training loop, checkpoints and training states stay the trainer's own. What is replaced, and why:

- the Wan configurations get two narrow blocks, so that a step takes milliseconds;
- the VAE gets its own architecture with narrow layers (`write_models.py` writes matching weights);
- the text encoder is 11 GB and asks the network for its tokenizer: a stand-in makes an embedding from each caption's digest;
- torchvision, where it is not installed, is stood in for by the few functions that the Wan scripts call.

The changes are made the moment the trainer's modules have been imported, by a finder on `sys.meta_path`.
"""

import functools
import glob
import hashlib
import importlib.machinery
import importlib.util
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))

# Heads of 16 are the narrowest that the rotary embedding divides; two blocks are needed for a block swap to swap any.
WAN = {"dim": 32, "ffn_dim": 80, "num_heads": 2, "num_layers": 2, "freq_dim": 32}
VAE = {"dim": 4, "num_res_blocks": 1}
TEXT_WIDTH = 4096


def narrow_configurations(configs):
    """Every Wan configuration gets the small sizes; input channels stay, they tell T2V from I2V."""
    for config in configs.WAN_CONFIGS.values():
        config.update(WAN)


def narrow_vae(vae):
    """The trainer's own constructor, asked for fewer channels."""
    vae._video_vae = functools.partial(vae._video_vae, **VAE)


def replace_text_encoder(t5):
    """Puts the stand-in where both caching and sampling look for the encoder."""
    import torch

    class TextEncoder:
        """Gives each text a fixed random embedding, one row a word and one for the end."""

        def __init__(self, text_len=512, dtype=None, device=None, weight_path=None, **_):
            if not os.path.exists(weight_path):
                raise FileNotFoundError(weight_path)
            self.text_len = text_len

        def __call__(self, texts, device):
            return [self._embed(text).to(device) for text in texts]

        def _embed(self, text):
            seed = int.from_bytes(hashlib.sha256(text.encode("utf-8")).digest()[:7], "big")
            rows = min(len(text.split()) + 1, self.text_len)
            # float32: without a GPU nothing casts it to what the model takes.
            return torch.randn(rows, TEXT_WIDTH, generator=torch.Generator().manual_seed(seed))

    t5.T5EncoderModel = TextEncoder


def settle_the_device():
    """The text encoder's module asks for the current GPU in a default argument, also where there is none.

    Where there is one, kernels are asked to repeat themselves, so that two runs compare.
    """
    import torch

    if torch.cuda.is_available():
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)
    else:
        torch.cuda.current_device = lambda: 0


BEFORE = {"musubi_tuner.wan.modules.t5": settle_the_device}
AFTER = {
    "musubi_tuner.wan.configs": narrow_configurations,
    "musubi_tuner.wan.modules.vae": narrow_vae,
    "musubi_tuner.wan.modules.t5": replace_text_encoder,
}


class ChangedOnImport:
    """A finder in front of all others: lets them load a module of the trainer, and changes it right after."""

    def __init__(self):
        self.searching = False

    def find_spec(self, name, path=None, target=None):
        if name not in AFTER or self.searching:
            return None
        self.searching = True
        try:
            spec = importlib.util.find_spec(name)
        finally:
            self.searching = False
        load = spec.loader.exec_module

        def load_and_change(module):
            BEFORE.get(name, lambda: None)()
            load(module)
            AFTER[name](module)

        spec.loader.exec_module = load_and_change
        return spec


class StandIns:
    """A finder behind all others: brings a stand-in for torchvision where nothing else has brought the real one."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        if name != "torchvision":
            return None
        return importlib.machinery.PathFinder.find_spec(name, [os.path.join(HERE, "stand_ins")])


def order_globs():
    """The trainer takes cache files in the file system's order, which differs between machines; sorted, runs compare.

    WAN22_MINIATURE_GLOBS=reversed is another machine's: what sorts by itself gives the same there.
    """
    unordered = glob.glob
    backwards = os.environ.get("WAN22_MINIATURE_GLOBS") == "reversed"
    glob.glob = lambda *args, **options: sorted(unordered(*args, **options), reverse=backwards)


def install():
    sys.meta_path.insert(0, ChangedOnImport())
    sys.meta_path.append(StandIns())
    order_globs()
