"""The SVG of a rate-range test, parsed, and read back against its own axes."""

import math
import xml.etree.ElementTree as ET
from itertools import combinations, pairwise

import pytest

from archspec.svg import text_width
from archspec.train.lr_finder.picture import draw_rate_range, rate_svg
from archspec.train.lr_finder.range_test import judge

RATES = [10 ** (-5 + 6 * k / 99) for k in range(100)]
LOSSES = [2.3 + 0.03 * (-1) ** k for k in range(40)] + [2.3 - 0.05 * k for k in range(30)] + [1 + 0.2 * k for k in range(30)]
TEST = judge(RATES, LOSSES, 2.3)
NS = "{http://www.w3.org/2000/svg}"


def parsed(test=TEST, rate=0.1, name="lenet"):
    return ET.fromstring(rate_svg(test, rate, name))


def texts(picture):
    """(left, right, baseline, text) of each line that runs from left to right."""
    found = []
    for text in picture.iter(f"{NS}text"):
        if text.get("transform") is None:
            x, size = float(text.get("x")), float(text.get("font-size", 12))
            width = text_width(text.text, size) * (1.1 if text.get("font-weight") else 1)
            left = x - {"end": width, "middle": width / 2}.get(text.get("text-anchor"), 0)
            found.append((left, left + width, float(text.get("y")), text.text))
    return found


def frame(picture):
    rect = next(picture.iter(f"{NS}clipPath"))[0]
    return tuple(float(rect.get(key)) for key in ("x", "y", "width", "height"))


def levels(picture):
    """(place, loss) of the ticks at the left, the lowest loss first."""
    left, top, _, _ = frame(picture)
    marks = [(y - 4, float(text)) for _, right, y, text in texts(picture) if right == pytest.approx(left - 5) and y > top]
    return sorted(marks, key=lambda mark: mark[1])


def axes(picture):
    """From the tick labels: functions from a place in the picture to a rate and to a loss."""
    lines = [line.get("d") for line in picture.iter(f"{NS}path") if line.get("class") == "grid" and "V" in line.get("d")]
    places = [float(line[1:].split()[0]) for line in lines]
    _, top, _, height = frame(picture)
    rates = [float(text) for _, _, y, text in texts(picture) if top + height + 8 < y < top + height + 20]
    assert len(places) == len(rates) == 7
    assert rates == [10.0**power for power in range(-5, 2)]
    (y0, l0), *_, (y1, l1) = levels(picture)
    return (
        lambda x: 10 ** (math.log10(rates[0]) + (x - places[0]) / (places[-1] - places[0]) * 6),
        lambda y: l0 + (y - y0) / (y1 - y0) * (l1 - l0),
    )


def test_points_and_line_lie_where_the_axes_say_and_none_is_moved():
    picture = parsed()
    rate_at, loss_at = axes(picture)
    (line,) = picture.iter(f"{NS}polyline")
    assert line.get("clip-path") == "url(#plot)"
    points = [tuple(map(float, pair.split(","))) for pair in line.get("points").split()]
    highest = levels(picture)[-1][1]
    shown = [(rate, loss) for rate, loss in zip(RATES, LOSSES, strict=True) if loss <= highest]
    _, top, _, _ = frame(picture)
    circles = [(float(c.get("cx")), float(c.get("cy"))) for c in picture.iter(f"{NS}circle") if float(c.get("cy")) >= top]
    assert len(circles) == len(shown) < len(points) == len(RATES)
    for (x, y), (rate, loss) in [*zip(circles, shown, strict=True), *zip(points, zip(RATES, TEST.smoothed, strict=True), strict=True)]:
        assert rate_at(x) == pytest.approx(rate, rel=0.01)
        if loss <= highest:
            assert loss_at(y) == pytest.approx(loss, abs=0.02)


def test_what_lies_above_is_marked_as_that_and_nothing_lies_below():
    picture = parsed()
    left, top, width, _ = frame(picture)
    ticks = [loss for _, loss in levels(picture)]
    assert min(LOSSES) >= ticks[0]
    above = [loss for loss in LOSSES if loss > ticks[-1]]
    arrows = [p for p in picture.iter(f"{NS}path") if p.get("class") == "point" and float(p.get("d")[1:].split()[1].split("h")[0]) >= top]
    assert len(arrows) == len(above) > 0
    (_, diverged) = [r for r in picture.iter(f"{NS}rect") if r.get("class") == "diverged"]  # the first is the legend's
    assert float(diverged.get("x")) + float(diverged.get("width")) == pytest.approx(left + width)
    said = [text for *_, text in texts(picture)]
    assert f"diverged: above {ticks[-1]:g}" in said
    assert f"a step above {ticks[-1]:g}" in said


