"""Decodes an image file to bytes, with limits; shared by training, evaluation, `predict` and `data check`.

Imports neither torch nor the rest of archspec, so a decoding process starts in a fraction of a second.
"""

from __future__ import annotations

import stat
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import numpy as np

# A file of a few KiB may declare any size, for which a decoder would allocate memory. 2**26 pixels take 200 MB.
MAX_PIXELS: Final = 1 << 26
SUFFIXES: Final = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".ppm", ".pgm", ".gif", ".tif", ".tiff")
_FORMATS: Final = ("PNG", "JPEG", "BMP", "WEBP", "PPM", "GIF", "TIFF")
REPLACE: Final = "remove it, or get it again"  # the hint for a broken image of a data set
_GREY: Final = ("1", "L", "LA", "La")
_COLOUR: Final = ("P", "PA", "RGB", "RGBA", "RGBX", "RGBa", "CMYK", "YCbCr")
_DEEP: Final = ("I;16", "I;16L", "I;16B", "I;16N", "I")  # grey, more than 8 bits
_OPAQUE: Final = {"RGBa": "RGBA", "La": "LA"}  # premultiplied alpha, which Pillow converts in two steps
_ORIENTATION: Final = 0x0112  # the tag of EXIF and TIFF
_BITS_PER_SAMPLE: Final = 258  # tags of TIFF
_PHOTOMETRIC: Final = 262
_UPRIGHT: Final = {  # orientation → the transpositions that turn the image upright
    2: "FLIP_LEFT_RIGHT", 3: "ROTATE_180", 4: "FLIP_TOP_BOTTOM", 5: "TRANSPOSE", 6: "ROTATE_270",
    7: "TRANSVERSE", 8: "ROTATE_90",
}
_KINDS: Final = {
    stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device", stat.S_IFBLK: "a device",
}


class BadImage(Exception):
    """An image cannot be used: RUN303 if it does not match the network, RUN305 if unreadable, RUN307 if broken."""

    def __init__(self, code: str, message: str, hint: str) -> None:
        super().__init__(code, message, hint)
        self.code, self.message, self.hint = code, message, hint


@dataclass(frozen=True, slots=True)
class Facts:
    """Properties of an image file.

    height, width: of the upright image. deep: whether grey pixels have more than 8 bits. turned: whether its EXIF
    orientation requires turning it. frames: whether it has more than one (only known if the whole file was read).
    """

    height: int
    width: int
    format: str
    mode: str
    deep: bool
    turned: bool
    frames: bool


def decode(path: Path | str, channels: int, size: tuple[int, int] | None = None) -> np.ndarray[Any, Any]:
    """uint8 (channels, H, W) of an image file; channels 1 or 3.

    size: (H, W) to resize to, bilinear with antialiasing (like torchvision's `Resize` on a PIL image); None keeps the
    size of the file. The image is turned upright by its EXIF orientation. A grey file becomes three equal channels if
    `channels` is 3. With one channel, an image stored in colour is accepted if all its pixels are grey (a palette, or
    a WebP, which has no grey format). 16-bit grey v becomes round(v / 257). Only the first of several frames is used.
    Transparency is dropped, as in torchvision's ImageFolder.
    Errors: BadImage for any fault of the file.
    """
    import numpy as np
    from PIL import Image

    with _opened(Path(path)) as image:
        converted = _upright(_convert(image, channels), image)
        if size is not None and converted.size != (size[1], size[0]):
            converted = converted.resize((size[1], size[0]), Image.Resampling.BILINEAR)
        pixels = np.asarray(converted)  # may share Pillow's memory, which is read-only
        return np.array(pixels[None] if channels == 1 else pixels.transpose(2, 0, 1), order="C")


def look(path: Path | str, channels: int | None = None, *, whole: bool = False) -> Facts:
    """The properties of an image file, from its header or, with `whole`, from decoding every pixel.

    channels: 1 or 3, to decode to; None for those of the file.
    Errors: BadImage as in `decode`; without `whole` only RUN303 and faults that the header shows.
    """
    with _opened(Path(path)) as image:
        turn, (width, height) = _orientation(image), image.size
        _check_mode(image)
        if whole or (channels == 1 and image.mode in _COLOUR):  # an image stored in colour may still be grey
            _convert(image, 3 if channels is None else channels)
            turn = max(turn, _orientation(image))  # in a PNG it may come after the pixels
        if turn > 4 and image.format != "TIFF":  # for a TIFF Pillow already gives the upright size
            width, height = height, width
        frames = whole and bool(getattr(image, "is_animated", False))
        return Facts(height, width, image.format or "", image.mode, image.mode in _DEEP, turn > 1, frames)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """The image, not decoded yet; every exception in the block becomes a BadImage."""
    try:
        _check_file(path)
        from PIL import Image, UnidentifiedImageError

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of unusual files; its limit on pixels is above ours
            try:
                image = Image.open(path, formats=_FORMATS)
            except UnidentifiedImageError as problem:
                raise BadImage("RUN307", f"is not an image: {_content(path)}", REPLACE) from problem
            except Image.DecompressionBombError as problem:
                raise _too_large("far too many") from problem
            with image:
                width, height = image.size
                if width * height > MAX_PIXELS:
                    raise _too_large(f"{width}×{height}")
                yield image
    except BadImage:
        raise
    except Exception as problem:  # decoders raise all kinds of exceptions, from struct.error to SyntaxError
        if isinstance(problem, OSError) and problem.strerror:  # from the system; Pillow's own have no strerror
            raise BadImage("RUN305", f"cannot be read: {problem.strerror.lower()}", "make it readable") from problem
        text = " ".join(str(problem).split())[:200] or type(problem).__name__
        raise BadImage("RUN307", f"cannot be decoded: {text}", REPLACE) from problem


