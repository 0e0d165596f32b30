"""Names of devices, on machines with and without GPUs."""

import pytest
import torch
from torch import nn

from archspec.backends.device import device_name, pick_device, place
from archspec.diagnostics import SpecError


def gpus(monkeypatch, count):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)


@pytest.mark.parametrize(("name", "count", "expected"), [
    ("cpu", 0, "cpu"), ("cpu", 2, "cpu"), ("auto", 0, "cpu"), ("auto", 2, "cuda:0"), ("cuda", 1, "cuda:0"),
    ("cuda:1", 2, "cuda:1"),
])
def test_what_is_there(monkeypatch, name, count, expected):
    gpus(monkeypatch, count)
    assert pick_device(name) == torch.device(expected)


@pytest.mark.parametrize(("name", "count", "has"), [
    ("cuda", 0, "no GPU that torch can use"), ("cuda:1", 1, "1 GPU"), ("cuda:7", 2, "2 GPUs"),
])
def test_what_is_not(monkeypatch, name, count, has):
    gpus(monkeypatch, count)
    with pytest.raises(SpecError) as caught:
        pick_device(name)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "BUILD202"
    assert diagnostic.message == f"there is no device {name}: this machine has {has}"


@pytest.mark.parametrize("name", ["gpu", "cuda:", "cuda:x", "cuda:-1", "cpu:0", ""])
def test_what_is_no_device(name):
    with pytest.raises(ValueError, match="a device is auto, cpu, cuda or cuda:N"):
        pick_device(name)


def test_the_name_for_people(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"Wonder {device.index}")
    assert device_name(torch.device("cpu")) == "CPU"
    assert device_name(torch.device("cuda", 1)) == "Wonder 1"


@pytest.mark.parametrize("channels_last", [False, True])
def test_only_tensors_of_four_dimensions_change_their_layout(channels_last):
    """torch's own `to` refuses a module that has a tensor of five dimensions too."""
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv3d(2, 4, 3), nn.Linear(4, 2), nn.BatchNorm2d(3))
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    parameters = dict(model.named_parameters())
    placed = place(model, torch.device("cpu"), channels_last=channels_last)
    assert {name: id(p) for name, p in placed.named_parameters()} == {name: id(p) for name, p in parameters.items()}
    assert all(torch.equal(tensor, before[name]) for name, tensor in placed.state_dict().items())
    assert model[0].weight.is_contiguous(memory_format=torch.channels_last) is channels_last
    assert model[1].weight.is_contiguous()
