"""One image file: what torchvision makes of it, or refused with the reason."""

import io
import json
import os
import re
import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from torchvision import transforms

from archspec.data.decode import MAX_PIXELS, SUFFIXES, BadImage, decode, look
from archspec.data.decoder import READY, serve
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


DEEP = np.array([[0, 128, 129, 257], [30_000, 40_000, 65_534, 65_535]], dtype=np.uint16)
SCALED = [[0, 0, 1, 1], [117, 156, 255, 255]]  # v / 257, rounded


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_16_bit_grey_is_scaled_and_not_clipped(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    Image.fromarray(DEEP).save(path)
    assert decode(path, 1).tolist() == [SCALED]
    assert decode(path, 3).tolist() == [SCALED] * 3
    assert look(path).deep


@pytest.mark.parametrize("white", [65_535, 1023, 4095])
def test_white_of_a_deep_pgm_is_white(tmp_path, white):
    (tmp_path / "a.pgm").write_bytes(b"P5 2 1 %d\n" % white + struct.pack(">HH", white, white // 3))
    assert decode(tmp_path / "a.pgm", 1).tolist() == [[[255, 85]]]


def tiff(bits, white_is_zero, data):
    """A 2×1 grey TIFF, little-endian, not compressed."""
    tags = [(256, 3, 2), (257, 3, 1), (258, 3, bits), (259, 3, 1), (262, 3, 0 if white_is_zero else 1),
            (273, 4, 8), (277, 3, 1), (278, 3, 1), (279, 4, len(data))]
    offset = 8 + len(data)
    entries = b"".join(struct.pack("<HHI", tag, kind, 1) + struct.pack("<I", value) for tag, kind, value in tags)
    return b"II*\0" + struct.pack("<I", offset) + data + struct.pack("<H", len(tags)) + entries + bytes(4)


@pytest.mark.parametrize(("bits", "inverted", "data", "expected"), [
    pytest.param(12, False, bytes([0xFF, 0xF5, 0x55, 0]), [255, 85], id="12-bits"),
    pytest.param(16, True, struct.pack("<HH", 0, 65_535), [255, 0], id="white-is-zero"),
])
def test_tiffs_of_odd_depths_are_read_by_their_own_white(tmp_path, bits, inverted, data, expected):
    (tmp_path / "a.tif").write_bytes(tiff(bits, inverted, data))
    assert decode(tmp_path / "a.tif", 1).tolist() == [[expected]]


@pytest.mark.parametrize("values", [np.float32([[0, 1]]), np.int32([[0, 70_000]])], ids=["float", "32-bit"])
def test_pixels_without_a_white_are_refused(tmp_path, values):
    Image.fromarray(values).save(tmp_path / "a.tif")
    found = refusal(tmp_path / "a.tif")
    assert found.code == "RUN307"
    assert found.message.endswith("-bit pixels, for which white is undefined") == (values.dtype != np.float32)


@pytest.mark.parametrize("suffix", [".png", ".webp", ".jpg"])
def test_an_image_stored_in_colour_serves_one_channel_where_every_pixel_is_grey(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    Image.new("RGB", (8, 8), (90, 90, 90)).save(path)
    assert decode(path, 1).tolist() == [[[90] * 8] * 8]
    look(path, 1)
    Image.new("RGB", (8, 8), (90, 90, 30)).save(path)
    for call in (decode, look):
        with pytest.raises(BadImage, match="is a colour image"):
            call(path, 1)


@pytest.mark.parametrize("suffix", [".gif", ".png", ".bmp"])
def test_a_grey_palette_serves_one_channel_and_a_coloured_one_does_not(tmp_path, suffix):
    image = Image.new("P", (3, 1))
    image.putpalette([9, 9, 9, 200, 200, 200, 1, 2, 3])
    image.putdata([0, 1, 0])
    image.save(tmp_path / f"grey{suffix}", **({"optimize": False} if suffix == ".gif" else {}))
    assert decode(tmp_path / f"grey{suffix}", 1).tolist() == [[[9, 200, 9]]]
    image.putdata([0, 1, 2])
    image.save(tmp_path / f"colour{suffix}")
    assert refusal(tmp_path / f"colour{suffix}", 1).code == "RUN303"


def test_the_first_frame_is_taken(tmp_path):
    frames = [Image.new("L", (4, 3), level) for level in (50, 100)]
    for name in ("a.gif", "a.tif"):
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
        assert decode(tmp_path / name, 1).tolist() == [[[50] * 4] * 3]
        assert look(tmp_path / name, whole=True).frames


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
def test_the_exif_orientation_is_applied(tmp_path, suffix, orientation):
    """As ImageOps.exif_transpose does, which is the oracle."""
    pixels = np.zeros((16, 24, 3), np.uint8)
    pixels[:8, :8] = 255
    image, path = Image.fromarray(pixels), tmp_path / f"a{suffix}"
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {".tif": {"tiffinfo": {274: orientation}}, ".webp": {"exif": exif, "lossless": True}}
    image.save(path, **options.get(suffix, {"exif": exif}))
    with Image.open(path) as opened:
        opened.load()
        expected = np.asarray(ImageOps.exif_transpose(opened))
    found = decode(path, 3)
    assert (found == expected.transpose(2, 0, 1)).all()
    facts = look(path)
    assert ((facts.height, facts.width), facts.turned) == (found.shape[1:], orientation > 1)


def test_the_orientation_of_a_png_may_stand_behind_its_pixels(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.arange(24, dtype=np.uint8).reshape(4, 6)).save(tmp_path / "a.png", exif=exif)
    expected = decode(tmp_path / "a.png", 1)
    content = (tmp_path / "a.png").read_bytes()
    start = content.index(b"eXIf") - 4
    end = start + 12 + int.from_bytes(content[start : start + 4], "big")
    without = content[:start] + content[end:]
    (tmp_path / "b.png").write_bytes(without[:-12] + content[start:end] + without[-12:])  # before IEND
    assert (decode(tmp_path / "b.png", 1) == expected).all()
    facts = look(tmp_path / "b.png", whole=True)
    assert ((facts.height, facts.width), facts.turned) == ((6, 4), True)


@pytest.mark.parametrize("exif", [b"Exif\0\0garbage", b"Exif\0\0II*\0\xff\xff\xff\xff", b""], ids=range(3))
def test_broken_exif_does_not_spoil_an_image(tmp_path, exif):
    Image.new("RGB", (4, 4), (1, 2, 3)).save(tmp_path / "a.png", exif=exif)
    assert decode(tmp_path / "a.png", 3)[:, 0, 0].tolist() == [1, 2, 3]


def png(width, height):
    """A well-formed PNG that claims a size, with next to no data."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


@pytest.mark.parametrize(("width", "height", "fault"), [
    pytest.param(8193, 8192, f"has 8193×8192 pixels, the limit is {MAX_PIXELS:,}", id="just-above"),
    pytest.param(11_000, 11_000, "has 11000×11000 pixels", id="where-pillow-warns"),
    pytest.param(60_000, 60_000, "has far too many pixels", id="where-pillow-refuses"),
])
def test_a_decompression_bomb_is_refused_before_it_is_expanded(tmp_path, width, height, fault):
    (tmp_path / "a.png").write_bytes(png(width, height))
    found = refusal(tmp_path / "a.png")
    assert found.code == "RUN307"
    assert fault in found.message


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


def dangling(path):
    path.unlink()
    path.symlink_to("/NoWhere/b.png")


def loop(path):
    path.unlink()
    path.symlink_to(path)


def folder(path):
    path.unlink()
    path.mkdir()


def device(path):
    path.unlink()
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize(("damage", "code", "reason"), [
    (cut, "RUN307", "cannot be decoded: "), (empty, "RUN307", "is not an image: it is empty"),
    (text, "RUN307", "is not an image: its bytes are not those of PNG, "), (svg, "RUN307", "is not an image: "),
    (gone, "RUN307", "is gone"), (pipe, "RUN305", "is a pipe, not a file"), (folder, "RUN305", "is a folder, not a file"),
    (device, "RUN305", "is a device, not a file"),
    (dangling, "RUN305", "is a link to /NoWhere/b.png, which does not exist"),
    (loop, "RUN305", "cannot be read: too many levels of symbolic links"),
])
def test_whatever_is_wrong_is_said_and_nothing_hangs(tmp_path, damage, code, reason):
    path = write_image(tmp_path / "A.png", 1)
    damage(path)
    found = refusal(path)
    assert found.code == code
    assert found.message.startswith(reason)
    if damage is not cut:  # whose header is sound
        with pytest.raises(BadImage, match=re.escape(reason)):
            look(path)
    with pytest.raises(BadImage):
        look(path, whole=True)


def test_a_whole_file_is_read_through_a_link(tmp_path):
    path = write_image(tmp_path / "a.png", 1)
    (tmp_path / "b.png").symlink_to(path)
    assert (decode(tmp_path / "b.png", 3) == decode(path, 3)).all()


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
    image.save(tmp_path / "a.pcx")
    (tmp_path / "a.pcx").rename(tmp_path / "a.png")
    assert "is not an image" in refusal(tmp_path / "a.png").message


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_ending_that_a_folder_takes_in_has_a_decoder(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    Image.new("L", (5, 4), 9).save(path)
    assert decode(path, 1).shape == (1, 4, 5)


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
    problem = json.dumps(["RUN307", "is gone", "restore it"]).encode()
    assert replies.getvalue() == READY + image + struct.pack(">I", len(problem)) + problem + image
