"""Tensors as a safetensors file, written piece by piece: one tensor at a time is brought to the CPU."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Final

import torch
from torch import Tensor

# The format: https://huggingface.co/docs/safetensors. Eight bytes with the header's length, the header (JSON, padded
# with spaces to a multiple of eight bytes), then the tensors' bytes without a gap, row by row, little-endian.
_NAMES: Final = {  # in the order in which the format's own library writes them
    torch.int64: "I64", torch.float64: "F64", torch.float32: "F32", torch.int32: "I32", torch.bfloat16: "BF16",
    torch.float16: "F16", torch.int16: "I16", torch.int8: "I8", torch.uint8: "U8", torch.bool: "BOOL",
}
_RANK: Final = {dtype: rank for rank, dtype in enumerate(_NAMES)}
_ALIGNMENT: Final = 8


def tensor_file(tensors: Mapping[str, Tensor]) -> Iterator[bytes | memoryview]:
    """The pieces of a safetensors file with these tensors, of any device and layout; read with safetensors.

    The bytes are a function of names, shapes, dtypes and values: wide dtypes come first, so that each tensor is
    aligned, then the order is that of the names. Raises TypeError for other dtypes than those above.
    """
    order = sorted(tensors, key=lambda name: (_rank(name, tensors[name]), name))
    header: dict[str, object] = {}
    end = 0
    for name in order:
        tensor = tensors[name]
        start, end = end, end + tensor_bytes(tensor)
        header[name] = {"dtype": _NAMES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [start, end]}
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    yield len(text).to_bytes(8, "little") + text
    for name in order:
        flat = tensors[name].detach().cpu().contiguous().reshape(-1)
        if len(flat):
            yield flat.view(torch.uint8).numpy().data


def tensor_bytes(tensor: Tensor) -> int:
    """What it takes in a file."""
    return tensor.numel() * tensor.dtype.itemsize


def _rank(name: str, tensor: Tensor) -> int:
    if tensor.dtype not in _RANK:
        raise TypeError(f"{name} has the dtype {tensor.dtype}, which a file cannot hold")
    return _RANK[tensor.dtype]
