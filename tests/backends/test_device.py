"""Names of devices, on machines with and without GPUs."""

import pytest
import torch

from archspec.backends.device import device_name, pick_device
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
