"""Each failing run gets its verdict, each sound one none; and advice that is a change is followed, and learns."""

from __future__ import annotations

import pytest

from tests.train.doctor.cases import CASES, Case, follow, run_case
from tests.train.doctor.helpers import needs_fashion

FAILING = [case for case in CASES if case.code is not None]
SOUND = [case for case in CASES if case.code is None]
ADVISED = [case for case in FAILING if case.learns is not None]


def names(cases: list[Case]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", cases, ids=lambda case: case.name)


def test_there_are_enough_of_each():
    assert len(FAILING) >= 30
    assert len(SOUND) >= 15
    assert len(ADVISED) >= 20
    assert len({case.name for case in CASES}) == len(CASES)


@needs_fashion
@names(FAILING)
def test_a_failing_run_gets_its_verdict_and_no_other(case: Case) -> None:
    outcome = run_case(case.name)
    assert [finding.code for finding in outcome.holding] == [case.code], outcome.lines


@needs_fashion
@names(SOUND)
def test_a_sound_run_is_left_alone(case: Case) -> None:
    outcome = run_case(case.name)
    assert outcome.findings == [], outcome.lines
    assert not [line for line in outcome.lines if line.startswith(("doctor", "tried"))]


@needs_fashion
@names(ADVISED)
def test_the_advice_is_followed_and_the_network_learns(case: Case) -> None:
    outcome = run_case(case.name)
    (finding,) = outcome.holding
    assert finding.change is not None, finding
    assert [trial for trial in finding.trials if trial.change == finding.change and trial.learnt]
    assert finding.remedy.startswith("use "), "what was tried is not called a guess"
    assert follow(outcome, dict(finding.change), case.steps) >= case.learns
