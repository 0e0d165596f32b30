"""idx files: read exactly, or refused by name."""

import gzip
import os
import tracemalloc
import zlib
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from archspec.data.idx import read_split
from archspec.diagnostics import SpecError
from tests.data.helpers import TinyIdx, data_file, idx_bytes

IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"


@pytest.mark.parametrize("packed", [True, False], ids=["gz", "plain"])
@pytest.mark.parametrize("split", ["train", "test"])
def test_reads_what_was_written(tiny, tmp_path, split, packed):
    images, labels = read_split(tiny.info, split, tiny.write(tmp_path, packed))
    assert images.dtype == torch.uint8
    assert torch.equal(images, tiny.images[split])
    assert labels.dtype == torch.int64
    assert torch.equal(labels, tiny.labels[split])


def corrupt(folder, name, change):
    path = folder / f"{name}.gz"
    path.write_bytes(change(path.read_bytes()))
    return path


CORRUPTIONS = [
    pytest.param(LABELS, lambda b: b[: len(b) // 2], "is cut off", id="truncated"),
    pytest.param(LABELS, lambda b: b[:-4], "is cut off", id="without-its-trailer"),
    pytest.param(LABELS, lambda b: b"", "is cut off: its 0 bytes", id="empty"),
    pytest.param(LABELS, lambda b: b + b"\0", "bytes after the end", id="trailing-byte"),
    pytest.param(LABELS, lambda b: b + b, "bytes after the end", id="twice"),
    pytest.param(LABELS, lambda b: b"<html>404</html>", "not a whole gzip file", id="a-web-page"),
    pytest.param(LABELS, lambda b: b[:14] + bytes([b[14] ^ 4]) + b[15:], "train-labels", id="flipped-bit"),
    pytest.param(
        LABELS, lambda b: gzip.compress(gzip.decompress(b)[:-1] + b"\1"), "its content has MD5", id="one-label"
    ),
    pytest.param(IMAGES, lambda b: gzip.compress(gzip.decompress(b)[:-20]), "has 236 bytes", id="one-image-less"),
    pytest.param(IMAGES, lambda b: gzip.compress(gzip.decompress(b) + b"0"), "has more than", id="one-byte-more"),
    pytest.param(IMAGES, lambda b: b"\x1f\x8b" + b"\0" * 100_000, "", id="zeroed"),
]


@pytest.mark.parametrize(("name", "change", "fault"), CORRUPTIONS)
def test_a_damaged_file_is_named(tiny, tmp_path, diagnostic, name, change, fault):
    path = corrupt(tiny.write(tmp_path), name, change)
    found = diagnostic(read_split, tiny.info, "train", tmp_path)
    assert found.code == "RUN302"
    assert found.message.startswith(f"{path} ")
    assert fault in found.message


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_no_damage_is_trained_on(tmp_path_factory, data):
    """Flip a bit, cut, or zero a block anywhere: an error, or (in gzip's own header) the very same data."""
    made = TinyIdx()
    folder = made.write(tmp_path_factory.mktemp("damaged"))
    path = folder / f"{data.draw(st.sampled_from([IMAGES, LABELS]))}.gz"
    content = bytearray(path.read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    match data.draw(st.sampled_from(["flip", "cut", "zero"])):
        case "flip":
            content[at] ^= 1 << data.draw(st.integers(0, 7))
        case "cut":
            del content[at:]
        case "zero":
            content[at : at + 16] = bytes(len(content[at : at + 16]))
    path.write_bytes(content)
    try:
        images, labels = read_split(made.info, "train", folder)
    except SpecError as refused:
        assert refused.diagnostics[0].code == "RUN302"
        assert str(path) in refused.diagnostics[0].message
    else:
        assert torch.equal(images, made.images["train"])
        assert torch.equal(labels, made.labels["train"])


def test_swapped_files_are_told_apart(tiny, tmp_path, diagnostic):
    """The test labels under the name of the training labels, filled up to their size."""
    folder = tiny.write(tmp_path, packed=False)
    (folder / LABELS).write_bytes(tiny.contents["t10k-labels-idx1-ubyte"])
    found = diagnostic(read_split, tiny.info, "train", folder)
    assert found.message == f"{folder / LABELS} has 14 bytes, {LABELS} has 20"


def test_a_file_of_another_data_set_is_recognised(tiny, tmp_path, diagnostic, monkeypatch):
    """mnist and fashion-mnist have files of equal names and sizes."""
    from archspec.data.registry import DATASETS

    other = tiny.info._replace(name="mnist", train_files=(data_file(IMAGES, b"\1" * 256), tiny.info.train_files[1]))
    monkeypatch.setitem(DATASETS, "mnist", other)
    folder = tiny.write(tmp_path, packed=False)
    (folder / IMAGES).write_bytes(b"\1" * 256)
    found = diagnostic(read_split, tiny.info, "train", folder)
    assert found.notes == (f"this is {IMAGES} of mnist",)
    assert f"expected {tiny.info.train_files[0].md5}" in found.message


def with_content(tiny, folder, name, content):
    """The data set as if `content` were the published file: checksum and size agree."""
    (folder / name).write_bytes(content)
    (folder / f"{name}.gz").unlink(missing_ok=True)
    files = tuple(data_file(f.name, content) if f.name == name else f for f in tiny.info.train_files)
    return tiny.info._replace(train_files=files)


@pytest.mark.parametrize(("name", "content", "fault"), [
    pytest.param(IMAGES, b"\x93NUMPY" + bytes(250), "starts with 93 4e 55 4d", id="magic"),
    pytest.param(IMAGES, idx_bytes((240,), bytes(248)), "an idx file of 3 dims with 00 00 08 03", id="rank"),
    pytest.param(IMAGES, idx_bytes((12, 4, 5), bytes(240)), "holds 12×4×5 bytes, expected 12×5×4", id="dims"),
    pytest.param(IMAGES, idx_bytes((2**31, 5, 4), bytes(240)), "expected 12×5×4", id="huge"),
    pytest.param(LABELS, idx_bytes((12,), bytes(11) + b"\3"), "a label 3, fashion-mnist has 3 classes", id="label"),
])
def test_the_header_must_tell_the_shape(tiny, tmp_path, diagnostic, name, content, fault):
    folder = tiny.write(tmp_path)
    info = with_content(tiny, folder, name, content)
    found = diagnostic(read_split, info, "train", folder)
    assert found.code == "RUN302"
    assert fault in found.message


def test_a_gzip_bomb_is_not_expanded(tiny, tmp_path, diagnostic):
    """48 MiB of zeros in 49 KB: refused after a chunk of it."""
    folder = tiny.write(tmp_path)
    packer = zlib.compressobj(9, wbits=31)
    block = bytes(1 << 20)
    bomb = b"".join(packer.compress(block) for _ in range(48)) + packer.flush()
    (folder / f"{IMAGES}.gz").write_bytes(bomb)
    del bomb
    tracemalloc.start()
    try:
        found = diagnostic(read_split, tiny.info, "train", folder)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found.message == f"{folder / IMAGES}.gz has more than the 256 bytes of {IMAGES}"
    assert peak < 4 << 20


def test_a_bomb_of_empty_blocks_is_not_read_to_its_end(tiny, tmp_path, diagnostic):
    """A gzip stream may go on for ever without giving a byte."""
    folder = tiny.write(tmp_path)
    empty = b"\x1f\x8b\x08\0\0\0\0\0\0\3" + b"\0\0\0\xff\xff" * 200_000
    (folder / f"{IMAGES}.gz").write_bytes(empty)
    assert "compressed bytes, too many for a content of 256" in diagnostic(
        read_split, tiny.info, "train", folder
    ).message


def replace_by_folder(path):
    path.unlink()
    path.mkdir()


def replace_by_pipe(path):
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize("change", [replace_by_folder, replace_by_pipe])
def test_what_is_no_file_is_refused(tiny, tmp_path, diagnostic, change):
    """A pipe must not be waited for."""
    path = tiny.write(tmp_path) / f"{LABELS}.gz"
    change(path)
    found = diagnostic(read_split, tiny.info, "train", tmp_path)
    assert (found.code, found.message) == ("RUN305", f"{path} is not a file")


def test_an_unreadable_file_is_told_with_the_systems_reason(tiny, tmp_path, diagnostic, monkeypatch):
    path = tiny.write(tmp_path) / f"{LABELS}.gz"
    opened = Path.open

    def refuse(self, *args, **kwargs):  # chmod would not stop root, which tests may run as
        if self == path:
            raise PermissionError(13, "Permission denied", str(self))
        return opened(self, *args, **kwargs)

    monkeypatch.setattr(Path, "open", refuse)
    found = diagnostic(read_split, tiny.info, "train", tmp_path)
    assert (found.code, found.message) == ("RUN305", f"cannot read {path}: permission denied")
