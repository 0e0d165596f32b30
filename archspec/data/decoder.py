"""The loop of a process that decodes image files for another one.

Imports neither torch nor the rest of archspec, as `decode`.
"""

from __future__ import annotations

import json
import struct
import sys
from dataclasses import asdict
from typing import Any, BinaryIO, Final

from archspec.data import decode

READY: Final = bytes(4)


def serve(requests: BinaryIO | None = None, replies: BinaryIO | None = None) -> None:
    """Decode for another process, until it closes `requests` (default stdin, stdout).

    It first says that it is ready, by 4 zero bytes. A request is a line of JSON: {path, channels, size} for an image,
    {path, channels} for a look at all of it, {paths, channels} for looks at headers. A reply is the length of an
    error as 4 bytes, big-endian, then that error, JSON [code, message, hint]; or 4 zero bytes, then the image's
    bytes, or of a look the length of its facts and these, as JSON, of headers a list of facts and errors.
    """
    import numpy as np  # noqa: F401 - before the first request, whose time is limited
    import PIL.Image  # noqa: F401

    requests = sys.stdin.buffer if requests is None else requests
    replies = sys.stdout.buffer if replies is None else replies
    replies.write(READY)
    replies.flush()
    for line in requests:
        try:
            answer = READY + _answer(json.loads(line))
        except decode.BadImage as bad:
            answer = _packed([bad.code, bad.message, bad.hint])
        replies.write(answer)
        replies.flush()


def _answer(request: dict[str, Any]) -> bytes:
    channels = request["channels"]
    if "size" in request:
        return decode.decode(request["path"], channels, request["size"]).tobytes()
    if "paths" in request:
        return _packed([_header(path, channels) for path in request["paths"]])
    return _packed(asdict(decode.look(request["path"], channels, whole=True)))


def _header(path: str, channels: int | None) -> dict[str, Any] | list[str]:
    try:
        return asdict(decode.look(path, channels))
    except decode.BadImage as bad:
        return [bad.code, bad.message, bad.hint]


def _packed(data: object) -> bytes:
    """JSON after its length."""
    text = json.dumps(data).encode()
    return struct.pack(">I", len(text)) + text
