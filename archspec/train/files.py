"""Files and folders that are whole or absent: written under another name, synced, renamed."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

DRAFT: Final = ".part"  # how the names of drafts end; they begin with a dot and hold the process's number


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A name to write to; at the end of the block it becomes `path`, after an error it is removed.

    A crash at any moment leaves the old file or the new one, never a part.
    """
    draft = _draft(path)
    try:
        draft.unlink(missing_ok=True)
        yield draft
        _sync(draft)
        draft.replace(path)
        _sync(path.parent)
    except BaseException:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
        raise


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """An empty folder to write into with `write_file`; at the end of the block it becomes `path`.

    `path` is not there yet. A crash at any moment leaves nothing there, or all its files, never a part.
    """
    draft = _draft(path)
    remove_folder(draft)
    try:
        draft.mkdir()
        yield draft
        _sync(draft)
        draft.rename(path)
    except BaseException:
        with suppress(OSError):
            remove_folder(draft)
        raise
    _sync(path.parent)


def make_folder(path: Path) -> None:
    """Make a folder and those above it that are not there yet, and bring them onto the disk."""
    missing = [folder for folder in (path, *path.parents) if not folder.is_dir()]
    for folder in reversed(missing):
        folder.mkdir(exist_ok=True)
        _sync(folder.parent)


def write_file(path: Path, pieces: Iterable[bytes | memoryview]) -> str:
    """Write a new file and bring it onto the disk; return the SHA-256 of its bytes, in hexadecimal digits."""
    digest = hashlib.sha256()
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    try:
        for piece in pieces:
            digest.update(piece)
            rest = memoryview(piece)
            while rest:
                rest = rest[os.write(handle, rest) :]
        os.fsync(handle)
    finally:
        os.close(handle)
    return digest.hexdigest()


def remove_folder(path: Path) -> None:
    """Remove a folder of plain files, if it is there. It vanishes at once, under whatever name files are left."""
    if not path.is_dir():
        return
    if not path.name.endswith(DRAFT):
        path = path.rename(_draft(path.with_name(f"{path.name}.old")))
    for file in path.iterdir():
        file.unlink()
    path.rmdir()


def claim(folder: Path) -> int | None:
    """Take a folder for this process; `os.close` of the result, or the process's end, gives it back.

    None where the system cannot do that. Raises BlockingIOError where another process has it.
    """
    try:
        import fcntl
    except ImportError:
        return None
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise
    except OSError:  # a file system without locks
        os.close(handle)
        return None
    return handle


def clear_drafts(folder: Path) -> None:
    """Remove what programs that were killed left behind; nobody else may be writing in `folder`."""
    for path in folder.glob(f".*{DRAFT}"):
        with suppress(OSError):  # it is in nobody's way
            if path.is_dir():
                remove_folder(path)
            else:
                path.unlink()


def _draft(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}{DRAFT}")


def _sync(path: Path) -> None:
    """Bring a file, or a folder's list of names, onto the disk."""
    if path.is_dir() and os.name == "nt":  # Windows opens no folders
        return
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
