"""One image file → bytes, with limits; and the loop of a process that does this for others.

Imports neither torch nor the rest of archspec: a decoding process starts in a fraction of a second.
"""

from __future__ import annotations

import json
import struct
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

if TYPE_CHECKING:
    import numpy as np

# A file of a few KiB may claim any size, and would be expanded to it in memory. 2**26 pixels take 200 MB.
MAX_PIXELS: Final = 1 << 26
SUFFIXES: Final = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".ppm", ".pgm")
_FORMATS: Final = ("PNG", "JPEG", "BMP", "WEBP", "PPM")
REPLACE: Final = "remove it, or get it again"  # a hint for an image of a data set
READY: Final = bytes(4)
_GREY: Final = ("1", "L", "LA")
_COLOUR: Final = ("P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr")


class BadImage(Exception):
    """An image that cannot be used: RUN303 it does not suit the network, RUN305 unreadable, RUN307 broken."""

    def __init__(self, code: str, message: str, hint: str) -> None:
        super().__init__(code, message, hint)
        self.code, self.message, self.hint = code, message, hint


def decode(path: Path | str, channels: int, size: tuple[int, int] | None = None) -> np.ndarray[Any, Any]:
    """uint8 (channels, H, W) of an image file; channels 1 or 3.

    size: (H, W) to resize to, bilinear with antialiasing (what torchvision's `Resize` does to a PIL image);
    None keeps the file's. Grey files become three equal channels where 3 are asked for. Transparency is
    dropped, the orientation noted by a camera is not applied, both as in torchvision's ImageFolder.
    Errors: BadImage for whatever is wrong with the file.
    """
    try:
        return _decode(Path(path), channels, size)
    except BadImage:
        raise
    except Exception as problem:  # decoders raise anything, from struct.error to SyntaxError
        if isinstance(problem, OSError) and problem.strerror:  # the system's; Pillow's own have a text only
            raise BadImage("RUN305", f"cannot be read: {problem.strerror.lower()}", "make it readable") from problem
        text = " ".join(str(problem).split())[:200].lower() or type(problem).__name__
        raise BadImage("RUN307", f"is no sound image: {text}", REPLACE) from problem


def _decode(path: Path, channels: int, size: tuple[int, int] | None) -> np.ndarray[Any, Any]:
    import numpy as np
    from PIL import Image

    if not path.exists():  # it was there when the folder was listed
        raise BadImage("RUN307", "is gone", "put it back")
    if not path.is_file():  # a pipe would block
        raise BadImage("RUN307", "is not a file", "remove it")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of odd files; its own limit on pixels is above ours
        with Image.open(path, formats=_FORMATS) as image:
            width, height = image.size
            if width * height > MAX_PIXELS:
                raise BadImage(
                    "RUN307", f"has {width}×{height} pixels, the limit is {MAX_PIXELS:,}", "make it smaller"
                )
            converted = _convert(image, channels)
    if size is not None and converted.size != (size[1], size[0]):
        converted = converted.resize((size[1], size[0]), Image.Resampling.BILINEAR)
    pixels = np.asarray(converted)  # may share Pillow's memory, which is not ours to write to
    return np.array(pixels[None] if channels == 1 else pixels.transpose(2, 0, 1), order="C")


def _convert(image: Any, channels: int) -> Any:
    """The image as grey or as RGB; refuses to lose colour silently, and depths that Pillow would clip."""
    mode = image.mode
    if mode not in (*_GREY, *_COLOUR):
        raise BadImage(
            "RUN307", f"has pixels of Pillow's mode {mode}, which do not fit 8 bits",
            "save it with 8 bits a channel",
        )
    if channels == 1 and mode not in _GREY:
        raise BadImage(
            "RUN303", "is a colour image, the network's input has one channel",
            "give the network 3 channels, or convert the images to grey",
        )
    return image.convert("L" if channels == 1 else "RGB")


def serve(requests: BinaryIO | None = None, replies: BinaryIO | None = None) -> None:
    """Decode for another process, until it closes `requests` (default stdin, stdout).

    It first says that it is ready, by 4 zero bytes. A request is a line of JSON {path, channels, size}. A reply
    is the length of an error as 4 bytes, big-endian, then that error, JSON [code, message, hint]; or 4 zero
    bytes, then the image's bytes.
    """
    import numpy as np  # noqa: F401 - before the first request, whose time is limited
    import PIL.Image  # noqa: F401

    requests = sys.stdin.buffer if requests is None else requests
    replies = sys.stdout.buffer if replies is None else replies
    replies.write(READY)
    replies.flush()
    for line in requests:
        asked = json.loads(line)
        try:
            image = decode(asked["path"], asked["channels"], asked["size"])
        except BadImage as bad:
            told = json.dumps([bad.code, bad.message, bad.hint]).encode()
            replies.write(struct.pack(">I", len(told)) + told)
        else:
            replies.write(READY)
            replies.write(image.data)
        replies.flush()
