"""Packs a folder into bytes: a plain tar of regular files, packed and unpacked without following or creating links."""

from __future__ import annotations

import io
import os
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Final

from archspec.atomic_files import make_folder
from archspec.files import is_folder, open_regular

MAX_FILES: Final = 10_000
_PLAIN: Final = (tarfile.REGTYPE, tarfile.AREGTYPE)


class BadArchive(ValueError):
    """An archive contains something else than regular files with plain names."""


def pack(folder: Path) -> bytes:
    """The regular files in a folder and its subfolders, except files that are being written."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path in _files(folder):
            try:
                with open_regular(path) as stream:
                    member = tarfile.TarInfo(path.relative_to(folder).as_posix())
                    member.size = os.fstat(stream.fileno()).st_size
                    archive.addfile(member, stream)
            except FileNotFoundError:  # an old checkpoint, removed meanwhile
                continue
    return buffer.getvalue()


def _files(folder: Path) -> Iterator[Path]:
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and is_folder(Path(root, name)))
        for name in sorted(names):
            path = Path(root, name)
            if not name.startswith(".") and not path.is_symlink() and path.is_file():
                yield path


def unpack(content: bytes, folder: Path) -> None:
    """Create `folder`, which must not exist, with the files of an archive.

    Raises BadArchive, before anything is written, for a link, a special file or a name that leads out of the folder.
    """
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as archive:
            members = _members(archive, len(content))
    except BadArchive:
        raise
    except (tarfile.TarError, ValueError, OverflowError) as problem:  # tarfile raises more than its own errors
        raise BadArchive(f"it cannot be read: {problem}") from None
    make_folder(folder)
    for name, (start, size) in members.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            file.write(memoryview(content)[start : start + size])


def _members(archive: tarfile.TarFile, limit: int) -> dict[str, tuple[int, int]]:
    """Name → offset and number of its bytes."""
    found: dict[str, tuple[int, int]] = {}
    for member in archive:
        name, end = member.name, member.offset_data + member.size
        if len(found) == MAX_FILES or member.size < 0 or end > limit:
            raise BadArchive("it holds more than its size allows")
        if member.type not in _PLAIN or member.sparse is not None or not _is_plain(name):
            raise BadArchive(f"it holds {name[:80]!r}, which is not a file with a plain name")
        if name in found:
            raise BadArchive(f"it holds {name[:80]!r} twice")
        found[name] = member.offset_data, member.size
    folders = {str(parent) for name in found for parent in PurePosixPath(name).parents}
    if folders & found.keys():
        raise BadArchive("it holds a file and a folder of the same name")
    return found


def _is_plain(name: str) -> bool:
    """Whether a name stays inside its folder, and has only printable characters."""
    parts = PurePosixPath(name).parts
    return (
        0 < len(parts) <= 8 and len(name) <= 255 and name.isprintable() and "\\" not in name and ":" not in name
        and "/".join(parts) == name and not any(part.startswith(".") or part == "/" for part in parts)
    )


def replace_folder(content: bytes, folder: Path) -> None:
    """Replace a folder by the contents of an archive. If it is killed in between, the folder is missing, never partial.

    Raises BadArchive, OSError.
    """
    draft, old = (folder.with_name(f".{folder.name}.{what}") for what in ("new", "old"))
    for path in (draft, old):
        _remove(path)
    unpack(content, draft)
    if os.path.lexists(folder):
        folder.rename(old)
    draft.rename(folder)
    _remove(old)


def _remove(path: Path) -> None:
    if is_folder(path):
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
