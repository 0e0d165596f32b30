"""Recorded runs of three NiN blocks at a rate of 0.3 (`benchmarks/doctor_finals.py`): no final verdict is wrong."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from tests.train.doctor.helpers import needs_fashion

RECORDED = Path(__file__).parent / "recorded"
BENCHMARKS = Path(__file__).parents[3] / "benchmarks"


@pytest.fixture
def finals(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    for name in ("common", "doctor_finals"):  # another `common` must not answer
        monkeypatch.delitem(sys.modules, name, raising=False)
    return importlib.import_module("doctor_finals")


@pytest.mark.parametrize(("seed", "kind"), [
    ("00", "came back"), ("05", "collapsed"), ("08", "converged"), ("17", "came back"),
])
def test_no_final_verdict_on_a_run_that_comes_back(finals, seed, kind):
    history, _, said = finals.replay(RECORDED / f"seed-{seed}.json.gz")
    assert finals.course(history).kind == kind
    assert finals.wrong_finals(history, said) == []
    codes = [finding.code for _, _, finding in said if finding is not None]
    assert bool(codes) is (kind != "converged")
    assert not codes or codes[0] == "RUN347"


def test_seed_0_is_taken_back_when_it_learns_again(finals):
    """At step 1250 archspec 0.1 called it final, and `--stop-when-dead` ended it; it learns from step 2030 on."""
    _, verdicts, said = finals.replay(RECORDED / "seed-00.json.gz")
    (first, _, finding), (back, text, nothing) = said
    assert (finding.code, finding.final, first) == ("RUN347", False, 1100)
    assert (nothing, back) == (None, 2068)
    assert text.startswith("doctor[RUN347]: step 2068: the network learns again")
    assert verdicts.holding() == []


@pytest.mark.slow
@needs_fashion
def test_a_run_is_recorded_and_replayed_as_it_was(finals, tmp_path):
    finals.record(0, tmp_path / "run.json.gz", 12_000)
    history, _, said = finals.replay(tmp_path / "run.json.gz")
    assert len(history) == 12 * 188
    assert finals.wrong_finals(history, said) == []
