"""The registry agrees with itself, with torchvision, and costs no torch."""

import subprocess
import sys

import pytest
from torchvision import datasets

from archspec.data.registry import DATASETS, check_name

CODE = "import sys; from archspec.data.suits import check_known_data; sys.exit('torch' in sys.modules)"


@pytest.mark.parametrize("name", ["fashion-mnist", "mnist"])
def test_sizes_of_idx_files_follow_from_the_shapes(name):
    info = DATASETS[name]
    for split in ("train", "test"):
        images, labels = info.files(split)
        assert images.size == 16 + info.size(split) * info.height * info.width
        assert labels.size == 8 + info.size(split)


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_sizes_of_cifar_files_follow_from_the_shapes(name):
    info = DATASETS[name]
    record = info.label_bytes + info.channels * info.height * info.width
    for split in ("train", "test"):
        assert sum(file.size for file in info.files(split)) == info.size(split) * record


def test_every_file_has_its_own_checksum():
    files = {file.name + file.md5 for info in DATASETS.values() for file in info.train_files + info.test_files}
    assert len({name[-32:] for name in files}) == len(files) == 4 + 4 + 6 + 2 + 1


@pytest.mark.parametrize(("name", "theirs"), [("fashion-mnist", datasets.FashionMNIST), ("mnist", datasets.MNIST)])
def test_classes_are_those_of_torchvision(name, theirs):
    ours = DATASETS[name].classes
    assert [a == b or b.startswith(f"{a} - ") for a, b in zip(ours, theirs.classes, strict=True)] == [True] * 10


def test_fine_classes_of_cifar100_are_in_the_order_of_their_labels():
    classes = DATASETS["cifar100"].classes  # labelled in alphabetical order by its authors
    assert len(set(classes)) == 100
    assert list(classes) == sorted(classes)


def test_importing_does_not_import_torch():
    assert subprocess.run([sys.executable, "-c", CODE], check=False).returncode == 0


def test_known_names_and_folders_pass():
    assert check_name("mnist") is DATASETS["mnist"]
    assert check_name("folder:pets") is None


@pytest.mark.parametrize(("name", "hint"), [
    pytest.param("fashion_mnist", "a similar name exists: `fashion-mnist`", id="typo"),
    pytest.param("CIFAR-10", "a similar name exists: `cifar10`", id="spelling"),
    pytest.param("./pets", "a folder of images is written `folder:./pets`", id="path"),
    pytest.param("xyz", "known are fashion-mnist, mnist, cifar10, cifar100, digits and `folder:PATH`", id="none"),
    pytest.param("folder:", "write `folder:PATH`", id="no-path"),
])
def test_an_unknown_name_gets_a_remedy(name, hint, diagnostic):
    found = diagnostic(check_name, name)
    assert (found.code, found.hint) == ("RUN304", hint)


def test_a_long_name_is_cut(diagnostic):
    assert len(diagnostic(check_name, "x" * 10_000).message) < 120


@pytest.mark.parametrize(("name", "hint"), [
    ("pets", "did you mean `folder:pets`?"), ("pets/train", "did you mean `folder:pets`?"),
    ("pets/trian", "did you mean `folder:pets`?"), ("my pets", "did you mean `'folder:my pets'`?"),
    (".", "did you mean `folder:.`?"), ("mnst", "a similar name exists: `mnist`"),
    ("pictures/of/dogs", "a folder of images is written `folder:pictures/of/dogs`"),
    ("a\0b", "known are"), ("~nobody-of-that-name", "known are"),
])
def test_an_unknown_name_is_answered_by_what_is_there(tmp_path, monkeypatch, diagnostic, name, hint):
    for folder in ("pets/train/cat", "my pets/train/cat", "train/cat"):
        (tmp_path / folder).mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    found = diagnostic(check_name, name)
    assert found.code == "RUN304"
    assert found.hint.startswith(hint)
