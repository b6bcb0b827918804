"""Only the clips are decoded whose caches are missing. Upstream decodes every clip, and then skips what exists."""

from __future__ import annotations

import os
from types import ModuleType

from wan22_contract.stage import Stage, read_items


def only_what_is_missing(config_utils: ModuleType, stage: Stage) -> bool:
    """Changes what `config_utils.generate_dataset_group_by_blueprint` gives. Says whether anything exists already.

    A dataset in which not every missing clip is found stays whole: then upstream does what it always does.
    """
    items = read_items(stage.context["items"])
    missing = [item for item in items if not os.path.exists(item["cache_file"])]
    if len(missing) == len(items):
        return False
    generate = config_utils.generate_dataset_group_by_blueprint

    def generate_narrowed(*arguments, **named):
        group = generate(*arguments, **named)
        for dataset in group.datasets:
            folder = os.path.normpath(dataset.cache_directory)
            own = [item for item in missing if os.path.normpath(os.path.dirname(item["cache_file"])) == folder]
            narrow(dataset.datasource, {os.path.realpath(item["source_file"]) for item in own})
        return group

    config_utils.generate_dataset_group_by_blueprint = generate_narrowed
    return True


def narrow(datasource, wanted: set[str]) -> None:
    for field, path_of in (
        ("video_paths", lambda path: path),
        ("image_paths", lambda path: path),
        ("data", lambda row: row.get("video_path") or row.get("image_path") or ""),
    ):
        entries = getattr(datasource, field, None)
        if not isinstance(entries, list):
            continue
        kept = [entry for entry in entries if os.path.realpath(path_of(entry)) in wanted]
        if {os.path.realpath(path_of(entry)) for entry in kept} == wanted:
            print(f"{len(kept)} of {len(entries)} sources have caches to make")
            setattr(datasource, field, kept)
