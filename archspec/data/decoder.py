"""The main loop of a process that decodes image files for another process.

Like `decode`, it imports neither torch nor the rest of archspec.
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
    """Decode for another process until it closes `requests` (by default stdin and stdout).

    First it sends 4 zero bytes when it is ready. A request is a line of JSON: {path, channels, size} to decode an
    image, {path, channels} for the properties of a whole file, {paths, channels} for those of headers. A reply is the
    length of an error as 4 bytes, big-endian, followed by the error as JSON, [code, message, hint]. Without an error
    it is 4 zero bytes, followed by the bytes of the image, or by the length of a JSON text and the text: the
    properties of a file, or for headers a list of properties and errors.
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
    """A length, followed by JSON."""
    text = json.dumps(data).encode()
    return struct.pack(">I", len(text)) + text