def test_a_test_that_never_rises_has_nothing_diverged():
    picture = parsed(judge(RATES[:60], LOSSES[:60], 2.3))
    assert not [r for r in picture.iter(f"{NS}rect") if r.get("class") == "diverged"]
    assert not any("above" in text for *_, text in texts(picture))


@pytest.mark.parametrize("test", [TEST, judge(RATES, [2.3] * 100, 2.3), judge(RATES, [1.42 + k * 0.008 for k in range(100)], 2.3)])
def test_ticks_are_round(test):
    losses = [loss for _, loss in levels(parsed(test))]
    steps = {round(b - a, 9) for a, b in pairwise(losses)}
    assert len(steps) == 1
    (step,) = steps
    assert round(step / 10 ** math.floor(math.log10(step) + 1e-9), 6) in (1, 2, 5)


def marks(picture):
    return [float(p.get("d")[1:].split()[0]) for p in picture.iter(f"{NS}path") if p.get("stroke-dasharray") and "V" in p.get("d")]


def test_marks_stand_at_the_suggestion_and_at_the_recipe_s_rate():
    picture = parsed(rate=0.5)
    rate_at, _ = axes(picture)
    assert [rate_at(x) for x in marks(picture)] == pytest.approx([TEST.suggestion, 0.5], rel=0.01)
    said = [text for *_, text in texts(picture)]
    assert {"this recipe: 0.5", f"suggestion: {TEST.suggestion:.2g}", "learning rate (log scale)"} <= set(said)


@pytest.mark.parametrize(("rate", "side"), [(1e-9, "left"), (1e5, "right")])
def test_a_rate_outside_is_said_and_not_drawn_at_the_edge(rate, side):
    picture = parsed(rate=rate)
    assert len(marks(picture)) == 1
    assert any(text.startswith("this recipe: ") and text.endswith(f"(further {side})") for *_, text in texts(picture))


NAMES = ["lenet", "a network with a name that is longer than the picture is wide", "分類ネットワーク" * 8]


@pytest.mark.parametrize("rate", [1e-9, 1e-5, 3e-3, TEST.suggestion, 10.0])
@pytest.mark.parametrize("name", NAMES)
def test_no_texts_cross_and_all_lie_within(rate, name):
    picture = parsed(rate=rate, name=name)
    _, _, width, height = map(float, picture.get("viewBox").split())
    found = texts(picture)
    for left, right, y, text in found:
        assert 0 <= left <= right <= width, text
        assert 10 <= y <= height
    for one, other in combinations(found, 2):
        assert one[1] <= other[0] or other[1] <= one[0] or abs(one[2] - other[2]) >= 11, (one, other)


def test_it_is_readable_on_320_pixels():
    """The smallest text is then 9 pixels high or more."""
    picture = parsed()
    smallest = min(float(text.get("font-size", 12)) for text in picture.iter(f"{NS}text"))
    assert smallest * 320 / float(picture.get("viewBox").split()[2]) >= 9


@pytest.mark.parametrize("losses", [[2.3], [0.0, 0.0], [1e30, 2.3], [2.3, 1e30], [5e-324, 1.0]], ids=str)
def test_odd_tests_can_be_drawn(losses):
    """One that broke off at once, losses of nought, huge ones."""
    assert parsed(judge(RATES[: len(losses)], losses, 2.3)) is not None


def test_without_a_suggestion_only_the_recipe_is_marked():
    picture = parsed(judge(RATES, [2.3] * 100, 2.3))
    assert len(marks(picture)) == 1
    assert any(text.startswith("no suggestion: in 100 steps") for *_, text in texts(picture))


def test_a_name_is_text_whatever_it_holds():
    name = '<script>alert("&")</script>'
    assert texts(parsed(name=name))[0][3] == f"{name}: rate-range test"


def test_it_is_written_whole(tmp_path):
    path = tmp_path / "rates.svg"
    draw_rate_range(TEST, path, 0.1, "lenet")
    assert path.read_text(encoding="utf-8") == rate_svg(TEST, 0.1, "lenet")
    assert [p.name for p in tmp_path.iterdir()] == ["rates.svg"]
