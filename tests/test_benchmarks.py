"""The benchmarks compare like with like, and take turns as they say."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

import archspec

FOLDER = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> object:
    """Import a module of benchmarks/, as its scripts do."""
    monkeypatch.syspath_prepend(str(FOLDER))

    def module(name: str) -> ModuleType:
        for path in FOLDER.glob("*.py"):  # another `common` must not answer
            monkeypatch.delitem(sys.modules, path.stem, raising=False)
        return importlib.import_module(name)

    return module


@pytest.mark.parametrize("name", ["lenet", "googlenet", "resnet18"])
def test_the_hand_written_network_is_the_spec_s(load, name: str) -> None:
    forward, networks = load("forward"), importlib.import_module("networks")
    loaded = archspec.load(forward.SPECS.get(name, name))
    ours, by_hand = archspec.build(loaded), getattr(networks, name)()
    forward.copy_weights(ours, by_hand)
    images = torch.randn(2, *loaded.report.input_shape)
    torch.testing.assert_close(ours.eval()(images), by_hand.eval()(images))


def test_contestants_take_turns_and_a_first_round_is_left_out(load) -> None:
    order: list[str] = []
    ticks = iter(range(100))
    times = load("common").alternate(
        {"a": lambda: order.append("a"), "b": lambda: order.append("b")}, 3, calls=2, clock=lambda: float(next(ticks))
    )
    assert "".join(order) == "aabb" + "bbaa" + "aabb" + "bbaa"
    assert {name: sample.values for name, sample in times.items()} == {"a": (0.5,) * 3, "b": (0.5,) * 3}


def test_ratios_are_taken_within_each_round(load) -> None:
    sample = load("common").Sample
    ratio = sample((2.0, 40.0, 6.0)).over(sample((1.0, 10.0, 3.0)))
    assert ratio.values == (2.0, 4.0, 2.0)
    assert ratio.median == 2.0
    assert ratio.text(digits=2) == "2.00 (2.00–3.60)"


def test_the_analysis_counts_the_same_network(load) -> None:
    contestants = load("analysis").contestants("resnet18")
    assert 2 * contestants["ours"]() == contestants["built"]()


def test_the_doctor_s_benchmark_trains_the_same_network_with_it_and_without(load) -> None:
    """The one turn has its looks, and but for that is the other."""
    overhead = load("doctor_overhead")
    loaded, doctor, runs = archspec.load("lenet"), overhead.Doctor(), {}
    for doctors in ([doctor], []):
        turn = overhead.contestant(loaded, torch.device("cpu"), doctors, data="digits", batch_size=16)
        turn()
        runs[len(doctors)] = turn()
    assert runs[0].step == runs[1].step == 2 * overhead.EVERY
    assert [sample.step for sample in doctor._history.samples] == [1, 2, 4, 8, 16, 32, 50, 100]
    weights = (run.model.state_dict().values() for run in runs.values())
    assert all(torch.equal(a, b) for a, b in zip(*weights, strict=True))
