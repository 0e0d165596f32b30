"""Inputs and labels that look broken."""

from collections import Counter

import pytest

from archspec.train.doctor.history import FirstBatch
from archspec.train.doctor.inputs import FEW_LABELS, SURE_LABELS, broken_inputs, one_class
from tests.train.doctor.helpers import history


def first(**fields):
    seen = history([2.3])
    seen.inputs = FirstBatch(**{"step": 1, "mean": 0.29, "std": 0.35, "spread": 0.5, **fields})
    return seen


@pytest.mark.parametrize(("fields", "title"), [
    ({"mean": 73.0, "std": 90.0}, "the inputs are not normalised"),
    ({"mean": 0.0, "std": 90.0}, "the inputs are not normalised"),
    ({"mean": -0.8, "std": 0.004}, "the inputs are not normalised"),
    ({"mean": 0.5, "std": 0.0, "spread": 0.0}, "the inputs are constant"),
    ({"spread": 0.0}, "all inputs are the same"),
    ({"mean": float("nan"), "std": float("nan"), "finite": False}, "the inputs are not numbers"),
], ids=str)
def test_broken_inputs(fields, title):
    finding = broken_inputs(first(**fields))
    assert (finding.code, finding.step, finding.title) == ("RUN349", 1, title)
    assert all(value == value for value in finding.evidence[0].values.values()), "no nan in JSON"


@pytest.mark.parametrize("fields", [
    {}, {"mean": 0.0, "std": 1.0}, {"mean": 0.03, "std": 0.12}, {"mean": -2.1, "std": 1.3}, {"mean": 0.9, "std": 0.05},
    {"spread": None},
], ids=str)
def test_sound_inputs(fields):
    assert broken_inputs(first(**fields)) is None


def test_before_the_first_batch_nothing_is_said():
    assert broken_inputs(history([])) is None


def labelled(labels, *, all_labels=True):
    seen = history([0.1] * 8)
    seen.labels, seen.all_labels = Counter(labels), all_labels
    return seen


def test_labels_of_one_class():
    finding = one_class(labelled({7: FEW_LABELS}))
    assert (finding.code, finding.step) == ("RUN350", 8)
    assert finding.evidence[0].values == {"step": 8, "labels": FEW_LABELS, "label": 7, "count": FEW_LABELS}
    assert finding.title == "the labels are all of one class"
    assert one_class(labelled({7: SURE_LABELS}, all_labels=False)).title == finding.title


def test_labels_of_nearly_one_class():
    finding = one_class(labelled({7: 990, 2: 10}))
    assert finding.title == "99 % of the labels are of one class"
    assert "compare accuracies with 0.990" in finding.advice


@pytest.mark.parametrize("seen", [
    labelled({7: FEW_LABELS - 1}), labelled({7: 900, 2: 100}), labelled({}),
    labelled({7: SURE_LABELS - 1}, all_labels=False),
], ids=["few", "lopsided", "none", "a-part-of-them"])
def test_labels_of_which_nothing_can_be_said(seen):
    assert one_class(seen) is None
