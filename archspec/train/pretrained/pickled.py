"""Reads torch's own files (.pth): pickles, of which only tensors are accepted and nothing is executed.

torch's restricted unpickler (`weights_only=True`), which can only build tensors, reads them. Before that the file is
checked: it must be a regular file of limited size, have the SHA-256 in its name, and unpack to no more than its size.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import re
import warnings
import zipfile
from io import BufferedReader
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from archspec.files import open_regular

MAX_BYTES: Final = 1 << 32  # the largest file of torchvision has 2.5 GB
_DIGITS: Final = re.compile(r"-([0-9a-f]{8,64})\.pth")  # of the SHA-256, at the end of the names of published files
DTYPES: Final = {
    torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.int64: "I64",
    torch.int32: "I32", torch.int16: "I16", torch.int8: "I8", torch.uint8: "U8", torch.bool: "BOOL",
}


class UnfitError(Exception):
    """A file cannot be used; the message is the reason: `it is larger than 4 GiB`."""


def read_pickled(path: Path) -> tuple[dict[str, Tensor], str]:
    """The tensors of a .pth file by name, in order, on the CPU; and the SHA-256 of the file.

    Raises UnfitError, or OSError if the file cannot be read.
    """
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > MAX_BYTES:
            raise UnfitError(f"it is larger than {MAX_BYTES >> 30} GiB")
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        wanted = _DIGITS.search(path.name)
        if wanted is not None and not digest.startswith(wanted[1]):
            raise UnfitError(f"its SHA-256 is {digest[:8]}…, its name says {wanted[1]}: it is damaged")
        _check_archive(file, size)
        file.seek(0)
        try:
            with warnings.catch_warnings(action="ignore"):  # about sparse tensors, which are refused below
                found = torch.load(file, map_location="cpu", weights_only=True)
        except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, TypeError, KeyError, AttributeError,
                IndexError, OverflowError) as problem:
            raise UnfitError(f"torch cannot read it as tensors alone: {_first_line(problem)}") from problem
    return _checked(found), digest


def _check_archive(file: BufferedReader, size: int) -> None:
    """Reject an archive that would unpack to more than its size. Files in torch's oldest format are not archives."""
    file.seek(0)
    if not zipfile.is_zipfile(file):
        return
    try:
        with zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as problem:
        raise UnfitError(f"its archive is damaged: {_first_line(problem)}") from problem
    packed = any(entry.compress_type != zipfile.ZIP_STORED for entry in entries)
    if packed or sum(entry.file_size for entry in entries) > size:
        raise UnfitError("it is compressed, which torch does not do: it may unpack to any size")


def _checked(found: Any) -> dict[str, Tensor]:
    if not isinstance(found, dict) or not found:
        raise UnfitError("it holds no mapping from names to tensors")
    for name, tensor in found.items():
        if not isinstance(name, str) or not isinstance(tensor, Tensor):
            what = f"{str(name)[:80]!r}: {type(tensor).__name__}"
            raise UnfitError(f"it does not only hold tensors ({what}): save the state_dict alone")
        if tensor.layout != torch.strided or tensor.is_quantized or tensor.dtype not in DTYPES:
            raise UnfitError(f"{name[:80]!r} is not a plain tensor of numbers")
    return {name: tensor.detach() for name, tensor in found.items()}


def _first_line(problem: Exception) -> str:
    lines = str(problem).strip().splitlines() or [type(problem).__name__]
    text = lines[0][:200]
    return text[:1].lower() + text[1:]
