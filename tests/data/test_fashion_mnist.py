"""The real Fashion-MNIST of Debian's package, where it is installed."""

import gzip
import shutil
from pathlib import Path

import pytest
import torch
from torchvision import datasets

from archspec.data.load import load
from archspec.data.registry import DATASETS

FOLDER = Path("/usr/share/datasets/fashion-mnist")
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="needs apt-get install dataset-fashion-mnist")


@pytest.mark.parametrize(("split", "per_class"), [("train", 6000), ("test", 1000)])
def test_it_is_found_whole(split, per_class):
    data = load("fashion-mnist", split, download=False)
    assert data.source == str(FOLDER)
    assert data.images.shape == (10 * per_class, 1, 28, 28)
    assert data.labels.bincount().tolist() == [per_class] * 10
    assert data.classes == DATASETS["fashion-mnist"].classes


def test_it_equals_what_torchvision_reads(tmp_path):
    raw = tmp_path / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    for path in FOLDER.glob("*.gz"):
        with gzip.open(path) as packed, (raw / path.stem).open("wb") as plain:
            shutil.copyfileobj(packed, plain)
    theirs = datasets.FashionMNIST(tmp_path, train=False)
    ours = load("fashion-mnist", "test", root=tmp_path, download=False)
    assert ours.source == str(raw)
    assert torch.equal(ours.images[:, 0], theirs.data)
    assert torch.equal(ours.labels, theirs.targets)
    assert list(ours.classes) == theirs.classes


def test_its_files_under_mnists_name_are_refused(tmp_path, diagnostic):
    """They have mnist's names and sizes."""
    (tmp_path / "MNIST").mkdir()
    (tmp_path / "MNIST" / "raw").symlink_to(FOLDER)
    found = diagnostic(load, "mnist", "test", root=tmp_path, download=False)
    assert found.code == "RUN302"
    assert found.notes == ("this is t10k-labels-idx1-ubyte of fashion-mnist",)
