"""When a run stops early."""

import pytest

from archspec.language.extras import EarlyStopping
from archspec.train.early_stopping import why_stop
from archspec.train.summary import EpochResult
from tests.train.helpers import recipe
from tests.train.runs import run, same


def rows(values, metric="accuracy"):
    names = ("train_loss", "train_accuracy", "evaluated_loss", "evaluated_accuracy", "images_per_s", "seconds")
    blank = dict.fromkeys(names, 0.0)
    return [EpochResult(epoch=k, **{**blank, f"evaluated_{metric}": value}) for k, value in enumerate(values, 1)]


@pytest.mark.parametrize(("values", "rule", "stops_after"), [
    ([0.1, 0.2, 0.3, 0.3, 0.3, 0.3], {"patience": 2}, 5),
    ([0.1, 0.2, 0.1, 0.3, 0.2, 0.2], {"patience": 2}, 6),
    ([0.1, 0.2, 0.3], {"patience": 1}, None),
    ([0.3, 0.3], {"patience": 1}, 2),
    ([0.30, 0.34, 0.38, 0.42], {"patience": 2, "min_delta": 0.1}, 3),
    ([3.0, 2.0, 2.5, 1.0, 1.0, 1.5], {"patience": 2, "metric": "loss"}, 6),
    ([], {"patience": 1}, None),
])
def test_when_a_run_stops(values, rule, stops_after):
    rule = EarlyStopping(**rule)
    results = rows(values, rule.metric)
    stops = [k for k in range(len(values) + 1) if why_stop(results[:k], rule) is not None]
    assert stops[:1] == ([] if stops_after is None else [stops_after])
    assert why_stop(results, None) is None


def test_a_run_stops_early_and_says_why():
    summary, model = run(recipe(epochs=50, lr=1e-12, early_stopping=3))
    assert len(summary.epochs) == 4
    assert summary.stopped == (
        "stopped after epoch 4: test accuracy has not improved on epoch 1's "
        f"{summary.epochs[0].evaluated_accuracy:.4f} for 3 epochs"
    )
    assert summary.to_json()["stopped_early"] == summary.stopped
    assert same(model, run(recipe(epochs=4, lr=1e-12))[1])
    assert run(recipe())[0].stopped is None
