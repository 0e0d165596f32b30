"""The binary version of CIFAR: from a folder, and straight from the published archive."""

import hashlib
import io
import tarfile

import pytest
import torch

from archspec.data.cifar import read_split
from archspec.data.places import find
from archspec.data.registry import DATASETS, Archive
from tests.data.helpers import data_file

NAMES = {
    "cifar10": {"train": [f"data_batch_{i}.bin" for i in range(1, 6)], "test": ["test_batch.bin"]},
    "cifar100": {"train": ["train.bin"], "test": ["test.bin"]},
}


class TinyCifar:
    """3×2 images, four to a file: `info` as of a known data set, and the bytes of its files."""

    def __init__(self, name):
        self.contents, self.images, self.labels = {}, {}, {}
        known, files = DATASETS[name], {}
        for split, names in NAMES[name].items():
            generator = torch.Generator().manual_seed(len(names))
            count = 4 * len(names)
            pixels = torch.randint(0, 256, (count, 18), dtype=torch.uint8, generator=generator)
            labels = torch.randint(0, known.num_classes, (count, 1), generator=generator).to(torch.uint8)
            coarse = torch.full((count, known.label_bytes - 1), 255, dtype=torch.uint8)
            records = torch.cat([coarse, labels, pixels], dim=1)
            for i, file in enumerate(names):
                self.contents[file] = bytes(records[4 * i : 4 * i + 4].flatten().tolist())
            files[split] = tuple(data_file(file, self.contents[file]) for file in names)
            self.images[split], self.labels[split] = pixels.reshape(-1, 3, 3, 2), labels[:, 0].long()
        self.info = known._replace(
            height=3, width=2, train_size=4 * len(NAMES[name]["train"]), test_size=4,
            train_files=files["train"], test_files=files["test"],
        )

    def write(self, folder):
        target = folder / self.info.folders[0]
        target.mkdir(parents=True)
        for name, content in self.contents.items():
            (target / name).write_bytes(content)
        return target

    def archive_bytes(self, change=lambda member: member):
        """The archive, each member passed through `change`."""
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w:gz") as tar:
            for name, content in self.contents.items():
                member = tarfile.TarInfo(f"{self.info.folders[0]}/{name}")
                member.size = len(content)
                tar.addfile(change(member), io.BytesIO(content))
        return stream.getvalue()

    def publish(self, folder, packed):
        """Write an archive as if it were the published one; return the data set with it."""
        path = folder / self.info.archive.name
        path.write_bytes(packed)
        archive = Archive(path.name, len(packed), hashlib.md5(packed).hexdigest(), "https://example.org/")
        return self.info._replace(archive=archive), path


@pytest.fixture(params=["cifar10", "cifar100"])
def cifar(request):
    return TinyCifar(request.param)


@pytest.mark.parametrize("split", ["train", "test"])
def test_reads_the_folder(cifar, tmp_path, split):
    """Of cifar100 the second label, the fine one: the first is 255 here, which no class has."""
    cifar.write(tmp_path)
    images, labels = read_split(cifar.info, split, find(cifar.info, split, tmp_path))
    assert images.dtype == torch.uint8
    assert labels.dtype == torch.int64
    assert torch.equal(images, cifar.images[split])
    assert torch.equal(labels, cifar.labels[split])


@pytest.mark.parametrize("split", ["train", "test"])
def test_reads_the_archive_without_unpacking_it(cifar, tmp_path, split):
    info, path = cifar.publish(tmp_path, cifar.archive_bytes())
    images, labels = read_split(info, split, find(info, split, tmp_path))
    assert torch.equal(images, cifar.images[split])
    assert torch.equal(labels, cifar.labels[split])
    assert list(tmp_path.iterdir()) == [path]


def test_a_damaged_batch_is_named(cifar, tmp_path, diagnostic):
    name = cifar.info.train_files[-1].name
    path = cifar.write(tmp_path) / name
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    found = diagnostic(read_split, cifar.info, "train", path.parent)
    assert (found.code, found.message.startswith(f"{path} is not {name}: ")) == ("RUN302", True)


def test_a_label_that_no_class_has_is_refused(cifar, tmp_path, diagnostic):
    name = cifar.info.test_files[0].name
    path = cifar.write(tmp_path) / name
    content = b"\xff" * len(cifar.contents[name])
    path.write_bytes(content)
    info = cifar.info._replace(test_files=(data_file(name, content),))
    assert "has a label 255" in diagnostic(read_split, info, "test", path.parent).message


@pytest.mark.parametrize(("change", "fault"), [
    pytest.param(lambda b: b[:-1], "bytes, cifar-", id="truncated"),
    pytest.param(lambda b: b[:-1] + bytes([b[-1] ^ 1]), "is not the published archive", id="flipped"),
])
def test_a_damaged_archive_is_named(cifar, tmp_path, diagnostic, change, fault):
    info, path = cifar.publish(tmp_path, cifar.archive_bytes())
    path.write_bytes(change(path.read_bytes()))
    found = diagnostic(read_split, info, "train", path)
    assert found.code == "RUN302"
    assert found.message.startswith(f"{path} ")
    assert fault in found.message


def elsewhere(member):
    member.name = f"../{member.name}"
    return member


def linked(member):
    member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
    return member


@pytest.mark.parametrize("change", [elsewhere, linked])
def test_only_expected_members_are_read(cifar, tmp_path, diagnostic, change):
    """Even with the right checksum, which nobody can forge so far."""
    info, path = cifar.publish(tmp_path, cifar.archive_bytes(change))
    found = diagnostic(read_split, info, "train", path)
    name = cifar.info.train_files[0].name
    assert f"has no file {cifar.info.folders[0]}/{name} of" in found.message
    assert list(tmp_path.iterdir()) == [path]


def test_a_member_of_another_size_is_not_read(cifar, tmp_path, diagnostic):
    name = cifar.info.train_files[0].name
    cifar.contents[name] += b"more"
    info, path = cifar.publish(tmp_path, cifar.archive_bytes())
    assert f"/{name} of {cifar.info.train_files[0].size}" in diagnostic(read_split, info, "train", path).message


@pytest.mark.parametrize("content", [b"no archive", b"\x1f\x8b\x08" + bytes(60)], ids=["text", "gzip"])
def test_what_is_no_archive_is_refused(cifar, tmp_path, diagnostic, content):
    info, path = cifar.publish(tmp_path, content)
    assert diagnostic(read_split, info, "train", path).message.startswith(f"{path} is not a whole archive: ")
