"""One image file → bytes, with limits. The one decoder: training, evaluation, `predict` and `data check` share it.

Imports neither torch nor the rest of archspec: a decoding process starts in a fraction of a second.
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

# A file of a few KiB may claim any size, and would be expanded to it in memory. 2**26 pixels take 200 MB.
MAX_PIXELS: Final = 1 << 26
SUFFIXES: Final = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".ppm", ".pgm", ".gif", ".tif", ".tiff")
_FORMATS: Final = ("PNG", "JPEG", "BMP", "WEBP", "PPM", "GIF", "TIFF")
REPLACE: Final = "remove it, or get it again"  # a hint for an image of a data set
_GREY: Final = ("1", "L", "LA", "La")
_COLOUR: Final = ("P", "PA", "RGB", "RGBA", "RGBX", "RGBa", "CMYK", "YCbCr")
_DEEP: Final = ("I;16", "I;16L", "I;16B", "I;16N", "I")  # grey, more than 8 bits
_OPAQUE: Final = {"RGBa": "RGBA", "La": "LA"}  # premultiplied alpha, which Pillow converts in two steps
_ORIENTATION: Final = 0x0112  # the tag of EXIF and TIFF
_BITS_PER_SAMPLE: Final = 258  # tags of TIFF
_PHOTOMETRIC: Final = 262
_UPRIGHT: Final = {  # orientation → what turns the image upright
    2: "FLIP_LEFT_RIGHT", 3: "ROTATE_180", 4: "FLIP_TOP_BOTTOM", 5: "TRANSPOSE", 6: "ROTATE_270",
    7: "TRANSVERSE", 8: "ROTATE_90",
}
_KINDS: Final = {
    stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device", stat.S_IFBLK: "a device",
}


class BadImage(Exception):
    """An image that cannot be used: RUN303 it does not suit the network, RUN305 unreadable, RUN307 broken."""

    def __init__(self, code: str, message: str, hint: str) -> None:
        super().__init__(code, message, hint)
        self.code, self.message, self.hint = code, message, hint


@dataclass(frozen=True, slots=True)
class Facts:
    """What an image file says of itself. height, width: upright. deep: more than 8 bits a grey pixel.

    turned: its EXIF orientation asks for it. frames: whether it has more than one (only known of a whole look).
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

    size: (H, W) to resize to, bilinear with antialiasing (what torchvision's `Resize` does to a PIL image);
    None keeps the file's. The image is turned upright as its EXIF orientation says. Grey files become three
    equal channels where 3 are asked for; one channel takes an image stored in colour if each of its pixels is
    grey (a palette, or a WebP, which knows nothing else). 16-bit grey v becomes round(v / 257). Of several frames
    the first is taken. Transparency is dropped, as in torchvision's ImageFolder.
    Errors: BadImage for whatever is wrong with the file.
    """
    import numpy as np
    from PIL import Image

    with _opened(Path(path)) as image:
        converted = _upright(_convert(image, channels), image)
        if size is not None and converted.size != (size[1], size[0]):
            converted = converted.resize((size[1], size[0]), Image.Resampling.BILINEAR)
        pixels = np.asarray(converted)  # may share Pillow's memory, which is not ours to write to
        return np.array(pixels[None] if channels == 1 else pixels.transpose(2, 0, 1), order="C")


def look(path: Path | str, channels: int | None = None, *, whole: bool = False) -> Facts:
    """What a file's header says, or, with `whole`, all of it: every pixel is then decoded.

    channels: 1 or 3, what it is to be decoded to; None for whichever it has.
    Errors: BadImage, as of `decode`; without `whole` only those that the header shows, and RUN303.
    """
    with _opened(Path(path)) as image:
        turn, (width, height) = _orientation(image), image.size
        _check_mode(image)
        if whole or (channels == 1 and image.mode in _COLOUR):  # which may be grey all the same
            _convert(image, 3 if channels is None else channels)
            turn = max(turn, _orientation(image))  # of a PNG it may stand behind the pixels
        if turn > 4 and image.format != "TIFF":  # of a TIFF Pillow gives the upright size
            width, height = height, width
        frames = whole and bool(getattr(image, "is_animated", False))
        return Facts(height, width, image.format or "", image.mode, image.mode in _DEEP, turn > 1, frames)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """The image, not decoded yet; whatever goes wrong with it becomes a BadImage."""
    try:
        _check_file(path)
        from PIL import Image, UnidentifiedImageError

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of odd files; its own limit on pixels is above ours
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
    except Exception as problem:  # decoders raise anything, from struct.error to SyntaxError
        if isinstance(problem, OSError) and problem.strerror:  # the system's; Pillow's own have a text only
            raise BadImage("RUN305", f"cannot be read: {problem.strerror.lower()}", "make it readable") from problem
        text = " ".join(str(problem).split())[:200] or type(problem).__name__
        raise BadImage("RUN307", f"cannot be decoded: {text}", REPLACE) from problem


def _too_large(pixels: str) -> BadImage:
    return BadImage("RUN307", f"has {pixels} pixels, the limit is {MAX_PIXELS:,}", "make it smaller")


def _check_file(path: Path) -> None:
    """Refuse what is not a regular file (a pipe would block), and say what it is."""
    try:
        kind = stat.S_IFMT(path.stat().st_mode)
    except FileNotFoundError:
        if path.is_symlink():
            target, hint = path.readlink(), "remove the link, or restore its target"
            raise BadImage("RUN305", f"is a link to {target}, which does not exist", hint) from None
        raise BadImage("RUN307", "is gone", "restore it") from None  # it was there when the folder was listed
    if kind != stat.S_IFREG:
        raise BadImage("RUN305", f"is {_KINDS.get(kind, 'something else')}, not a file", "remove it")


def _content(path: Path) -> str:
    """What the bytes of a file that no decoder knows look like."""
    if not path.stat().st_size:
        return "it is empty"
    return f"its bytes are not those of {', '.join(_FORMATS[:-1])} or {_FORMATS[-1]}"


def _check_mode(image: Any) -> None:
    """Refuse pixels that have no natural scale to 8 bits."""
    mode = image.mode
    if mode not in (*_GREY, *_COLOUR, *_DEEP) or (mode == "I" and image.format == "TIFF"):
        what = {"F": "floating-point pixels", "I": "32-bit pixels"}.get(mode)
        why = f"has {what}, for which white is undefined" if what else f"has pixels of an unknown kind ({mode})"
        raise BadImage("RUN307", why, "save it with 8 or 16 bits per channel")


def _convert(image: Any, channels: int) -> Any:
    """The image as grey or as RGB, all of it decoded. Refuses to lose colour silently."""
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
    """A deep grey image as 8 bits: white of its depth becomes 255, what is between is rounded to the nearest."""
    import numpy as np
    from PIL import Image

    values = np.asarray(image)
    tags = getattr(image, "tag_v2", {})
    bits = int(tags.get(_BITS_PER_SAMPLE, (16,))[0])  # of a PNG and PGM always all 16: Pillow scales a PGM's maximum
    white = (1 << bits) - 1
    steps = np.arange(1 << 16, dtype=np.uint32)
    table = np.minimum((steps * 255 + white // 2) // white, 255).astype(np.uint8)
    if tags.get(_PHOTOMETRIC) == 0:  # white is zero; Pillow inverts that of 8 bits only
        table = 255 - table
    return Image.fromarray(table[values.astype(np.uint16)])


def _orientation(image: Any) -> int:
    """The EXIF orientation, 1 … 8; 1 where there is none, or none that can be read."""
    if image.format == "PNG" and "exif" not in image.info:  # Pillow would decode all of it to look behind the pixels
        return 1
    try:
        found = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # noqa: BLE001 - broken EXIF does not spoil the pixels
        return 1
    return found if found in _UPRIGHT else 1


def _upright(converted: Any, image: Any) -> Any:
    """Turned as the decoded `image` says. Pillow turns a TIFF when it decodes it, and then removes the tag."""
    from PIL import Image

    turn = _orientation(image)
    return converted if turn == 1 else converted.transpose(Image.Transpose[_UPRIGHT[turn]])
