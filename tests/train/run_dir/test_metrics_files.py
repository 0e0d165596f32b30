"""Figures as files: what a spreadsheet and a script read."""

import csv
import io
import json
import math
from dataclasses import replace

import pytest

from archspec.train.metrics import Metrics
from archspec.train.run_dir.metrics_files import metrics_csv, metrics_jsonl, summary_json
from archspec.train.summary import EpochResult, Summary, neutral_names

ROWS = [
    EpochResult(1, 2.0, 0.25, 1.5, 0.5, 12345.6, 1.25, "validation", 10, 0.1, 2.5),
    EpochResult(2, 1 / 3, 0.5, 0.75, 0.875, 2000.0, 1.5, "validation", 20, 1e-7, None),
]


def test_both_hold_every_figure():
    lines = [json.loads(line) for line in metrics_jsonl(ROWS).splitlines()]
    assert [EpochResult(**neutral_names(line)) for line in lines] == ROWS
    table = list(csv.DictReader(io.StringIO(metrics_csv(ROWS))))
    assert [list(row) for row in table] == [list(line) for line in lines]
    for row, line in zip(table, lines, strict=True):
        assert [None if cell == "" else float(cell) for cell in row.values()] == list(line.values())
    assert list(lines[0])[3:5] == ["validation_loss", "validation_accuracy"]


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_run_that_diverged_is_read_by_strict_parsers(bad):
    row = replace(ROWS[0], evaluated_loss=bad, evaluated_accuracy=math.nan, gradient_norm=bad,
                  evaluated_metrics={"mae": bad})
    line = json.loads(metrics_jsonl([row]), parse_constant=pytest.fail)
    assert (line["validation_loss"], line["validation_mae"], line["train_loss"]) == (None, None, 2.0)
    read = EpochResult(**neutral_names(line))
    assert math.isnan(read.evaluated_loss)
    assert math.isnan(read.figure("mae"))
    assert (read.train_loss, read.metric) == (2.0, "mae")
    assert json.loads(summary_json(Summary((row,))), parse_constant=pytest.fail)["best_by"] == "validation_accuracy"


def test_before_the_first_epoch_there_is_nothing():
    assert (metrics_jsonl([]), metrics_csv([])) == ("", "")


def test_what_a_run_came_to():
    plain = json.loads(summary_json(Summary(tuple(ROWS), test=Metrics(1.25, 0.5, 8))))
    assert plain["best"]["epoch"] == 2
    assert plain["best_by"] == "validation_accuracy"
    assert plain["test"] == {"loss": 1.25, "accuracy": 0.5}
    assert "findings" not in plain
    tested = json.loads(summary_json(Summary(tuple(replace(row, split="test") for row in ROWS))))
    assert tested["test"] == {"loss": 0.75, "accuracy": 0.875}
