"""What is said, in each of its forms."""

import json
from dataclasses import replace

import pytest

from archspec.diagnostics import render
from archspec.train.doctor.finding import Evidence, Finding, Trial, findings_text, percent, round_rate, short

FINDING = Finding(
    "RUN345", 150, "the weights barely move",
    (Evidence("the loss is 2.303", {"loss": 2.3026, "step": 150}), Evidence("so is that", {})), "raise the rate",
)


def test_one_line():
    assert FINDING.line() == (
        "doctor[RUN345]: step 150: the weights barely move: the loss is 2.303; so is that; a guess, not tried: raise the rate"
    )


def test_as_an_error():
    assert render(FINDING.diagnostic()) == (
        "error[RUN345]: the weights barely move (step 150)\n  = note: the loss is 2.303\n  = note: so is that\n"
        "  = hint: a guess, not tried: raise the rate"
    )


def test_in_a_summary():
    later = Finding("RUN351", 0, "far", (), "try lr 1", sure=True)
    assert findings_text([FINDING, later]) == (
        "doctor[RUN345]: the weights barely move (step 150)\n  - the loss is 2.303\n  - so is that\n"
        "  = a guess, not tried: raise the rate\n"
        "doctor[RUN351]: far\n  = try lr 1"
    )
    assert later.line() == "doctor[RUN351]: far; try lr 1"


def test_a_verdict_that_was_taken_back_in_a_summary():
    assert findings_text([replace(FINDING, until=700)]).splitlines()[0] == (
        "doctor[RUN345]: the weights barely move (from step 150 to 700, then it learned)"
    )


def test_json_has_the_numbers():
    data = json.loads(json.dumps(FINDING.to_json(), allow_nan=False))
    assert data["evidence"][0] == {"text": "the loss is 2.303", "values": {"loss": 2.3026, "step": 150}}
    assert (data["code"], data["step"], data["title"], data["advice"]) == (
        "RUN345", 150, "the weights barely move", "raise the rate",
    )
    assert (data["final"], data["until"]) == (False, None)


TRIED = Trial("lr 0.1", {"train.lr": 0.1}, 60, 1.214, 0.6, learnt=True)


def test_what_was_tried_is_said_as_it_was_seen():
    failed = Trial("lr 3", {"train.lr": 3.0}, 12, None, None, learnt=False)
    finding = replace(FINDING, advice="use lr 0.1", change={"train.lr": 0.1}, trials=(failed, TRIED))
    assert finding.remedy == "use lr 0.1"
    assert finding.tried() == [
        "tried: lr 3 → the loss is not a number within 12 steps", "tried: lr 0.1 → loss 1.21 after 60 steps",
    ]
    assert findings_text([finding]).endswith("  - tried: lr 0.1 → loss 1.21 after 60 steps\n  = use lr 0.1")
    data = json.loads(json.dumps(finding.to_json(), allow_nan=False))
    assert (data["change"], data["guess"]) == ({"train.lr": 0.1}, False)
    assert data["trials"][0]["loss"] is None


@pytest.mark.parametrize("finding", [
    FINDING, replace(FINDING, change={"train.lr": 0.1}), replace(FINDING, change={"train.lr": 0.2}, trials=(TRIED,)),
    replace(FINDING, change={"train.lr": 0.1}, trials=(replace(TRIED, learnt=False),)),
], ids=["no-change", "not-tried", "another-was-tried", "it-did-not-learn"])
def test_what_was_not_tried_is_called_a_guess(finding):
    assert finding.remedy.startswith("a guess, not tried: ")
    assert finding.to_json()["guess"]


@pytest.mark.parametrize(("rate", "text"), [
    (0.0308, "0.03"), (0.12, "0.1"), (0.95, "0.9"), (0.00035, "0.0003"), (20.0, "20"), (1e-6, "1e-06"),
])
def test_a_rate_is_told_with_one_digit(rate, text):
    assert round_rate(rate) == text


def test_numbers():
    assert (short(0.012345), short(2.3026, 4), short(1.5e-7), percent(0.936)) == ("0.0123", "2.303", "1.5e-07", "94 %")
