"""Reads files that are not trusted: only regular files of limited size, and no links.

A pipe would block the program, a device may never end, and a link may lead out of the folder that the user named.
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
    """Open a regular file for reading. Raises OSError: FileNotFoundError, or one that says what is there instead.

    follow: whether `path` may be a link, which is safe for a path that the user names. Opening never blocks.
    """
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    found = path.stat() if follow else path.lstat()  # before opening, since opening a device may have effects
    _check_regular(path, found)
    try:
        handle = os.open(path, flags | (0 if follow else getattr(os, "O_NOFOLLOW", 0)))
    except OSError as problem:
        if problem.errno == errno.ELOOP:
            raise _unfit(path, "is a link") from problem
        raise
    try:
        _check_regular(path, os.fstat(handle))  # the file may have been replaced in the meantime
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def read_regular(path: Path, limit: int, *, follow: bool = False) -> bytes:
    """The bytes of a regular file. Raises OSError as `open_regular` does, and for a file larger than `limit` bytes."""
    with open_regular(path, follow=follow) as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise _unfit(path, f"is larger than {bytes_text(limit)}", errno.EFBIG)
    return content


def is_regular(path: Path) -> bool:
    """Whether `path` is a regular file, and not a link to one."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except (OSError, ValueError):
        return False


def is_folder(path: Path) -> bool:
    """Whether `path` is a folder, and not a link to one."""
    try:
        return stat.S_ISDIR(path.lstat().st_mode)
    except (OSError, ValueError):
        return False


def kind_of(path: Path) -> str | None:
    """What is at `path` instead of a regular file, such as `a link`. None for a regular file, or for nothing."""
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
