"""A checkpoint on the disk: a folder that is written atomically, and verified before it is parsed.

    00007-step-1200/
        weights.safetensors    the network's state_dict
        training.safetensors   tensors of the optimizer, of the epoch's measurements, and of other parts
        state.json             the rest, see `state.SavedState`
        manifest.sha256        the SHA-256 of the three files, in the format of `sha256sum --check`
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from archspec.atomic_files import check_own_folder, file_digest, whole_folder, write_file
from archspec.diagnostics import error
from archspec.files import read_regular
from archspec.train.checkpoint.state import SavedState, Snapshot
from archspec.train.checkpoint.tensor_file import tensor_bytes, tensor_file

WEIGHTS: Final = "weights.safetensors"
TRAINING: Final = "training.safetensors"
STATE: Final = "state.json"
MANIFEST: Final = "manifest.sha256"
FILES: Final = (WEIGHTS, TRAINING, STATE)  # what the manifest covers
NAMES: Final = (MANIFEST, *FILES)  # in the order of removal: without a manifest the rest is not a checkpoint
MAX_STATE_BYTES: Final = 1 << 26  # of state.json; each step of an unfinished epoch takes about ten bytes
MAX_MANIFEST_BYTES: Final = 1 << 12
NAME: Final = re.compile(r"(\d{5,9})-step-\d{1,18}")


class DamagedError(Exception):
    """A checkpoint cannot be used; the message names the file and its fault."""


def write_checkpoint(path: Path, saved: Snapshot) -> None:
    """Write a checkpoint to `path`, which must not exist. Raises OSError, and then leaves nothing behind."""
    with whole_folder(path, NAMES) as draft:
        digests = {
            WEIGHTS: write_file(draft / WEIGHTS, tensor_file(saved.weights)),
            TRAINING: write_file(draft / TRAINING, tensor_file(saved.training)),
            STATE: write_file(draft / STATE, [state_bytes(saved.state)]),
        }
        write_file(draft / MANIFEST, [manifest(digests)])


def read_checkpoint(path: Path) -> Snapshot:
    """Read a checkpoint, with its tensors on the CPU. Raises DamagedError, or OSError if it cannot be read.

    All files are verified before any byte is interpreted.
    """
    verify(path)
    try:
        state = SavedState.model_validate_json(read_regular(path / STATE, MAX_STATE_BYTES))
        return Snapshot(state, load_file(path / WEIGHTS), load_file(path / TRAINING))
    except ValidationError as problem:
        first = problem.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the text"
        raise DamagedError(f"{STATE}: {place}: {first['msg'].lower()}") from problem
    except SafetensorError as problem:
        raise DamagedError(f"its tensors cannot be read: {problem}") from problem


def verify(path: Path) -> None:
    """Raise DamagedError unless the manifest matches the files exactly."""
    if path.is_symlink():
        raise DamagedError("it is a link, and links in a run folder are not followed")
    found = {}
    for name in (*FILES, MANIFEST):
        try:
            if name == MANIFEST:
                text = read_regular(path / name, MAX_MANIFEST_BYTES)
            else:
                found[name] = file_digest(path / name)
        except FileNotFoundError:
            raise DamagedError(f"{name} is missing") from None
        except OSError as problem:
            raise DamagedError(f"{name} {problem.strerror}") from problem
    if text == manifest(found):
        return
    lines = text.splitlines()
    bad = [name for name, digest in found.items() if f"{digest}  {name}".encode() not in lines]
    if 0 < len(bad) < len(FILES):
        raise DamagedError(f"{bad[0]}: its SHA-256 is not what was written")
    raise DamagedError(f"{MANIFEST} is damaged, or all files are")


def manifest(digests: Mapping[str, str]) -> bytes:
    """The text of a manifest. digests: file name → SHA-256."""
    return "".join(f"{digests[name]}  {name}\n" for name in FILES).encode()


def state_bytes(state: SavedState) -> bytes:
    """The text of state.json."""
    return state.model_dump_json(indent=1).encode() + b"\n"


def checkpoint_bytes(saved: Snapshot) -> int:
    """The approximate size of a checkpoint on the disk, in bytes."""
    tensors: Iterable[Tensor] = [*saved.weights.values(), *saved.training.values()]
    return sum(map(tensor_bytes, tensors)) + len(state_bytes(saved.state))


def checkpoints(folder: Path) -> list[Path]:
    """The checkpoints in a folder, the oldest first, without a check whether they are valid or links.

    Raises SpecError RUN335 if the folder itself is a link or not a folder.
    """
    check_own_folder(folder)
    if not folder.is_dir():
        return []
    return sorted((p for p in folder.iterdir() if NAME.fullmatch(p.name) and p.is_dir()), key=serial)


def serial(path: Path) -> int:
    """The serial number of a checkpoint; newer checkpoints have higher numbers."""
    found = NAME.fullmatch(path.name)
    assert found is not None
    return int(found[1])


def next_serial(folder: Path) -> int:
    """A number higher than that of any entry with the name of a checkpoint."""
    names = [path for path in folder.iterdir() if NAME.fullmatch(path.name)] if folder.is_dir() else []
    return max(map(serial, names), default=0) + 1


@dataclass(frozen=True, slots=True)
class Found:
    """The newest valid checkpoint and its contents. damaged: newer ones, with the fault of each."""

    path: Path
    saved: Snapshot
    damaged: dict[Path, str]


def newest(folder: Path) -> Found | None:
    """Find the newest valid checkpoint; None if the folder has no checkpoints.

    Raises SpecError RUN314 if there are checkpoints but none is valid.
    """
    damaged: dict[Path, str] = {}
    for path in reversed(checkpoints(folder)):
        try:
            return Found(path, read_checkpoint(path), damaged)
        except DamagedError as problem:
            damaged[path] = str(problem)
        except OSError as problem:
            damaged[path] = f"it cannot be read: {(problem.strerror or str(problem)).lower()}"
    if not damaged:
        return None
    raise error(
        "RUN314", f"no checkpoint in {folder} can be used",
        notes=[f"{path.name}: {reason}" for path, reason in damaged.items()],
        hint="start a new run with another --run-dir",
    )
