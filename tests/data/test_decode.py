"""One image file: what torchvision makes of it, or refused with the reason."""

import io
import json
import os
import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import transforms

from archspec.data.decode import MAX_PIXELS, READY, BadImage, decode, serve
from tests.data.helpers import write_image


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".ppm", ".jpg", ".webp"])
def test_equals_what_torchvision_gets(tmp_path, suffix):
    path = write_image(tmp_path / f"a{suffix}", 3)
    expected = transforms.PILToTensor()(Image.open(path).convert("RGB"))
    found = decode(path, 3)
    assert found.flags["C_CONTIGUOUS"]
    assert torch.equal(torch.from_numpy(found), expected)


@pytest.mark.parametrize("size", [(7, 9), (3, 4), (20, 11), (1, 1)], ids=str)
def test_equals_torchvisions_resize(tmp_path, size):
    path = write_image(tmp_path / "a.png", 3)
    steps = transforms.Compose([transforms.Resize(size), transforms.PILToTensor()])
    assert torch.equal(torch.from_numpy(decode(path, 3, size)), steps(Image.open(path)))


@pytest.mark.parametrize(("mode", "channels"), [
    ("1", 1), ("L", 1), ("LA", 1), ("1", 3), ("L", 3), ("LA", 3), ("RGB", 3), ("RGBA", 3)
])
def test_every_usual_mode_is_read(tmp_path, mode, channels):
    path = tmp_path / "a.png"
    grey = Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8) * 4)
    grey.convert(mode).save(path)
    found = decode(path, channels)
    assert found.shape == (channels, 8, 8)
    assert found.dtype == np.uint8
    assert (found == np.asarray(grey.convert(mode).convert("L"))).all()


def test_a_palette_with_transparency_is_read_without_a_warning(tmp_path):
    image = Image.new("P", (4, 4), 1)
    image.putpalette([0, 0, 0, 10, 20, 30])
    image.save(tmp_path / "a.png", transparency=bytes([0, 128]))
    assert decode(tmp_path / "a.png", 3)[:, 0, 0].tolist() == [10, 20, 30]


def refusal(path, channels=3, size=None):
    with pytest.raises(BadImage) as caught:
        decode(path, channels, size)
    return caught.value


def test_colour_is_not_lost_silently(tmp_path):
    found = refusal(write_image(tmp_path / "a.png", 1), channels=1)
    assert (found.code, found.message) == ("RUN303", "is a colour image, the network's input has one channel")


def test_16_bits_are_not_clipped_silently(tmp_path):
    Image.fromarray(np.full((4, 4), 40_000, dtype=np.uint16)).save(tmp_path / "a.png")
    found = refusal(tmp_path / "a.png", channels=1)
    assert found.code == "RUN307"
    assert "do not fit 8 bits" in found.message


def png(width, height):
    """A well-formed PNG that claims a size, with next to no data."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


@pytest.mark.parametrize(("width", "height", "told"), [
    pytest.param(8193, 8192, f"has 8193×8192 pixels, the limit is {MAX_PIXELS:,}", id="just-above"),
    pytest.param(11_000, 11_000, "has 11000×11000 pixels", id="where-pillow-warns"),
    pytest.param(60_000, 60_000, "is no sound image", id="where-pillow-refuses"),
])
def test_a_decompression_bomb_is_refused_before_it_is_expanded(tmp_path, width, height, told):
    (tmp_path / "a.png").write_bytes(png(width, height))
    found = refusal(tmp_path / "a.png")
    assert found.code == "RUN307"
    assert told in found.message


def cut(path):
    path.write_bytes(path.read_bytes()[:-40])


def empty(path):
    path.write_bytes(b"")


def text(path):
    path.write_text("<html>not found</html>")


def svg(path):
    path.write_text("<svg/>")


def pipe(path):
    path.unlink()
    os.mkfifo(path)


def gone(path):
    path.unlink()


@pytest.mark.parametrize("damage", [cut, empty, text, svg, pipe, gone])
def test_whatever_is_wrong_is_told_and_nothing_hangs(tmp_path, damage):
    path = write_image(tmp_path / "a.png", 1)
    damage(path)
    assert refusal(path).code == "RUN307"


def test_a_file_that_may_not_be_read_is_told_apart(tmp_path, monkeypatch):
    path = write_image(tmp_path / "a.png", 1)

    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Image, "open", refuse)
    found = refusal(path)
    assert (found.code, found.message) == ("RUN305", "cannot be read: permission denied")


def test_formats_that_are_not_expected_are_not_tried(tmp_path):
    """Pillow knows some forty, most of them never attacked in earnest."""
    image = Image.new("RGB", (4, 4))
    image.save(tmp_path / "a.tiff")
    (tmp_path / "a.tiff").rename(tmp_path / "a.png")
    assert "cannot identify image" in refusal(tmp_path / "a.png").message


def test_every_flipped_bit_gives_an_image_or_a_refusal(tmp_path):
    path = write_image(tmp_path / "a.png", 2)
    content = path.read_bytes()
    refused = 0
    for at in range(len(content)):
        path.write_bytes(content[:at] + bytes([content[at] ^ 16]) + content[at + 1 :])
        try:
            assert decode(path, 3, (4, 4)).shape == (3, 4, 4)
        except BadImage as bad:
            refused += bad.code == "RUN307"
    assert refused > len(content) / 2  # PNG has checksums


def test_serving_answers_each_request_in_turn(tmp_path):
    good, bad = write_image(tmp_path / "a.png", 1), tmp_path / "none.png"
    lines = [json.dumps({"path": str(p), "channels": 3, "size": [2, 3]}) for p in (good, bad, good)]
    replies = io.BytesIO()
    serve(io.BytesIO("\n".join(lines).encode() + b"\n"), replies)
    image = struct.pack(">I", 0) + decode(good, 3, (2, 3)).tobytes()
    told = json.dumps(["RUN307", "is gone", "put it back"]).encode()
    assert replies.getvalue() == READY + image + struct.pack(">I", len(told)) + told + image
