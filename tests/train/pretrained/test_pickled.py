"""A .pth file is a pickle: what is read of it, and what is refused."""

import hashlib
import io
import pickle
import zipfile

import pytest
import torch

from archspec.train.pretrained import pickled
from archspec.train.pretrained.pickled import UnfitError, read_pickled


def saved(path, value, **options):
    torch.save(value, path, **options)
    return path


STATE = {"b.weight": torch.arange(6.0).reshape(2, 3), "a.bias": torch.tensor([1, 2])}


@pytest.mark.parametrize("zipped", [True, False])
def test_tensors_in_their_order_and_the_digest(tmp_path, zipped):
    """In torch's format of today, and in that of before 1.6, in which torchvision's oldest files are."""
    path = saved(tmp_path / "x.pth", STATE, _use_new_zipfile_serialization=zipped)
    found, digest = read_pickled(path)
    assert list(found) == ["b.weight", "a.bias"]
    assert all(torch.equal(found[name], STATE[name]) for name in STATE)
    assert digest == hashlib.sha256(path.read_bytes()).hexdigest()


def test_parameters_are_tensors(tmp_path):
    found, _ = read_pickled(saved(tmp_path / "x.pth", {"w": torch.nn.Parameter(torch.ones(2))}))
    assert not found["w"].requires_grad


def test_the_digest_in_the_name_must_be_right(tmp_path):
    path = saved(tmp_path / "x.pth", STATE)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    right, wrong = tmp_path / f"net-{digest[:8]}.pth", tmp_path / "net-0676ba61.pth"
    for copy in (right, wrong):
        copy.write_bytes(path.read_bytes())
    assert read_pickled(right)[1] == digest
    with pytest.raises(UnfitError, match="its name says 0676ba61: it is damaged"):
        read_pickled(wrong)


class Evil:
    def __reduce__(self):
        return (exec, ("raise SystemExit('executed')",))


@pytest.mark.parametrize("make", [
    lambda path: path.write_bytes(pickle.dumps(Evil())),
    lambda path: torch.save(Evil(), path),
    lambda path: torch.save({"w": Evil()}, path),
    lambda path: torch.save({"w": Evil()}, path, _use_new_zipfile_serialization=False),
])
def test_nothing_is_executed(tmp_path, make):
    path = tmp_path / "evil.pth"
    make(path)
    with pytest.raises(UnfitError, match="torch cannot read it as tensors alone"):
        read_pickled(path)


@pytest.mark.parametrize(("value", "words"), [
    ([torch.ones(1)], "it holds no mapping from names to tensors"),
    ({}, "it holds no mapping"),
    ({"model": {"w": torch.ones(1)}, "epoch": 3}, "it does not only hold tensors ('model': dict): save the state_dict alone"),
    ({3: torch.ones(1)}, "('3': Tensor)"),
    ({"w": torch.ones(2, 2).to_sparse()}, "'w' is not a plain tensor of numbers"),
    ({"w": torch.ones(2, dtype=torch.complex64)}, "'w' is not a plain tensor of numbers"),
], ids=str)
def test_anything_but_a_mapping_of_tensors_is_refused(tmp_path, value, words):
    with pytest.raises(UnfitError) as caught:
        read_pickled(saved(tmp_path / "x.pth", value))
    assert words in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04" + b"\0" * 50, b"\x80\x02", b"\x80\x02]q\x00."])
def test_garbage_is_refused(tmp_path, content):
    path = tmp_path / "x.pth"
    path.write_bytes(content)
    with pytest.raises(UnfitError):
        read_pickled(path)


def test_every_truncated_file_is_refused(tmp_path):
    content = saved(tmp_path / "x.pth", STATE).read_bytes()
    cut = tmp_path / "cut.pth"
    for length in range(0, len(content), 97):
        cut.write_bytes(content[:length])
        with pytest.raises(UnfitError):
            read_pickled(cut)


def test_an_archive_that_unpacks_to_more_than_it_is_is_refused(tmp_path):
    """A few KiB could become many GiB."""
    packed = io.BytesIO()
    plain = saved(tmp_path / "x.pth", {"w": torch.zeros(1 << 20)})
    with zipfile.ZipFile(plain) as before, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as after:
        for entry in before.infolist():
            after.writestr(entry.filename, before.read(entry), zipfile.ZIP_DEFLATED)
    small = tmp_path / "small.pth"
    small.write_bytes(packed.getvalue())
    assert small.stat().st_size < 1 << 16
    with pytest.raises(UnfitError, match="it is compressed, which torch does not do"):
        read_pickled(small)


def test_a_file_that_is_too_large_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(pickled, "MAX_BYTES", 1 << 10)
    with pytest.raises(UnfitError, match="it is larger than"):
        read_pickled(saved(tmp_path / "x.pth", {"w": torch.zeros(1 << 10)}))


def test_a_link_is_not_followed(tmp_path):
    saved(tmp_path / "x.pth", STATE)
    (tmp_path / "link.pth").symlink_to(tmp_path / "x.pth")
    with pytest.raises(OSError, match="is a link"):
        read_pickled(tmp_path / "link.pth")
