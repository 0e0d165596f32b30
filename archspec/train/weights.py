"""A finished run's weights, read as what they are: a file that anybody may have written."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from archspec.diagnostics import SpecError, error, listing

_DTYPES: Final = {torch.float32: "F32", torch.float64: "F64", torch.int64: "I64", torch.bool: "BOOL"}
_SHOWN: Final = 5  # names of a message


def load_weights(model: nn.Module, path: Path, prefix: str = "") -> None:
    """Set every parameter and buffer of `model` from a safetensors file, in place.

    prefix: of the names, where the file holds other tensors too. Names, shapes and dtypes are compared with the
    model's before any tensor is read, and all values must be finite; nothing of the file is executed. Raises
    SpecError RUN361 and leaves the model as it was.
    """
    wanted = model.state_dict()
    tensors = _read(path, wanted, prefix)
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise _unfit(path, f"{_said(name)} holds values that are infinite or no numbers")
    with torch.no_grad():
        for name, tensor in wanted.items():
            tensor.copy_(tensors[name])


def _read(path: Path, wanted: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    from safetensors import SafetensorError, safe_open

    if not path.is_file():  # a pipe would block
        raise _unfit(path, "it is not a file")
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            found = {key.removeprefix(prefix) for key in file.keys() if key.startswith(prefix)}  # noqa: SIM118
            _compare_names(path, found, set(wanted))
            for name, tensor in wanted.items():
                _compare(path, name, file.get_slice(prefix + name), tensor)
            return {name: file.get_tensor(prefix + name) for name in wanted}
    except SafetensorError as problem:
        text = " ".join(str(problem).split())[:200]
        raise _unfit(path, f"it is no safetensors file: {text[:1].lower()}{text[1:]}") from problem


def _compare_names(path: Path, found: set[str], wanted: set[str]) -> None:
    if missing := sorted(wanted - found):
        raise _unfit(path, f"it lacks {_names(missing)}")
    if unknown := sorted(found - wanted):
        raise _unfit(path, f"it holds {_names(unknown)}, which the network has not")


def _compare(path: Path, name: str, found: Any, wanted: Tensor) -> None:
    """A tensor of the file, not read yet, against the model's."""
    shape, dtype = tuple(found.get_shape()), found.get_dtype()
    if shape != tuple(wanted.shape):
        raise _unfit(path, f"{_said(name)} has the shape {list(shape)}, the network's has {list(wanted.shape)}")
    if dtype != _DTYPES[wanted.dtype]:
        raise _unfit(path, f"{_said(name)} is {dtype}, the network's is {_DTYPES[wanted.dtype]}")


def _names(names: list[str]) -> str:
    return listing(map(_said, names), _SHOWN)


def _said(name: str) -> str:
    """A tensor's name, however long and odd, for a message."""
    return f"`{''.join(c if c.isprintable() else '?' for c in name[:80])}`"


def _unfit(path: Path, why: str) -> SpecError:
    return error(
        "RUN361", f"the weights {path} cannot be used: {why}",
        hint="use the weights.safetensors that `archspec train` wrote beside this spec.yaml, or train again",
    )
