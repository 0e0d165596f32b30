"""Runs that end at chance before their doctor can say why."""

import pytest

from archspec.train.doctor.ending import ends_at_chance
from archspec.train.summary import EpochResult
from tests.train.doctor.helpers import LN10, history


def ended(losses, accuracy=0.1, test_accuracy=0.1):
    seen = history(losses, accuracy)
    seen.end_epoch(EpochResult(1, losses[-1], 0.1, losses[-1], test_accuracy, 100.0, 1.0))
    return ends_at_chance(seen)


@pytest.mark.parametrize("loss", [LN10, 5.0])
def test_a_short_run_that_ends_at_chance(loss):
    finding = ended([2.74, *[loss] * 23])
    assert (finding.code, finding.step, finding.final) == ("RUN352", 24, False)
    assert finding.title == "the run ends at chance: 24 steps are too few to say why"
    assert finding.evidence[0].values["steps"] == 20
    assert finding.evidence[1].text == "the test accuracy is 0.100"


@pytest.mark.parametrize(("loss", "advice"), [
    (5.4, "train for more epochs, or let `--find-lr` suggest a rate"),
    (5.6, "start again with a lower rate: try lr 0.02, or a warm-up"),
])
def test_where_the_loss_has_grown_more_epochs_are_no_remedy(loss, advice):
    assert ended([2.74, *[loss] * 23]).advice == advice


@pytest.mark.parametrize("finding", [
    pytest.param(lambda: ended([LN10] * 19), id="a-handful-of-steps"),
    pytest.param(lambda: ended([LN10] * 100 + [1.9] * 20, [0.1] * 100 + [0.4] * 20), id="it-has-begun-to-learn"),
    pytest.param(lambda: ended([LN10] * 24, 0.2), id="better-than-chance"),
    pytest.param(lambda: ended([LN10] * 24, test_accuracy=0.2), id="better-on-the-test-images"),
    pytest.param(lambda: ends_at_chance(history([LN10] * 24)), id="no-epoch-is-done"),
])
def test_what_is_left_alone(finding):
    assert finding() is None
