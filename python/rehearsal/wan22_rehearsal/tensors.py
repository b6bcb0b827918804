"""Safetensors files, written and read with the standard library: 8 bytes of length, JSON, then the tensors."""

from __future__ import annotations

import json
import struct
import sys
from array import array
from typing import Iterable, NamedTuple

from wan22_contract.files import write_whole

ALIGNMENT = 8
BYTES = {"F32": 4, "F16": 2, "BF16": 2}


class Tensor(NamedTuple):
    """Values in row-major order; a shape of `()` is a single number."""

    shape: tuple[int, ...]
    values: list[float]


def round_to_float32(values: Iterable[float]) -> list[float]:
    """The nearest 32-bit values: what is kept in memory is then exactly what a file holds."""
    return array("f", values).tolist()


def encode(values: list[float], dtype: str) -> bytes:
    if dtype == "F16":
        return struct.pack(f"<{len(values)}e", *(max(-65504.0, min(65504.0, value)) for value in values))
    floats = array("f", values)
    if sys.byteorder == "big":
        floats.byteswap()
    if dtype == "F32":
        return floats.tobytes()
    bits = struct.unpack(f"<{len(values)}I", floats.tobytes())
    # bfloat16 is the upper half of float32, rounded to the nearest, ties to even. NaN keeps its upper half.
    upper = [
        (bit >> 16) if (bit & 0x7FFFFFFF) > 0x7F800000 else ((bit + 0x7FFF + ((bit >> 16) & 1)) >> 16) & 0xFFFF
        for bit in bits
    ]
    return struct.pack(f"<{len(values)}H", *upper)


def decode(data: bytes, dtype: str) -> list[float]:
    if dtype == "F16":
        return list(struct.unpack(f"<{len(data) // 2}e", data))
    if dtype == "BF16":
        halves = struct.unpack(f"<{len(data) // 2}H", data)
        data = struct.pack(f"<{len(halves)}I", *(half << 16 for half in halves))
    return list(struct.unpack(f"<{len(data) // 4}f", data))


def write_tensors(path: str, tensors: dict[str, Tensor], metadata: dict[str, str], dtype: str) -> int:
    """Writes all tensors in one dtype, sorted by name. Returns the size of the file in bytes."""
    header: dict[str, object] = {"__metadata__": dict(sorted(metadata.items()))}
    body = []
    offset = 0
    for name, tensor in sorted(tensors.items()):
        data = encode(tensor.values, dtype)
        header[name] = {"dtype": dtype, "shape": list(tensor.shape), "data_offsets": [offset, offset + len(data)]}
        offset += len(data)
        body.append(data)
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    text += b" " * (-len(text) % ALIGNMENT)
    return write_whole(path, struct.pack("<Q", len(text)), text, *body)


def read_tensors(path: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors of float dtypes, and the metadata. A file cut short is a ValueError that names it."""
    with open(path, "rb") as file:
        content = file.read()
    try:
        length = struct.unpack_from("<Q", content)[0]
        header = json.loads(content[8 : 8 + length])
        metadata = header.pop("__metadata__", {})
        tensors = {}
        for name, entry in header.items():
            begin, end = (8 + length + offset for offset in entry["data_offsets"])
            if end > len(content):
                raise ValueError("it ends too early")
            tensors[name] = Tensor(tuple(entry["shape"]), decode(content[begin:end], entry["dtype"]))
        return tensors, metadata
    except (struct.error, ValueError, KeyError, AttributeError) as error:
        raise ValueError(f"{path} is not a whole safetensors file ({error})") from error
