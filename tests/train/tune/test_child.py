"""Candidates in a process of their own: what it answers is what `measure` says, and its death is a line."""

import signal
import time
from itertools import islice

import pytest
import torch

import archspec
from archspec.cli.tuning import row_text
from archspec.data.batches import Batch
from archspec.train.step.precision import Settings
from archspec.train.tune import Candidate, Problem, Space, tune
from archspec.train.tune import measure as module
from archspec.train.tune.child import START, Child, _ending
from archspec.train.tune.measure import COMPARED, measure
from tests.train.helpers import CPU, batches, data, recipe

SPEC = """\
archspec: 1
input: [1, 8, 8]
stages:
  conv: [conv2d: {out_channels: 4, kernel_size: 3, padding: 1}, relu, avg_pool2d: 2, dropout: 0.5]
  head: [flatten, linear: 4]
"""
FP32, BF16 = Candidate(Settings(), 1), Candidate(Settings("bf16"), 1)
# The process with `measure` replaced by what follows.
QUICK = START.replace("from archspec", """
from archspec.train.tune import child, measure
measure.BLOCK_S, real = 0.0, child.measure
def fake(problem, candidate, best_s):
    ACT
    return real(problem, candidate, best_s)
child.measure = fake
from archspec""", 1).replace("; \n", "\n")


def quick(act="pass"):
    return Child(SPEC, start=QUICK.replace("ACT", act))


@pytest.fixture
def problem():
    chosen = recipe(lr=0.5, batch_size=16)
    return Problem(archspec.load(SPEC).graph, chosen, CPU, tuple(islice(batches(data(), chosen).batches(0), COMPARED)))


def test_it_answers_what_is_measured_here(problem, monkeypatch):
    monkeypatch.setattr(module, "BLOCK_S", 0.0)
    with quick("print('noise', flush=True)") as child:
        for candidate in (FP32, BF16):
            there, here = child.measure(problem, candidate), measure(problem, candidate)
            assert (there.candidate, there.losses, there.norm, there.refused) == (candidate, here.losses, here.norm, None)
            assert there.step_s > 0
        process = child._process
        assert process.poll() is None
    assert process.poll() is not None


def test_a_candidate_that_kills_it_is_a_line_and_the_next_ones_are_measured(problem):
    rows = []
    with quick("import os; 'bf16, NHWC' in candidate.text() and os.kill(os.getpid(), 11)") as child:
        tuning = tune(
            problem, Space(("fp32", "bf16"), compile=(False,), threads=(1,)), 10,
            tell=lambda row, reference: rows.append(row_text(row, reference, 16)), measure=child.measure,
        )
    killed = [line for line in rows if line.endswith("it kills the process (SIGSEGV)")]
    assert [line.split()[:2] for line in killed] == [["bf16,", "NHWC,"]]
    measured = [["fp32,", "NCHW,"], ["fp32,", "NHWC,"], ["bf16,", "NCHW,"]]
    assert [line.split()[:2] for line in rows if "images/s" in line] == measured
    assert tuning.best.refused is None


def test_what_else_can_happen_there(problem):
    """An exception that nobody expects, and an exit."""
    act = """
    if candidate.settings.precision == 'bf16': raise SystemExit(3)
    raise ValueError('a mistake\\nof torch')"""
    with quick(act.strip()) as child:
        assert child.measure(problem, FP32).refused == "it fails: ValueError: a mistake of torch"
        assert child.measure(problem, BF16).refused == "it kills the process (exit code 3)"


def test_a_process_that_does_not_start(problem):
    with Child(SPEC, start="raise SystemExit(4)") as child:
        row = child.measure(problem, FP32)
    assert (row.step_s, row.refused) == (None, "it kills the process (exit code 4)")


def test_whoever_stops_meanwhile_leaves_no_process_behind(problem):
    """Ctrl-C while a candidate compiles for minutes."""

    class Interrupted(Exception):
        pass

    def interrupt(number, frame):
        raise Interrupted

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with pytest.raises(Interrupted), Child(SPEC, start="import time; time.sleep(600)") as child:
            signal.setitimer(signal.ITIMER_REAL, 0.3)
            try:
                child.measure(problem, FP32)
            finally:
                process, started = child._process, time.monotonic()
    finally:
        signal.signal(signal.SIGALRM, before)
    assert process.poll() is not None
    assert time.monotonic() - started < 30


def test_endings_in_words():
    assert _ending(-int(signal.SIGSEGV)) == "SIGSEGV"
    assert (_ending(3), _ending(-60)) == ("exit code 3", "signal 60")


CRASHES = """\
archspec: 1
input: [8, 8, 1]
stages:
  conv: {conv2d: {out_channels: 8, kernel_size: [3, 1], stride: 2, padding: 1, dilation: 3}}
  head: [flatten, linear: 4]
"""


def test_the_convolution_at_which_torch_itself_dies(monkeypatch):
    """Channels-last, one column, and windows that see only padding; on other machines it may well work."""
    problem = Problem(
        archspec.load(CRASHES).graph, recipe(batch_size=3), CPU,
        [Batch(torch.rand(3, 8, 8, 1), torch.tensor([0, 1, 2]), torch.arange(3)) for _ in range(COMPARED)],
    )
    with Child(CRASHES, start=QUICK.replace("ACT", "pass")) as child:
        row = child.measure(problem, Candidate(Settings(channels_last=True), 1))
        assert row.refused in (None, "it kills the process (SIGSEGV)")
        assert child.measure(problem, FP32).refused is None
