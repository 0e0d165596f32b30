"""Writes the weights of a run with a digest beside them, and reads weights from files that are not trusted."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from archspec.atomic_files import file_digest, whole_file, write_file, write_text
from archspec.diagnostics import SpecError, error, listing
from archspec.files import kind_of, read_regular
from archspec.text import shell
from archspec.train.checkpoint.tensor_file import tensor_file

_DTYPES: Final = {torch.float32: "F32", torch.float64: "F64", torch.int64: "I64", torch.bool: "BOOL"}
MAX_DIGEST_BYTES: Final = 1 << 12
_SHOWN: Final = 5  # names in a message


def load_weights(model: nn.Module, path: Path, prefix: str = "") -> None:
    """Set every parameter and buffer of `model` from a safetensors file, in place.

    prefix: of the names in the file; other tensors are ignored. Names, shapes and dtypes are compared with the model
    before any tensor is read, and all values must be finite; nothing in the file is executed. Raises SpecError RUN361
    and then leaves the model unchanged.
    """
    wanted = model.state_dict()
    tensors = _read(path, wanted, prefix)
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise _unfit(path, f"{shown_name(name)} holds infinite or NaN values")
    with torch.no_grad():
        for name, tensor in wanted.items():
            tensor.copy_(tensors[name])


def write_weights(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write a safetensors file, and beside it its SHA-256 in the format of `sha256sum --check`. Raises OSError."""
    beside = digest_file(path)
    with whole_file(path) as draft:
        digest = write_file(draft, tensor_file(tensors))
        beside.unlink(missing_ok=True)  # if killed before the new digest is written, none is better than a wrong one
    write_text(beside, _digest_text(digest, path))


def check_digest(path: Path) -> tuple[str, ...]:
    """Raise SpecError RUN361 if the weights do not match their digest. Returns a note if there is no digest.

    archspec 0.1 wrote no digest.
    """
    beside = digest_file(path)
    try:
        wanted = read_regular(beside, MAX_DIGEST_BYTES)
    except FileNotFoundError:
        return (f"note: there is no {beside.name} beside {path}: the weights cannot be verified",)
    except OSError as problem:
        raise _damaged(path, f"{beside.name} {problem.strerror}") from problem
    try:
        found = file_digest(path)
    except OSError as problem:
        raise _damaged(path, f"it {(problem.strerror or str(problem)).lower()}") from problem
    if _digest_text(found, path).encode() != wanted:
        raise _damaged(path, f"its SHA-256 is not the one in {beside.name}: one of the two files is damaged")
    return ()


def digest_file(path: Path) -> Path:
    """The file with the SHA-256 of a file of weights."""
    return path.with_suffix(".sha256")


def _digest_text(digest: str, path: Path) -> str:
    return f"{digest}  {path.name}\n"


def _damaged(path: Path, why: str) -> SpecError:
    return error(
        "RUN361", f"the weights {path} cannot be used: {why}",
        hint="restore a copy of both, or write them again from the last checkpoint: "
        f"`{shell('archspec', 'train', '--resume', path.parent)}`",
    )


def _read(path: Path, wanted: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    from safetensors import SafetensorError, safe_open

    if kind := kind_of(path):  # a pipe would block
        raise _unfit(path, f"it is {kind}, not a regular file")
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            found = {key.removeprefix(prefix) for key in file.keys() if key.startswith(prefix)}  # noqa: SIM118
            _compare_names(path, found, set(wanted))
            for name, tensor in wanted.items():
                _compare(path, name, file.get_slice(prefix + name), tensor)
            return {name: file.get_tensor(prefix + name) for name in wanted}
    except SafetensorError as problem:
        text = " ".join(str(problem).split())[:200]
        raise _unfit(path, f"it is not a safetensors file: {text[:1].lower()}{text[1:]}") from problem


def _compare_names(path: Path, found: set[str], wanted: set[str]) -> None:
    if missing := sorted(wanted - found):
        raise _unfit(path, f"it lacks {_names(missing)}")
    if unknown := sorted(found - wanted):
        raise _unfit(path, f"it holds {_names(unknown)}, which the network does not have")


def _compare(path: Path, name: str, found: Any, wanted: Tensor) -> None:
    """Raise SpecError RUN361 unless a tensor's shape and dtype match the model. found: its slice, not read yet."""
    shape, dtype = tuple(found.get_shape()), found.get_dtype()
    if shape != tuple(wanted.shape):
        raise _unfit(path, f"{shown_name(name)} has the shape {list(shape)}, the network's has {list(wanted.shape)}")
    if dtype != _DTYPES[wanted.dtype]:
        raise _unfit(path, f"{shown_name(name)} is {dtype}, the network's is {_DTYPES[wanted.dtype]}")


def _names(names: list[str]) -> str:
    return listing(map(shown_name, names), _SHOWN)


def shown_name(name: str) -> str:
    """The name of a tensor for a message: printable, and not too long."""
    return f"`{''.join(c if c.isprintable() else '?' for c in name[:80])}`"


def _unfit(path: Path, why: str) -> SpecError:
    return error(
        "RUN361", f"the weights {path} cannot be used: {why}",
        hint="use the weights.safetensors that `archspec train` wrote beside this spec.yaml, or train again",
    )
