"""Messages for files that could not be written."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from archspec.atomic_files import write_text
from archspec.diagnostics import SpecError, error
from archspec.text import bytes_text

if TYPE_CHECKING:
    from archspec.train.run import Run

FULL: Final = frozenset({errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)})
TAKEN: Final = frozenset({errno.EISDIR, errno.ENOTEMPTY, errno.EEXIST})  # a folder is where a file should be
_MOUNTS: Final = Path("/proc/self/mounts")
_ESCAPES: Final = {r"\040": " ", r"\011": "\t", r"\012": "\n", r"\134": "\\"}


@contextmanager
def explain_write_failures(what: str, path: Path, needed_bytes: int) -> Iterator[None]:
    """Turn an OSError within the block into SpecError RUN313: the disk, what was needed, and what is free."""
    try:
        yield
    except OSError as problem:
        raise write_failure(what, path, needed_bytes, problem) from problem


def save_text(what: str, path: Path, text: str) -> None:
    """Write a text, see `files.write_text`. Raises SpecError RUN313 where that cannot be done."""
    with explain_write_failures(what, path, len(text)):
        write_text(path, text)


@contextmanager
def warn_write_failures(run: Run) -> Iterator[None]:
    """What cannot be written in the block costs a warning, not the run: SpecError RUN313 ends here."""
    try:
        yield
    except SpecError as problem:
        (failure,) = problem.diagnostics
        if failure.code != "RUN313":
            raise
        run.notify(f"warning[{failure.code}]: {failure.message}")


def write_failure(what: str, path: Path, needed_bytes: int, problem: OSError) -> SpecError:
    """SpecError RUN313 for `what` (`a checkpoint`), which was to be written to `path`."""
    place = existing(path)
    if problem.errno not in FULL:
        reason = (problem.strerror or str(problem)).lower()
        taken = problem.errno in TAKEN and path.is_dir()
        return error("RUN313", f"{what} could not be written to {path}: {reason}",
                     hint=f"rename or remove the folder {path}" if taken else f"make {place} writable")
    full = "the disk is full" if problem.errno == errno.ENOSPC else "your share of the disk is used up"
    needed, free = bytes_text(needed_bytes), bytes_text(shutil.disk_usage(place).free)
    return error(
        "RUN313", f"{what} could not be written: {full} ({disk_of(place)}): {needed} needed, {free} free",
        notes=[f"it was to be {path}"], hint=f"make room there: {needed} or more",
    )


def disk_of(path: Path) -> str:
    """What holds `path`, as `/home (/dev/sda2)`; just a path where the system does not tell."""
    real = os.path.realpath(path)
    best = ("", "")
    try:
        lines = _MOUNTS.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return real
    for line in lines:
        device, _, rest = line.partition(" ")
        point = rest.partition(" ")[0]
        for escape, character in _ESCAPES.items():
            point = point.replace(escape, character)
        inside = real == point or real.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best[0]):  # of two on one place, the later lies on top
            best = (point, device)
    return f"{best[0]} ({best[1]})" if best[0] else real


def existing(path: Path) -> Path:
    """The nearest folder above `path` that is there."""
    path = path.absolute()
    while not path.is_dir() and path != path.parent:
        path = path.parent
    return path
