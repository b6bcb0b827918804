"""Files that are either whole or not there, and folders that vanish without `shutil` (slow to import)."""

from __future__ import annotations

import os
import re

TEMPORARY = ".tmp"
LEFT_BEHIND = re.compile(r"\.\d+\.tmp$")
"""What a process that was killed while it wrote leaves: `NAME.PID.tmp`."""


def write_whole(path: str, *parts: bytes, sync: str = "none") -> int:
    """Writes a file beside its place, then moves it there. Returns its size in bytes.

    With `sync="disk"` it is on the disk before it gets its name. What a rehearsal makes need not outlive a power cut,
    and waiting for the disk would take longer than all its training.
    """
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    temporary = f"{path}.{os.getpid()}{TEMPORARY}"
    try:
        with open(temporary, "wb") as file:
            for part in parts:
                file.write(part)
            if sync == "disk":
                file.flush()
                os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException as error:
        if os.path.exists(temporary):
            os.unlink(temporary)
        if isinstance(error, OSError):
            # Python names no file where an open one can't be written, and nobody knows the temporary one.
            error.filename = path
        raise
    return sum(map(len, parts))


def sync_folder(path: str) -> None:
    """Has a folder's list of names on the disk, where the system lets one ask for that."""
    if os.name != "nt":
        sync(path)


def sync(path: str) -> None:
    """Has a file, or a folder's list of names, on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove_left_behind(folder: str, names: str = ".*") -> None:
    """Removes what killed processes left in a folder, of files whose names a pattern matches as a whole."""
    if not os.path.isdir(folder):
        return
    for name in os.listdir(folder):
        stem = LEFT_BEHIND.sub("", name)
        if stem != name and re.fullmatch(names, stem):
            path = os.path.join(folder, name)
            remove_folder(path) if os.path.isdir(path) and not os.path.islink(path) else os.unlink(path)


def remove_folder(path: str) -> None:
    """Removes a folder and what it holds, whole or not at all under its name: it loses that first.

    What a process that is killed meanwhile leaves is a temporary one, and is nobody's output.
    """
    going = path if LEFT_BEHIND.search(path) else f"{path}.{os.getpid()}{TEMPORARY}"
    if going != path:
        os.rename(path, going)
    remove_tree(going)


def remove_tree(path: str) -> None:
    for name in os.listdir(path):
        child = os.path.join(path, name)
        if os.path.isdir(child) and not os.path.islink(child):
            remove_tree(child)
        else:
            os.unlink(child)
    os.rmdir(path)
