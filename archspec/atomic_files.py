"""Writes files and folders atomically: under another name, synced, then renamed."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from archspec.diagnostics import error
from archspec.files import is_folder, is_regular, kind_of, open_regular

# The name of a draft: a dot, the final name, the process's number, `.part`.
_OWN_DRAFT: Final = re.compile(
    r"\.(\d{5,9}-step-\d{1,18}(\.old)?|[a-z][a-z0-9_-]*\.(json|jsonl|csv|yaml|safetensors|sha256|svg))\.\d+\.part"
)
_BY_HANDLE: Final = os.unlink in os.supports_dir_fd
_FOLDER_ONLY: Final = getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A name to write to with `write_file`. At the end of the block it becomes `path`; after an error it is removed.

    A crash at any moment leaves the old file or the new one, never a part of it.
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


def write_text(path: Path, text: str) -> None:
    """Write a text to `path` in UTF-8, atomically (see `whole_file`)."""
    with whole_file(path) as draft:
        write_file(draft, [text.encode()])


def replace_content(path: Path, content: bytes) -> None:
    """Replace the content of a regular file atomically, and keep its mode. Raises OSError as `open_regular` does."""
    with open_regular(path) as old:
        mode = stat.S_IMODE(os.fstat(old.fileno()).st_mode)
    with whole_file(path) as draft:
        write_file(draft, [content])
        draft.chmod(mode)


@contextmanager
def whole_folder(path: Path, names: Collection[str]) -> Iterator[Path]:
    """An empty folder for files with these names, written with `write_file`. At the end of the block it becomes `path`.

    `path` must not exist. A crash at any moment leaves nothing there, or all files, never a part.
    """
    draft = _draft(path)
    remove_folder(draft, names)
    try:
        draft.mkdir()
        yield draft
        _sync(draft)
        draft.rename(path)
    except BaseException:
        with suppress(OSError):
            remove_folder(draft, names)
        raise
    _sync(path.parent)


def make_folder(path: Path) -> None:
    """Make a folder and its missing parents, and sync them to disk."""
    missing = [folder for folder in (path, *path.parents) if not folder.is_dir()]
    for folder in reversed(missing):
        folder.mkdir(exist_ok=True)
        _sync(folder.parent)


def file_digest(path: Path) -> str:
    """The SHA-256 of a regular file, in hexadecimal digits. Raises OSError as `open_regular` does."""
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_own_folder(path: Path) -> None:
    """Raise SpecError RUN335 if `path`, which is inside a run folder, exists and is not a folder."""
    try:
        mode = path.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return
    if stat.S_ISDIR(mode):
        return
    if stat.S_ISLNK(mode):
        raise error(
            "RUN335", f"{path} is a link; archspec does not follow links in a run folder",
            hint="replace it with the folder that it points to, or make the whole run folder a link",
        )
    raise error("RUN335", f"{path} is {kind_of(path) or 'a file'}, not a folder", hint=f"rename or remove {path}")


def write_file(path: Path, pieces: Iterable[bytes | memoryview]) -> str:
    """Write a new file and sync it to disk. Returns the SHA-256 of its bytes, in hexadecimal digits."""
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


def remove_folder(path: Path, names: Collection[str]) -> None:
    """Remove the files with these names from a folder, in this order, and then the folder, if it exists.

    Other files stay, and then the folder stays too. If the folder is a link, nothing is removed.
    """
    if not is_folder(path):
        return
    handle = os.open(path, os.O_RDONLY | _FOLDER_ONLY) if _BY_HANDLE else None
    try:
        for name in names:
            with suppress(FileNotFoundError):
                if handle is None:
                    (path / name).unlink()
                else:  # `path` may be another folder by now
                    os.unlink(name, dir_fd=handle)
    finally:
        if handle is not None:
            os.close(handle)
    path.rmdir()


def claim(folder: Path) -> int | None:
    """Lock a folder for this process. `os.close` of the result, or the end of the process, releases it.

    None if the system does not support that. Raises BlockingIOError if another process holds the lock.
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


def clear_drafts(folder: Path, names: Collection[str] = ()) -> None:
    """Remove the drafts of killed programs. No other process may be writing in `folder`.

    names: the names of the files in a draft that is a folder. Other files are left alone, see `remove_folder`.
    """
    for path in folder.iterdir() if folder.is_dir() else ():
        if _OWN_DRAFT.fullmatch(path.name):
            with suppress(OSError):  # it is in nobody's way
                if is_folder(path):
                    remove_folder(path, names)
                elif is_regular(path):
                    path.unlink()


def _draft(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.part")


def _sync(path: Path) -> None:
    """Sync a file, or the entries of a folder, to disk."""
    if path.is_dir() and os.name == "nt":  # Windows cannot open folders
        return
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
