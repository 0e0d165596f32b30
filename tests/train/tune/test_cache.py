"""What is kept of a search, and when it is believed."""

import json

import pytest
import torch

import archspec
from archspec.train.step.precision import Settings
from archspec.train.tune import Candidate, Measured, Space, Tuning
from archspec.train.tune.cache import cache_file, find, keep
from tests.fake_cuda import CUDA
from tests.train.helpers import CPU, recipe

SPACE = Space(("fp32",), threads=(1,))
BEST = Candidate(Settings("bf16", channels_last=True, own_kernels=True), 2)
TUNING = Tuning(Measured(BEST, 0.5), Measured(Candidate(Settings(), 1), 1.0), ())


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def test_what_was_kept_is_found(tmp_path):
    path = tmp_path / "tune" / "a.json"
    assert find(path, CPU) is None
    assert keep(path, TUNING) is None
    found = find(path, CPU)
    assert (found.candidate, found.speedup) == (BEST, 2.0)


@pytest.mark.parametrize("change", [
    {"format": 2}, {"threads": 0}, {"threads": "2"}, {"more": 1}, {"speedup": -1.0},
    {"settings": {"precision": "fp8", "channels_last": True, "own_kernels": True, "compile": False, "cuda_graphs": False}},
    {"settings": {"precision": "fp32", "channels_last": False, "own_kernels": False, "compile": True, "cuda_graphs": True}},
])
def test_what_makes_no_sense_is_not_believed(tmp_path, change):
    path = tmp_path / "a.json"
    keep(path, TUNING)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    assert find(path, CPU) is None


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "\0" * 40])
def test_a_broken_file_is_not_believed(tmp_path, text):
    path = tmp_path / "a.json"
    path.write_text(text)
    assert find(path, CPU) is None


def test_what_this_device_cannot_do_is_not_believed(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device=None: (9, 0))
    keep(tmp_path / "a.json", TUNING)
    assert find(tmp_path / "a.json", CUDA) is None  # own kernels are for CPUs


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "tune").write_text("")
    assert keep(tmp_path / "tune" / "a.json", TUNING)


def test_each_problem_has_its_own_file(monkeypatch):
    lenet, other = archspec.load("lenet").graph, archspec.load("lenet_relu").graph
    base = cache_file(lenet, recipe(), CPU, SPACE)
    assert base == cache_file(lenet, recipe(lr=0.2, epochs=9, seed=3), CPU, SPACE)
    others = [
        cache_file(other, recipe(), CPU, SPACE), cache_file(lenet, recipe(batch_size=11), CPU, SPACE),
        cache_file(lenet, recipe(optimizer="adam"), CPU, SPACE), cache_file(lenet, recipe(), CPU, Space(("bf16",), threads=(1,))),
        cache_file(lenet, recipe(), CPU, SPACE, world_size=2),
    ]
    monkeypatch.setattr("archspec.train.tune.cache.cpu_name", lambda: "another CPU")
    others.append(cache_file(lenet, recipe(), CPU, SPACE))
    assert len({base, *others}) == 7
