"""Asks the trainer's own code: reads {"requests": [...]} from stdin, writes {"answers": [...]} to stdout.

One process answers many requests, because importing the trainer takes seconds. Each answer is {"value": ...} or
{"error": "Type: message"}. Kinds of requests, each described at its function: items, argv, toml, lora, sampler, train.

Run with the trainer's `src` on PYTHONPATH, and with `miniature` and WAN22_MINIATURE=1 where there is no GPU.
"""

import argparse
import contextlib
import gc
import io
import json
import logging
import math
import multiprocessing
import os
import re
import sys
import time
import types


def answer_items(request):
    """What the dataset code makes of the TOML file `dataset_config`: first as caching, then as training.

    For each dataset: `latents` that caching would write, each with bucket, crop and caption; `texts` likewise; `buckets` that
    training makes of those files, with the names in them; `batches` and `repeated` items. The cache files are written to the
    dataset's cache folder with a header and without tensors, which is all that training looks at here.
    """
    from musubi_tuner.dataset import config_utils
    from musubi_tuner.dataset.architectures import ARCHITECTURE_WAN

    poll_quickly()
    config = config_utils.load_user_config(request["dataset_config"])
    generator = config_utils.BlueprintGenerator(config_utils.ConfigSanitizer())
    blueprint = generator.generate(config, argparse.Namespace(), architecture=ARCHITECTURE_WAN).dataset_group
    cached = [cached_files(dataset) for dataset in config_utils.generate_dataset_group_by_blueprint(blueprint).datasets]
    training = config_utils.generate_dataset_group_by_blueprint(
        blueprint, training=True, shared_epoch=multiprocessing.Value("i", 0)
    )
    trained = [trained_buckets(dataset) for dataset in training.datasets]
    return {
        "datasets": [{**files, **buckets} for files, buckets in zip(cached, trained)],
        "batches": len(training),
        "repeated": training.num_train_items,
    }


def poll_quickly():
    """Caching looks at its threads every 0.1 s: in hundreds of small datasets that is most of the time."""
    from musubi_tuner.dataset import image_video_dataset

    image_video_dataset.time = types.SimpleNamespace(sleep=lambda _: time.sleep(0.001))


def cached_files(dataset):
    latents = []
    for _, batch in dataset.retrieve_latent_cache_batches(num_workers=4):
        for item in batch:
            write_empty_cache(item.latent_cache_path)
            rows, columns = item.content.shape[-3:-1]
            latents.append(
                {
                    "name": os.path.basename(item.latent_cache_path),
                    "width": columns,
                    "height": rows,
                    "frames": item.content.shape[0] if item.content.ndim == 4 else 1,
                    "caption": item.caption,
                }
            )
    texts = []
    for batch in dataset.retrieve_text_encoder_output_cache_batches(num_workers=4):
        for item in batch:
            write_empty_cache(item.text_encoder_output_cache_path)
            texts.append({"name": os.path.basename(item.text_encoder_output_cache_path), "caption": item.caption})
    return {"latents": latents, "texts": texts}


def write_empty_cache(path):
    header = b"{}".ljust(8)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)


def trained_buckets(dataset):
    buckets = []
    for key, items in sorted(dataset.batch_manager.buckets.items()):
        width, height, third = key[:3]
        buckets.append(
            {
                "width": width,
                "height": height,
                # An image's third number is not its frames.
                "frames": third if hasattr(dataset, "target_frames") else 1,
                "names": sorted({os.path.basename(item.latent_cache_path) for item in items}),
                "batches": sum(1 for bucket, _ in dataset.batch_manager.bucket_batch_indices if bucket == key),
            }
        )
    return {"buckets": buckets, "batches": len(dataset), "repeated": dataset.num_train_items}


def answer_argv(request):
    """The namespace that `script` (cache-latents, cache-text or train) reads from the list `argv`, or argparse's message."""
    parser = parser_of(request["script"])

    def refuse(message):
        raise argparse.ArgumentError(None, message)

    parser.error = refuse
    # Without this a `--help` in a value would print and leave.
    parser.exit = lambda status=0, message=None: refuse(message or f"leaves with {status}")
    return vars(parser.parse_args(request["argv"]))


