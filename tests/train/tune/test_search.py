"""The search: what is tried, what is refused, what is taken. The times are made up."""

import pytest
import torch

import archspec
from archspec.train.step.precision import Settings
from archspec.train.tune import Candidate, Measured, Problem, Space, tune
from archspec.train.tune.candidates import precisions, thread_counts
from archspec.train.tune.search import LONG_S, SKIPPED
from tests.fake_cuda import CUDA
from tests.train.helpers import CPU

LOSSES = (2.3, 2.2, 2.1)


def problem(name="lenet", device=CPU):
    loaded = archspec.load(name)
    return Problem(loaded.graph, loaded.recipe(), device, ())


def machine(times, losses=None, norms=None, refused=None):
    """A `measure` that looks up what it would have measured; a candidate is named by its text."""
    asked = []

    def measure(problem, candidate, best_s):
        name = candidate.text()
        asked.append(name)
        why = (refused or {}).get(name)
        return Measured(candidate, None if why else times[name], (losses or {}).get(name, LOSSES), (norms or {}).get(name, 1.0), why)

    measure.asked = asked
    return measure


TIMES = {
    "fp32, NCHW, 2 threads": 0.010, "fp32, NCHW, own kernels, 2 threads": 0.008, "fp32, NHWC, 2 threads": 0.009,
    "bf16, NCHW, 2 threads": 0.020, "bf16, NCHW, own kernels, 2 threads": 0.018, "bf16, NHWC, 2 threads": 0.0079,
    "fp32, NCHW, own kernels, 1 thread": 0.012, "fp32, NCHW, own kernels, compiled, 2 threads": 0.004,
    "fp32, NHWC, own kernels, 2 threads": 0.0091, "bf16, NHWC, own kernels, 2 threads": 0.0099,
    "bf16, NHWC, 1 thread": 0.012, "bf16, NHWC, compiled, 2 threads": 0.003,
}
SPACE = Space(("fp32", "bf16"), own_kernels=(False, True), threads=(2, 1))


def search(measure, space=SPACE, steps=10, name="lenet"):
    rows = []
    found = tune(problem(name), space, steps, tell=lambda row, reference: rows.append(row.candidate.text()), measure=measure)
    assert rows == [row.candidate.text() for row in found.rows]
    return found


def search_alone(measure):
    return tune(problem(), SPACE, 10, measure=measure)


def test_the_fastest_is_taken_unless_it_gains_too_little():
    measure = machine(TIMES)
    found = search(measure)
    assert found.best.candidate.text() == "fp32, NCHW, own kernels, 2 threads"  # bf16 is 1 % faster: within noise
    assert found.speedup == pytest.approx(0.010 / 0.008)
    assert measure.asked == [
        "fp32, NCHW, 2 threads", "fp32, NCHW, own kernels, 2 threads", "fp32, NHWC, 2 threads",
        "fp32, NHWC, own kernels, 2 threads", "bf16, NCHW, 2 threads", "bf16, NCHW, own kernels, 2 threads",
        "bf16, NHWC, 2 threads", "bf16, NHWC, own kernels, 2 threads", "fp32, NCHW, own kernels, 1 thread",
    ]
    assert found.rows[-1].refused == SKIPPED


def test_a_long_run_is_compiled():
    steps = round(LONG_S["cpu"] / 0.008) + 1
    assert search(machine(TIMES), steps=steps).best.candidate.settings.compile
    assert not search(machine(TIMES), steps=steps // 2).best.candidate.settings.compile


@pytest.mark.parametrize("wrong", [(2.3, 2.2, 2.2), (2.3, 2.2, float("nan")), (2.6, 2.2, 2.1)])
def test_what_computes_something_else_is_refused(wrong):
    fast = "bf16, NHWC, 2 threads"
    times = {**TIMES, fast: 0.001}
    assert search(machine({**times, "bf16, NHWC, 1 thread": 1.0})).best.candidate.text() == fast
    found = search(machine(times, losses={fast: wrong}))
    assert found.best.candidate.text() == "fp32, NCHW, own kernels, 2 threads"
    (row,) = (row for row in found.rows if row.candidate.text() == fast)
    assert row.refused.startswith("its loss is off by")


def test_another_gradient_is_refused_although_the_losses_agree():
    fast = "bf16, NHWC, 2 threads"
    found = search(machine({**TIMES, fast: 0.001}, norms={fast: 1.2}))
    assert found.best.candidate.text() == "fp32, NCHW, own kernels, 2 threads"
    assert any(row.refused == "its gradient is off by 20.0 %, more than 5 %" for row in found.rows)


def test_a_loss_just_within_the_tolerance_agrees():
    fast = "bf16, NHWC, 2 threads"
    times = {**TIMES, fast: 0.001, "bf16, NHWC, 1 thread": 1.0}
    near = tuple(1.0199 * loss for loss in LOSSES)
    assert search(machine(times, losses={fast: near})).best.candidate.text() == fast


def test_without_memory_for_it_the_rest_is_tried():
    refused = {name: "it runs out of memory" for name in TIMES if "fp32, NCHW, own" in name}
    assert search(machine(TIMES, refused=refused)).best.candidate.text() == "bf16, NHWC, 2 threads"


def test_without_a_reference_nothing_is_taken():
    name = "fp32, NCHW, 2 threads"
    measure = machine(TIMES, refused={name: "it runs out of memory"})
    found = search_alone(measure)
    assert measure.asked == [name]
    assert (found.best, found.best.refused) == (found.reference, "it runs out of memory")


def test_own_kernels_are_not_tried_where_no_layer_has_one():
    measure = machine({**TIMES, "fp32, NHWC, 1 thread": 1.0})
    search(measure, name="alexnet28")
    assert not any("own" in name for name in measure.asked)


def test_what_the_user_fixed_stays():
    space = Space.of(CPU, precision="bf16", channels_last=True, compile=True, threads=2)
    measure = machine({**TIMES, "bf16, NHWC, compiled, 2 threads": 0.5})
    found = search(measure, space)
    assert found.best.candidate == Candidate(Settings("bf16", channels_last=True, compile=True), 2)
    assert measure.asked == [
        "fp32, NCHW, 2 threads", "bf16, NHWC, 2 threads", "bf16, NHWC, own kernels, 2 threads", "bf16, NHWC, compiled, 2 threads",
    ]


def test_what_a_cpu_and_a_gpu_can_do(monkeypatch):
    assert precisions(CPU) == ("fp32", "bf16")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device=None: (9, 0))
    space = Space.of(CUDA)
    assert space.precision == ("fp32", "tf32", "bf16", "fp16")
    assert (space.own_kernels, space.cuda_graphs, len(space.threads)) == ((False,), (False, True), 1)
    names = [candidate.text() for candidate in space.compiled(next(space.first()))]
    assert [("compiled" in name, "CUDA graphs" in name) for name in names] == [(True, False), (False, True)]
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device=None: (7, 0))
    assert precisions(CUDA) == ("fp32", "fp16")


def test_the_options_of_a_choice():
    assert Candidate(Settings("bf16", channels_last=True), 2).options() == "--precision bf16 --channels-last --threads 2"
    graphs = Settings("tf32", own_kernels=False, compile=True, cuda_graphs=True)
    assert Candidate(graphs, 8).options() == "--precision tf32 --cuda-graphs --threads 8"
    assert Candidate(Settings(own_kernels=True, compile=True), 1).options() == "--precision fp32 --own-kernels --compile --threads 1"


def test_thread_counts():
    assert [thread_counts(n) for n in (1, 2, 8)] == [(1,), (2, 1), (8, 4)]
