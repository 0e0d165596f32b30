"""Curves in two characters a value: what the page decodes is what the run had."""

import json
import math
from dataclasses import replace

import pytest

from archspec.results.report.curves import ALPHABET, LEVELS, MOST_POINTS, Encoder, encode, thinned
from archspec.results.report.data import page_data
from archspec.train.summary import EpochResult
from tests.results.report.generated import generated


def decode(curve, log):
    """As the page's script does it."""
    low, high, text = curve
    values = []
    for a, b in zip(text[::2], text[1::2], strict=True):
        level = ALPHABET.index(a) * len(ALPHABET) + ALPHABET.index(b)
        share = level / (LEVELS - 1)
        spaced = log and low > 0
        values.append(math.nan if level == LEVELS else low * (high / low) ** share if spaced else low + share * (high - low))
    return values


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("values", [[0.1, 0.5, 0.93, 0.12], [2.3], [1e-6, 2.3, 1e25], [3.0, 3.0], [0.0, 1.0]])
def test_a_curve_is_read_back_within_a_step(values, log):
    curve = encode(values, log)
    low, high = curve[:2]
    for found, value in zip(decode(curve, log), values, strict=True):
        if log and low > 0:
            assert found == pytest.approx(value, rel=1e-3 + (math.log(high / low) / LEVELS))
        else:
            assert found == pytest.approx(value, abs=(high - low) / LEVELS + 1e-4 * abs(high))


def test_what_is_not_finite_is_a_gap():
    assert [math.isfinite(v) for v in decode(encode([1.0, math.nan, math.inf, 0.5], True), True)] == [True, False, False, True]
    assert all(map(math.isnan, decode(encode([math.nan, math.nan], False), False)))


def test_its_characters_stand_as_they_are_in_a_script():
    assert len(ALPHABET) == 90 and "<" not in ALPHABET
    assert json.dumps(ALPHABET) == f'"{ALPHABET}"'


@pytest.mark.parametrize("count", [1, 2, 3, 59, 60, 61, 100, 1000])
def test_first_and_last_stay(count):
    kept = thinned(count, MOST_POINTS)
    assert kept[0] == 0 and kept[-1] == count - 1 and len(kept) == min(count, MOST_POINTS) == len(set(kept))


def test_the_best_epoch_is_a_point_and_grids_are_shared():
    encoder = Encoder(10)
    runs = generated(6, epochs=100, seeds=1)
    for run, (grid, place, epoch, *_) in zip(runs, map(encoder.encode, runs), strict=True):
        epochs = list(encoder.grids[grid])
        if place >= 0:
            epochs[place] = epoch
        assert epochs == sorted(set(epochs)) and len(epochs) == 10
        assert run.best.epoch == epoch and {1, 100, epoch} <= set(epochs)
    assert len(encoder.grids) == 1


def test_a_page_of_regressions_shows_their_own_metric():
    rows = tuple(
        EpochResult(k, 1 / k, math.nan, 1 / k, math.nan, 1.0, 1.0, train_metrics={"mae": 2 / k}, evaluated_metrics={"mae": 3 / k})
        for k in (1, 2, 3)
    )
    records = [replace(record, epochs=rows, criterion="mae", test={"loss": 1 / 3, "mae": 1.0}) for record in generated(4)]
    data = page_data(records, title="ages")
    assert data["measure"] == "test_mae"
    assert (data["metric"], data["series"]) == ("MAE", ["evaluated_mae", "evaluated_loss", "train_mae", "train_loss"])
    assert [curve[3][:2] for curve in data["curves"]] == [[1, 3]] * len(data["curves"])
