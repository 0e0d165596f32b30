"""Reading a data file whose size and checksum are known: bounded, checked, and named where it is wrong."""

from __future__ import annotations

import hashlib
import zlib
from pathlib import Path
from typing import Final

from archspec.data.registry import DATASETS, DataFile
from archspec.diagnostics import SpecError, error

# Deflate adds at most 5 bytes to 16 KiB that it cannot compress; a .gz longer than this is not that file.
_GZIP_SLACK: Final = 1 << 16


def read_checked(path: Path, file: DataFile) -> bytearray:
    """The content of `path`, decompressed where its name ends in .gz.

    At most `file.size` + 1 bytes are decompressed, so that a gzip bomb costs no more memory than the real file.
    Errors: RUN302 where size or checksum differ or the gzip stream is broken, RUN305 where it cannot be read.
    """
    content = _gunzip(path, file.size) if path.suffix == ".gz" else _read(path, file.size + 1)
    if len(content) > file.size:
        raise broken(path, f"has more than the {file.size:,} bytes of {file.name}")
    if len(content) < file.size:
        raise broken(path, f"has {len(content):,} bytes, {file.name} has {file.size:,}")
    check_md5(path, content, file)
    return bytearray(content)


def check_md5(path: Path, content: bytes, file: DataFile) -> None:
    """Compare the content with the known checksum. Errors: RUN302, which names the file that it really is."""
    found = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if found != file.md5:
        raise broken(path, f"is not {file.name}: its content has MD5 {found}, expected {file.md5}", _known(found))


def broken(path: Path, what: str, note: str | None = None) -> SpecError:
    """The error for a file that must not be trained on."""
    return error(
        "RUN302", f"{path} {what}", notes=() if note is None else (note,),
        hint=f"delete it and get it again: rm {path}",
    )


def _known(md5: str) -> str | None:
    for info in DATASETS.values():
        for file in (*info.train_files, *info.test_files):
            if file.md5 == md5:
                return f"this is {file.name} of {info.name}"
    return None


def _read(path: Path, limit: int) -> bytes:
    """At most `limit` bytes of a file. Errors: RUN305."""
    try:
        if path.exists() and not path.is_file():  # a pipe would block, a folder has no bytes
            raise error("RUN305", f"{path} is not a file", hint="remove it, or give another --data-root")
        with path.open("rb") as stream:
            return stream.read(limit)
    except OSError as problem:
        raise error(
            "RUN305", f"cannot read {path}: {(problem.strerror or str(problem)).lower()}",
            hint=f"make it readable (chmod a+r {path}), or give another --data-root",
        ) from problem


def _gunzip(path: Path, size: int) -> bytes:
    """The decompressed content, at most `size` + 1 bytes of it."""
    limit = size + size // 1000 + _GZIP_SLACK
    packed = _read(path, limit + 1)
    if len(packed) > limit:
        raise broken(path, f"is longer than {limit:,} bytes, too long for {size:,} compressed bytes")
    stream = zlib.decompressobj(wbits=31)
    try:
        content = stream.decompress(packed, size + 1)
    except zlib.error as problem:
        raise broken(path, f"is no sound gzip file: {str(problem).lower()}") from problem
    if len(content) <= size and not stream.eof:
        raise broken(path, f"is cut off: its {len(packed):,} bytes end before the gzip stream does")
    if stream.unused_data:
        raise broken(path, f"has {len(stream.unused_data):,} bytes after the end of the gzip stream")
    return content
