"""Files that anybody may have put where archspec reads: only regular ones, of a bounded size, and never a link.

A pipe would block the program, a device may never end, and a link leads out of the folder that the user named.
"""

from __future__ import annotations

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path

from archspec.text import bytes_text

MiB = 1 << 20


def open_regular(path: Path, *, follow: bool = False) -> BufferedReader:
    """Open a regular file to read it. Raises OSError: FileNotFoundError, or one that says what is there instead.

    follow: whether `path` may be a link, as one that the user names may be. The open itself never waits.
    """
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    found = path.stat() if follow else path.lstat()  # before it is opened: to open a device may do something
    _check_regular(path, found)
    try:
        handle = os.open(path, flags | (0 if follow else getattr(os, "O_NOFOLLOW", 0)))
    except OSError as problem:
        if problem.errno == errno.ELOOP:
            raise _unfit(path, "is a link") from problem
        raise
    try:
        _check_regular(path, os.fstat(handle))  # what was there a moment ago may have been replaced
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def read_regular(path: Path, limit: int, *, follow: bool = False) -> bytes:
    """The bytes of a regular file. Raises OSError, see `open_regular`, also where it holds more than `limit` bytes."""
    with open_regular(path, follow=follow) as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise _unfit(path, f"is larger than {bytes_text(limit)}", errno.EFBIG)
    return content


def is_regular(path: Path) -> bool:
    """Whether there is a regular file at `path` itself, and not a link to one."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except (OSError, ValueError):
        return False


def is_folder(path: Path) -> bool:
    """Whether there is a folder at `path` itself, and not a link to one."""
    try:
        return stat.S_ISDIR(path.lstat().st_mode)
    except (OSError, ValueError):
        return False


def kind_of(path: Path) -> str | None:
    """What stands at `path` instead of a regular file, `a link` say; None for a regular file, or for nothing."""
    try:
        return _kind(path.lstat().st_mode)
    except (OSError, ValueError):
        return None


def _check_regular(path: Path, found: os.stat_result) -> None:
    kind = _kind(found.st_mode)
    if kind is not None:
        raise _unfit(path, f"is {kind}, not a regular file")


def _kind(mode: int) -> str | None:
    kinds = (
        (stat.S_ISREG, None), (stat.S_ISLNK, "a link"), (stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a pipe"),
        (stat.S_ISSOCK, "a socket"), (stat.S_ISCHR, "a device"), (stat.S_ISBLK, "a device"),
    )
    return next((kind for is_kind, kind in kinds if is_kind(mode)), "a special file")


def _unfit(path: Path, why: str, number: int = errno.EINVAL) -> OSError:
    return OSError(number, why, str(path))
