"""Reads data files of known size and checksum, with limits, and with errors that name the file."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from archspec.data.registry import DATASETS, DataFile
from archspec.diagnostics import SpecError, error, one_line

_CHUNK: Final = 1 << 18  # bytes to read or decompress at a time; fits into the processor's cache
# Deflate adds at most 5 bytes to 16 KiB that it cannot compress; a .gz longer than this is not that file.
_GZIP_SLACK: Final = 1 << 16


def read_checked(path: Path, file: DataFile) -> bytearray:
    """The content of `path`, decompressed if its name ends in .gz.

    At most `file.size` bytes and a chunk are in memory, so a gzip bomb needs no more memory than the real file.
    Errors: RUN302 if size or checksum differ or the gzip stream is broken, RUN305 if the file cannot be read.
    """
    content = bytearray(file.size)
    window = memoryview(content)
    digest = hashlib.md5(usedforsecurity=False)
    filled = 0
    for chunk in _inflate(path, file.size) if path.suffix == ".gz" else read_chunks(path):
        if filled + len(chunk) > file.size:
            raise broken(path, f"has more than the {file.size:,} bytes of {file.name}")
        window[filled : filled + len(chunk)] = chunk
        digest.update(chunk)
        filled += len(chunk)
    if filled < file.size:
        raise broken(path, f"has {filled:,} bytes, {file.name} has {file.size:,}")
    found = digest.hexdigest()
    if found != file.md5:
        what = f"is not {file.name}: its content has MD5 {found}, expected {file.md5}"
        raise broken(path, what, _known(found))
    return content


def md5_of(path: Path) -> str:
    """The checksum of a file, not decompressed. Errors: RUN305."""
    digest = hashlib.md5(usedforsecurity=False)
    for chunk in read_chunks(path):
        digest.update(chunk)
    return digest.hexdigest()


def broken(path: Path, what: str, note: str | None = None) -> SpecError:
    """The error RUN302 for a broken or wrong file. what: its fault."""
    return error(
        "RUN302", f"{path} {what}", notes=() if note is None else (note,),
        hint=f"delete {path} and get it again, or give another folder with --data-root",
    )


def _known(md5: str) -> str | None:
    for info in DATASETS.values():
        for file in (*info.train_files, *info.test_files):
            if file.md5 == md5:
                return f"this is {file.name} of {info.name}"
    return None


def read_chunks(path: Path) -> Iterator[bytes]:
    """A file in pieces. Errors: RUN305."""
    try:
        if path.exists() and not path.is_file():  # a pipe would block, a folder has no bytes
            raise error("RUN305", f"{path} is not a file", hint="remove it, or give another --data-root")
        with path.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                yield chunk
    except OSError as problem:
        raise unreadable(path, problem) from problem


def reason_text(problem: Exception) -> str:
    """The text of an exception as the end of a message, in lower case except for paths."""
    text = one_line(str(problem) or type(problem).__name__)
    return text if text[1:2].isupper() else text[:1].lower() + text[1:]


def unreadable(path: Path, problem: OSError) -> SpecError:
    """The error RUN305 for a file that the system does not allow to read."""
    way = "restore it" if isinstance(problem, FileNotFoundError) else f"make it readable (chmod a+r {path})"
    return error(
        "RUN305", f"cannot read {path}: {(problem.strerror or str(problem)).lower()}",
        hint=f"{way}, or give another folder with --data-root",
    )


def _inflate(path: Path, size: int) -> Iterator[bytes]:
    """The decompressed content in pieces. size: of the whole content, in bytes."""
    limit = size + size // 1000 + _GZIP_SLACK
    stream = zlib.decompressobj(wbits=31)  # 31: with the header and checksum of gzip
    packed = 0
    for chunk in read_chunks(path):
        packed += len(chunk)
        if stream.eof or packed > limit:
            raise broken(path, "has bytes after the end of its gzip stream" if stream.eof else
                         f"has more than {limit:,} compressed bytes, too many for a content of {size:,}")
        pending = chunk
        while pending and not stream.eof:
            try:
                yield stream.decompress(pending, _CHUNK)
            except zlib.error as problem:
                raise broken(path, f"is not a whole gzip file: {reason_text(problem)}") from problem
            pending = stream.unconsumed_tail
        if stream.unused_data:
            raise broken(path, "has bytes after the end of its gzip stream")
    if not stream.eof:
        raise broken(path, f"is cut off: its {packed:,} bytes end before its gzip stream does")
