"""Both caching scripts: a miniature tensor for each line of the items file, in files as the trainer names them."""

from __future__ import annotations

import hashlib
import os
from typing import Callable

from wan22_contract.files import remove_left_behind
from wan22_contract.stage import FINISHED, STOPPED, read_items

from .stage import RehearsedStage
from .tensors import Tensor, write_tensors

LATENT_CHANNELS = 16
IMAGE_LATENT_CHANNELS = 20
"""Of an I2V condition: 4 of mask and 16 of the first frame."""
LATENT_SIDE = 2
"""Width and height of a latent here; the trainer's are an eighth of the clip's."""
TEXT_WIDTH = 16
"""Numbers a token; UMT5 has 4096."""
SOURCE_SAMPLE_BYTES = 1 << 20
"""How much of a source file a latent is made from: enough to tell files apart, little enough to be quick."""

LATENT_SUFFIX = "_wan.safetensors"
TEXT_SUFFIX = "_wan_te.safetensors"


def cache_latents(stage: RehearsedStage) -> int:
    with_image = stage.arguments.flag("i2v")

    def make(item: dict) -> None:
        frames = (item["frames"] - 1) // 4 + 1
        shape = f"{frames}x{LATENT_SIDE}x{LATENT_SIDE}_float16"
        seed = latent_seed(item)
        tensors = {f"latents_{shape}": noise(seed + b"latents", (LATENT_CHANNELS, frames, LATENT_SIDE, LATENT_SIDE))}
        if with_image:
            image_shape = (IMAGE_LATENT_CHANNELS, frames, LATENT_SIDE, LATENT_SIDE)
            tensors[f"latents_image_{shape}"] = noise(seed + b"image", image_shape)
        metadata = {
            "architecture": "wan",
            "width": str(item["width"]),
            "height": str(item["height"]),
            "frame_count": str(item["frames"]),
            "format_version": "1.0.1",
            "wan22_rehearsal": "true",
        }
        write_tensors(item["cache_file"], tensors, metadata, "F16")

    return cache(stage, LATENT_SUFFIX, make)


def cache_text(stage: RehearsedStage) -> int:
    def make(item: dict) -> None:
        caption = item["caption"]
        tokens = len(caption.split()) + 1
        values = noise(caption.encode("utf-8", "surrogatepass"), (tokens, TEXT_WIDTH))
        metadata = {
            "architecture": "wan",
            "caption1": caption,
            "format_version": "1.0.1",
            "wan22_rehearsal": "true",
        }
        write_tensors(item["cache_file"], {"varlen_t5_float32": values}, metadata, "F32")

    return cache(stage, TEXT_SUFFIX, make)


def cache(stage: RehearsedStage, suffix: str, make: Callable[[dict], None]) -> int:
    """Makes what is missing, then removes what is not in the dataset, as the trainer does."""
    items = read_items(stage.context["items"])
    skip_existing = stage.arguments.flag("skip_existing")
    for folder in {os.path.dirname(item["cache_file"]) for item in items}:
        remove_left_behind(folder)
    missing = [item for item in items if not (skip_existing and os.path.exists(item["cache_file"]))]
    done = len(items) - len(missing)
    print(f"{len(items)} cache files, {done} of them exist")
    for item in missing:
        if stage.stop.seen():
            stage.events.tell("stopping")
            return STOPPED
        make(item)
        done += 1
        print(f"{done}/{len(items)} {item['cache_file']}")
        stage.events.tell("item", file=item["cache_file"], done=done, total=len(items))
    if not stage.arguments.flag("keep_cache"):
        remove_others(stage, suffix, {os.path.normpath(item["cache_file"]) for item in items})
    return FINISHED


def remove_others(stage: RehearsedStage, suffix: str, wanted: set[str]) -> None:
    for folder in sorted({os.path.dirname(file) for file in wanted}):
        for name in sorted(os.listdir(folder)):
            file = os.path.normpath(os.path.join(folder, name))
            if name.endswith(suffix) and file not in wanted:
                os.unlink(file)
                print(f"Removed old cache file: {file}")
                stage.events.tell("removed", file=file)


def latent_seed(item: dict) -> bytes:
    """What a latent depends on: the beginning of the source, the crop, the size."""
    digest = hashlib.sha256(f"{item['first_frame']} {item['frames']} {item['width']} {item['height']}".encode())
    source = item["source_file"]
    if os.path.isdir(source):
        for name in sorted(os.listdir(source)):
            digest.update(name.encode("utf-8", "surrogateescape"))
    else:
        digest.update(str(os.path.getsize(source)).encode())
        with open(source, "rb") as file:
            digest.update(file.read(SOURCE_SAMPLE_BYTES))
    return digest.digest()


def noise(seed: bytes, shape: tuple[int, ...]) -> Tensor:
    """Numbers spread evenly over [-√3, √3] (variance 1), the same for the same seed on every machine."""
    count = 1
    for side in shape:
        count *= side
    data = hashlib.shake_128(seed).digest(2 * count)
    scale = 2 * 3**0.5 / 65535
    values = [(data[2 * i] * 256 + data[2 * i + 1]) * scale - 3**0.5 for i in range(count)]
    return Tensor(shape, values)