def parser_of(script):
    if script == "cache-latents":
        from musubi_tuner import cache_latents, wan_cache_latents

        return wan_cache_latents.wan_setup_parser(cache_latents.setup_parser_common())
    if script == "cache-text":
        from musubi_tuner import cache_text_encoder_outputs, wan_cache_text_encoder_outputs

        return wan_cache_text_encoder_outputs.wan_setup_parser(cache_text_encoder_outputs.setup_parser_common())
    if script == "train":
        from musubi_tuner import wan_train_network
        from musubi_tuner.training.parser_common import setup_parser_common

        return wan_train_network.wan_setup_parser(setup_parser_common())
    raise ValueError(f"no such script: {script}")


def answer_toml(request):
    """The dataset TOML `text` as the trainer reads and checks it: its values, or why it is refused."""
    import toml
    from musubi_tuner.dataset.config_utils import ConfigSanitizer

    return ConfigSanitizer().sanitize_user_config(toml.loads(request["text"]))


def answer_lora(request):
    """Names and shapes of the tensors of a LoRA of rank `dim` with `network_args` on a transformer of `sizes`."""
    import torch
    from musubi_tuner.networks import lora_wan
    from musubi_tuner.wan.modules.model import WanModel

    options = dict(word.split("=") for word in request.get("network_args", []))
    with torch.device("meta"):
        model = WanModel(model_version="2.2", attn_mode="torch", **request["sizes"])
        network = lora_wan.create_arch_network(1.0, request["dim"], 1.0, None, [], model, **options)
        network.apply_to(None, model, apply_text_encoder=False, apply_unet=True)
    return {name: list(tensor.shape) for name, tensor in network.state_dict().items()}


# What the trainer says when it saves or removes something, in the order in which it does.
SAVES = re.compile(
    r"(?:saving checkpoint: |removing old checkpoint: |saving state at (?:epoch|step) |saving last state|removing old state: )"
)
COUNTS = re.compile(r"^  (num batches per epoch|num epochs|total optimization steps) /.*: (\d+)$")


def answer_train(request):
    """Runs the training script with `argv`: the counts that it announces and its saves and removals, in their order."""
    from accelerate.state import AcceleratorState, GradientState
    from musubi_tuner import wan_train_network

    said = io.StringIO()
    handler = logging.StreamHandler(said)
    handler.setFormatter(logging.Formatter("%(message)s"))
    logging.getLogger().addHandler(handler)
    before = sys.argv
    sys.argv = ["wan_train_network.py", *request["argv"]]
    try:
        with contextlib.redirect_stdout(said):
            wan_train_network.main()
    finally:
        sys.argv = before
        logging.getLogger().removeHandler(handler)
        # accelerate keeps one state a process; the next run needs its own.
        AcceleratorState._reset_state(reset_partial_state=True)
        GradientState._reset_state()
        gc.collect()
    lines = said.getvalue().splitlines()
    counts = dict(match.groups() for match in map(COUNTS.match, lines) if match)
    return {
        "counts": {name: int(count) for name, count in counts.items()},
        "saves": [line for line in lines if SAVES.match(line)],
    }


def answer_sampler(request):
    """Runs the sampler of `do_inference` with `steps` and `shift` on nothing: how many steps it took."""
    import torch
    from musubi_tuner.wan.utils.fm_solvers_unipc import FlowUniPCMultistepScheduler

    scheduler = FlowUniPCMultistepScheduler(shift=1, use_dynamic_shifting=False)
    scheduler.set_timesteps(request["steps"], device="cpu", shift=request["shift"])
    latent = torch.zeros(1, 1, 1, 1, 1)
    for timestep in scheduler.timesteps:
        latent = scheduler.step(torch.zeros_like(latent), timestep, latent, return_dict=False)[0]
    return len(scheduler.timesteps)


ANSWERS = {
    "items": answer_items,
    "argv": answer_argv,
    "toml": answer_toml,
    "lora": answer_lora,
    "sampler": answer_sampler,
    "train": answer_train,
}


def for_json(value):
    """JSON has no infinities and no NaN; an argument may be one."""
    if isinstance(value, dict):
        return {str(key): for_json(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [for_json(entry) for entry in value]
    if value is None or isinstance(value, (bool, int, str)) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return str(value)


def answer(request):
    try:
        return {"value": for_json(ANSWERS[request["kind"]](request))}
    except (Exception, SystemExit) as error:
        return {"error": f"{type(error).__name__}: {error}"}


def main():
    requests = json.load(sys.stdin)["requests"]
    # Whatever the trainer prints belongs to stderr; stdout is for the answers alone.
    answers = sys.stdout
    with contextlib.redirect_stdout(sys.stderr):
        given = [answer(request) for request in requests]
    json.dump({"answers": given}, answers)


if __name__ == "__main__":
    main()
