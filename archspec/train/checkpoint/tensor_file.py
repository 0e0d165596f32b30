"""Writes tensors as a safetensors file, and copies only one tensor at a time to the CPU."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Final

import torch
from torch import Tensor

# The format: https://huggingface.co/docs/safetensors. Eight bytes with the header's length, the header (JSON, padded
# with spaces to a multiple of eight bytes), then the tensors' bytes without a gap, row by row, little-endian.
_NAMES: Final = {  # in the order in which the safetensors library writes them
    torch.int64: "I64", torch.float64: "F64", torch.float32: "F32", torch.int32: "I32", torch.bfloat16: "BF16",
    torch.float16: "F16", torch.int16: "I16", torch.int8: "I8", torch.uint8: "U8", torch.bool: "BOOL",
}
_RANK: Final = {dtype: rank for rank, dtype in enumerate(_NAMES)}
_ALIGNMENT: Final = 8


def tensor_file(tensors: Mapping[str, Tensor]) -> Iterator[bytes | memoryview]:
    """Yield the pieces of a safetensors file with these tensors, of any device and layout.

    The bytes are a function of names, shapes, dtypes and values: tensors are sorted by the width of their dtype, widest
    first, so that each is aligned, and then by name. Raises TypeError for a dtype that is not in the list above.
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
    """The size of a tensor in a file, in bytes."""
    return tensor.numel() * tensor.dtype.itemsize


def _rank(name: str, tensor: Tensor) -> int:
    if tensor.dtype not in _RANK:
        raise TypeError(f"{name} has the dtype {tensor.dtype}, which a file cannot hold")
    return _RANK[tensor.dtype]
