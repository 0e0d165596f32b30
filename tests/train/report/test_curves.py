"""Learning curves as pictures: every figure at its place."""

import math
import re
import xml.etree.ElementTree as ET
from itertools import pairwise

import pytest

from archspec.train.report.chart import curves_text
from archspec.train.report.curves import Curve, curves_svg, events_of
from archspec.train.run_dir.step_points import StepPoint
from archspec.train.summary import EpochResult

SVG = "{http://www.w3.org/2000/svg}"


def row(epoch, loss=1.0, accuracy=0.5, **more):
    return EpochResult(epoch, loss, accuracy, loss + 0.1, accuracy - 0.1, 100.0, 2.0, **more)


def drawn(curves, title="a run"):
    return ET.fromstring(curves_svg(curves, title))


def texts(root):
    return [element.text for element in root.iter(f"{SVG}text")]


def lines(root, panel, style):
    """The points of the lines of a colour in a panel, as (x, y) in pixels."""
    (group,) = (g for g in root.iter(f"{SVG}g") if g.get("clip-path") == f"url(#{panel})")
    found = [line for line in group.iter(f"{SVG}polyline") if line.get("class") == style]
    return [[tuple(map(float, pair.split(","))) for pair in line.get("points").split()] for line in found]


def test_lower_losses_are_drawn_lower_and_later_epochs_further_right():
    root = drawn([Curve("net", [row(1, 2.0), row(2, 1.0), row(3, 0.5)])])
    (line,) = lines(root, "loss", "c0")
    assert [x for x, _ in line] == sorted(x for x, _ in line)
    assert [y for _, y in line] == sorted(y for _, y in line)  # y grows downwards
    gaps = [b[1] - a[1] for a, b in pairwise(line)]
    assert gaps[0] == pytest.approx(2 * gaps[1], rel=0.02)  # a linear axis: half the gap in the loss


def test_losses_far_apart_have_a_log_axis():
    root = drawn([Curve("net", [row(1, 1000.0), row(2, 10.0), row(3, 0.1)])])
    assert "loss (log)" in texts(root)
    (line,) = lines(root, "loss", "c0")
    assert line[1][1] - line[0][1] == pytest.approx(line[2][1] - line[1][1], rel=0.01)


def test_points_within_an_epoch_are_a_line_of_their_own():
    steps = [StepPoint(k, k / 4, 2.0 - k / 8, 0.1 * k, 0.1) for k in range(1, 9)]
    root = drawn([Curve("net", [row(1), row(2)], steps)])
    assert sorted(map(len, lines(root, "loss", "c0"))) == [2, 8]
    assert "train, within epochs" in texts(root)


def test_the_rate_is_drawn_where_it_changes():
    constant = [row(1, learning_rate=0.1), row(2, learning_rate=0.1)]
    falling = [row(1, learning_rate=0.1), row(2, learning_rate=0.05)]
    assert "rate" not in texts(drawn([Curve("net", constant)]))
    assert "rate" in texts(drawn([Curve("net", falling)]))


def test_what_the_doctor_found_is_marked_where_it_happened():
    findings = [
        {"code": "RUN341", "step": 150, "until": None}, {"code": "RUN345", "step": 50, "until": 90}, {"code": "RUN352", "step": 0},
    ]
    events = events_of(findings, 100)
    assert events == [(1.5, "RUN341"), (0.5, "RUN345 (passed)")]
    root = drawn([Curve("net", [row(1), row(2)], (), events)])
    assert {"RUN341", "RUN345 (passed)"} <= {*texts(root)}
    marks = [path.get("d") for path in root.iter(f"{SVG}path") if path.get("class") == "event"]
    places = sorted(float(re.match(r"M([\d.]+)", mark)[1]) for mark in marks)
    (line,) = lines(root, "loss", "c1")
    width = line[1][0] - line[0][0]
    assert places == pytest.approx([line[0][0] - width / 2, line[0][0] + width / 2], abs=0.2)


def test_figures_that_are_no_numbers_leave_a_gap():
    root = drawn([Curve("net", [row(1), row(2), row(3, math.nan), row(4), row(5, math.inf), row(6)])])
    assert [len(line) for line in lines(root, "loss", "c1")] == [2, 1, 1]


@pytest.mark.parametrize("rows", [[], [row(1)], [row(1, 0.0, 0.0)], [row(1, math.nan), row(2, math.nan)]])
def test_few_figures_or_none(rows):
    assert drawn([Curve("net", rows)]).tag == f"{SVG}svg"


def test_runs_have_names_and_colours_of_their_own():
    root = drawn([Curve(f"run {k}", [row(1), row(2, 1 + k / 10)]) for k in range(10)])
    assert {f"run {k}" for k in range(10)} <= {*texts(root)}
    looks = {(line.get("class"), line.get("stroke-dasharray")) for line in root.iter(f"{SVG}polyline")}
    assert len(looks) == 10


def test_names_are_escaped():
    assert '<script>&"' in texts(drawn([Curve('<script>&"', [row(1)]), Curve("b", [row(1)])], '<b>&"'))


def test_curves_in_a_terminal():
    text = curves_text([Curve("net", [row(1, 2.0, 0.2), row(2, 1.0, 0.6), row(3, 0.5, 0.8)])], ascii_only=True)
    loss, accuracy, names = text.split("\n\n")
    assert loss.splitlines()[1].startswith("2.1 |*")
    assert loss.splitlines()[10].startswith("0.6 |")
    assert loss.splitlines()[10].endswith("*")
    assert accuracy.splitlines()[1].endswith("*")
    assert names == "net: test loss 0.6, accuracy 0.7000 after epoch 3"
    assert "no epoch is finished" in curves_text([Curve("net", [])])


def test_where_there_is_nothing_to_draw_there_is_no_chart():
    row = EpochResult(1, 1.0, 0.5, float("nan"), 0.5, 100.0, 1.0)
    assert curves_text([Curve("a", (), [], ())]) == "a: no epoch is finished"
    assert "loss over" not in curves_text([Curve("a", (row,), [], ())]) and "accuracy over" in curves_text([Curve("a", (row,), [], ())])
