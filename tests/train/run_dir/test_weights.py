"""Weights from a file that anybody may have written: exact, or refused with the reason."""

import os
import pickle

import pytest
import torch
from safetensors.torch import load_file, save_file

from archspec.diagnostics import SpecError
from archspec.train.run_dir.directory import save_weights
from archspec.train.run_dir.weights import load_weights
from tests.train.helpers import network


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "weights.safetensors"
    model = network(seed=2)
    model[1].running_mean.fill_(0.25)
    model[1].num_batches_tracked.fill_(7)
    save_weights(model, path)
    return path


def refused(path):
    """The message; the model must not have changed."""
    model = network()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with pytest.raises(SpecError) as caught:
        load_weights(model, path)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "RUN361"
    assert diagnostic.message.isprintable()
    return diagnostic.message


def test_what_was_saved_comes_back_bit_for_bit(file):
    model = network()
    load_weights(model, file)
    expected = load_file(file)
    assert model.state_dict().keys() == expected.keys()
    assert all(torch.equal(value, expected[key]) for key, value in model.state_dict().items())


@pytest.mark.parametrize(("change", "message"), [
    (lambda t: t.pop("5.bias"), "it lacks `5.bias`"),
    (lambda t: t.update(extra=torch.zeros(1)), "it holds `extra`, which the network does not have"),
    (lambda t: t.update({"\x1b[2J" + "x" * 200: torch.zeros(1)}), "it holds `?[2J" + "x" * 76 + "`, which"),
    (lambda t: t.update({"5.bias": torch.zeros(5)}), "`5.bias` has the shape [5], the network's has [4]"),
    (lambda t: t.update({"5.bias": torch.zeros(4, 1)}), "`5.bias` has the shape [4, 1], the network's has [4]"),
    (lambda t: t.update({"5.bias": torch.zeros(4, dtype=torch.float16)}), "`5.bias` is F16, the network's is F32"),
    (lambda t: t["5.bias"].fill_(float("nan")), "`5.bias` holds infinite or NaN values"),
    (lambda t: t["0.weight"][0].fill_(float("inf")), "`0.weight` holds infinite"),
], ids=range(8))
def test_tensors_that_do_not_fit(file, change, message):
    tensors = load_file(file)
    change(tensors)
    save_file(tensors, file)
    assert message in refused(file)


def test_many_missing_names_are_cut(tmp_path):
    save_file({"a": torch.zeros(1)}, tmp_path / "w")
    message = refused(tmp_path / "w")
    assert message.endswith("it lacks `0.bias`, `0.weight`, `1.bias`, `1.num_batches_tracked`, `1.running_mean`, …")


class Evil:
    def __reduce__(self):
        return os.mkdir, ("pwned",)


@pytest.mark.parametrize("content", [
    b"", b"\x00" * 8, b"\xff" * 8 + b"{}", b"\x02" + bytes(7) + b"{}", pickle.dumps(Evil()), b"x" * 5000,
], ids=["empty", "no-header", "huge-header", "no-tensors", "pickle", "noise"])
def test_files_that_are_something_else(tmp_path, monkeypatch, content):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "w").write_bytes(content)
    refused(tmp_path / "w")
    assert not (tmp_path / "pwned").exists()


def test_a_torch_checkpoint_is_not_unpickled(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"model": Evil()}, tmp_path / "w")
    assert "it is not a safetensors file" in refused(tmp_path / "w")
    assert not (tmp_path / "pwned").exists()


def test_a_cut_file(file):
    file.write_bytes(file.read_bytes()[:-100])
    assert "it is not a safetensors file" in refused(file)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes")
def test_a_pipe_does_not_block(tmp_path):
    os.mkfifo(tmp_path / "w")
    assert "it is a pipe, not a regular file" in refused(tmp_path / "w")
