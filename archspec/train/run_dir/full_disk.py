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
TAKEN: Final = frozenset({errno.EISDIR, errno.ENOTEMPTY, errno.EEXIST})  # a folder is in the place of a file
_MOUNTS: Final = Path("/proc/self/mounts")
_ESCAPES: Final = {r"\040": " ", r"\011": "\t", r"\012": "\n", r"\134": "\\"}


@contextmanager
def explain_write_failures(what: str, path: Path, needed_bytes: int) -> Iterator[None]:
    """Turn an OSError in the block into SpecError RUN313, which names the disk, the needed and the free space.

    what: `a checkpoint`. path: where it was to be written. needed_bytes: its size.
    """
    try:
        yield
    except OSError as problem:
        raise write_failure(what, path, needed_bytes, problem) from problem


def save_text(what: str, path: Path, text: str) -> None:
    """Write a text, see `files.write_text`. Raises SpecError RUN313 if it cannot be written."""
    with explain_write_failures(what, path, len(text)):
        write_text(path, text)


@contextmanager
def warn_write_failures(run: Run) -> Iterator[None]:
    """Turn SpecError RUN313 in the block into a warning, so that a failed write does not end the run."""
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
        missing = problem.errno == errno.ENOENT and not path.parent.exists()
        hint = f"create the folder {path.parent}" if missing else f"make {place} writable"
        return error("RUN313", f"{what} could not be written to {path}: {reason}",
                     hint=f"rename or remove the folder {path}" if taken else hint)
    full = "the disk is full" if problem.errno == errno.ENOSPC else "your share of the disk is used up"
    needed, free = bytes_text(needed_bytes), bytes_text(shutil.disk_usage(place).free)
    return error(
        "RUN313", f"{what} could not be written: {full} ({disk_of(place)}): {needed} needed, {free} free",
        notes=[f"the file is {path}"], hint=f"free {needed} or more there",
    )


def disk_of(path: Path) -> str:
    """The mount point of `path` and its device: `/home (/dev/sda2)`; a path only if the system does not list mounts."""
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
        if inside and len(point) >= len(best[0]):  # the last mount on a place hides the others
            best = (point, device)
    return f"{best[0]} ({best[1]})" if best[0] else real


def existing(path: Path) -> Path:
    """The nearest existing folder above `path`."""
    path = path.absolute()
    while not path.is_dir() and path != path.parent:
        path = path.parent
    return path