def _too_large(pixels: str) -> BadImage:
    return BadImage("RUN307", f"has {pixels} pixels, the limit is {MAX_PIXELS:,}", "make it smaller")


def _check_file(path: Path) -> None:
    """Reject anything that is not a regular file (a pipe would block), with an error that names its kind."""
    try:
        kind = stat.S_IFMT(path.stat().st_mode)
    except FileNotFoundError:
        if path.is_symlink():
            target, hint = path.readlink(), "remove the link, or restore its target"
            raise BadImage("RUN305", f"is a link to {target}, which does not exist", hint) from None
        raise BadImage("RUN307", "is gone", "restore it") from None  # it existed when the folder was listed
    if kind != stat.S_IFREG:
        raise BadImage("RUN305", f"is {_KINDS.get(kind, 'something else')}, not a file", "remove it")


def _content(path: Path) -> str:
    """A description of the bytes of a file that no decoder recognises."""
    if not path.stat().st_size:
        return "it is empty"
    return f"its bytes are not those of {', '.join(_FORMATS[:-1])} or {_FORMATS[-1]}"


def _check_mode(image: Any) -> None:
    """Reject pixels without a natural scale to 8 bits."""
    mode = image.mode
    if mode not in (*_GREY, *_COLOUR, *_DEEP) or (mode == "I" and image.format == "TIFF"):
        what = {"F": "floating-point pixels", "I": "32-bit pixels"}.get(mode)
        why = f"has {what}, for which white is undefined" if what else f"has pixels of an unknown kind ({mode})"
        raise BadImage("RUN307", why, "save it with 8 or 16 bits per channel")


def _convert(image: Any, channels: int) -> Any:
    """The image decoded as grey or RGB. Rejects a colour image instead of dropping its colour silently."""
    _check_mode(image)
    if image.mode in _DEEP:
        image = _eight_bits(image)
    image = image.convert(_OPAQUE.get(image.mode, image.mode))
    if channels == 3 or image.mode in _GREY:
        return image.convert("L" if channels == 1 else "RGB")
    red, green, blue = image.convert("RGB").split()
    if not red.tobytes() == green.tobytes() == blue.tobytes():
        raise BadImage(
            "RUN303", "is a colour image, the network's input has one channel",
            "give the network 3 channels, or convert the images to grey",
        )
    return red


def _eight_bits(image: Any) -> Any:
    """A deep grey image in 8 bits: white at its depth becomes 255, other values are rounded to the nearest."""
    import numpy as np
    from PIL import Image

    values = np.asarray(image)
    tags = getattr(image, "tag_v2", {})
    bits = int(tags.get(_BITS_PER_SAMPLE, (16,))[0])  # always 16 for PNG and PGM
    white = (1 << bits) - 1
    steps = np.arange(1 << 16, dtype=np.uint32)
    table = np.minimum((steps * 255 + white // 2) // white, 255).astype(np.uint8)
    if tags.get(_PHOTOMETRIC) == 0:  # white is zero, which Pillow only inverts for 8 bits
        table = 255 - table
    return Image.fromarray(table[values.astype(np.uint16)])


def _orientation(image: Any) -> int:
    """The EXIF orientation, 1 … 8; 1 if there is none or it cannot be read."""
    if image.format == "PNG" and "exif" not in image.info:  # Pillow would decode it all
        return 1
    try:
        found = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # noqa: BLE001 - broken EXIF does not spoil the pixels
        return 1
    return found if found in _UPRIGHT else 1


def _upright(converted: Any, image: Any) -> Any:
    """Turn `converted` upright by the orientation of the decoded `image`. Pillow itself turns a TIFF while decoding."""
    from PIL import Image

    turn = _orientation(image)
    return converted if turn == 1 else converted.transpose(Image.Transpose[_UPRIGHT[turn]])
