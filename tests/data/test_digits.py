"""The digits against the file of scikit-learn, read by other means."""

import importlib.util
import sys

import numpy as np
import pytest
import torch

from archspec.data import digits
from archspec.data.load import load
from archspec.data.registry import DATASETS

SIZES = {"train": 1442, "test": 355}


pytestmark = pytest.mark.skipif(importlib.util.find_spec("sklearn") is None, reason="needs scikit-learn")


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_split_has_its_documented_size_and_type(split):
    data = load("digits", split)
    assert data.images.shape == (SIZES[split], 1, 8, 8)
    assert (data.images.dtype, data.labels.dtype) == (torch.uint8, torch.int64)
    assert len(data) == DATASETS["digits"].size(split)


def test_the_splits_share_out_the_images():
    """Each image once, in order, every fifth of a class in the test split, pixels on 0…255."""
    seen = dict.fromkeys(range(10), 0)
    expected = {"train": [], "test": []}
    for row in np.loadtxt(digits.find(), delimiter=","):  # as load_digits does
        label = int(row[-1])
        seen[label] += 1
        expected["test" if seen[label] % 5 == 0 else "train"].append((row[:-1].reshape(8, 8), label))
    for split, samples in expected.items():
        data = load("digits", split)
        assert data.labels.tolist() == [label for _, label in samples]
        wanted = torch.stack([torch.as_tensor(image) for image, _ in samples])
        assert torch.equal(data.images[:, 0], (wanted * 255 / 16 + 0.5).floor().to(torch.uint8))
    assert int(data.images.max()) == 255


def test_reading_does_not_import_scikit_learn(monkeypatch):
    """That takes seconds."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "sklearn"]:
        monkeypatch.delitem(sys.modules, name)
    load("digits", "test")
    assert "sklearn" not in sys.modules


def test_without_scikit_learn_the_error_says_how_to_get_it(monkeypatch, diagnostic):
    monkeypatch.setattr(digits.importlib.util, "find_spec", lambda name: None)
    found = diagnostic(load, "digits", "train")
    assert found.code == "RUN301"
    assert 'pip install "archspec-nn[digits]"' in found.hint


def test_a_file_that_is_gone_is_named(monkeypatch, tmp_path, diagnostic):
    monkeypatch.setattr(digits, "find", lambda: tmp_path / "digits.csv.gz")
    found = diagnostic(load, "digits", "train")
    assert (found.code, found.message) == ("RUN305", f"cannot read {tmp_path}/digits.csv.gz: no such file or directory")
    assert found.hint == "restore it, or give another folder with --data-root"


def test_a_changed_file_is_refused(monkeypatch, tmp_path, diagnostic):
    import gzip

    path = tmp_path / "digits.csv.gz"
    path.write_bytes(gzip.compress(gzip.decompress(digits.find().read_bytes()).replace(b"16", b"15")))
    monkeypatch.setattr(digits, "find", lambda: path)
    assert diagnostic(load, "digits", "train").code == "RUN302"
