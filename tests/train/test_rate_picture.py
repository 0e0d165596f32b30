"""The SVG of a rate-range test, parsed, and read back against its own axes."""

import math
import xml.etree.ElementTree as ET

import pytest

from archspec.train.rate_picture import draw_rate_range, rate_svg
from archspec.train.rate_range import judge

RATES = [10 ** (-5 + 6 * k / 99) for k in range(100)]
LOSSES = [2.3 + 0.03 * (-1) ** k for k in range(40)] + [2.3 - 0.05 * k for k in range(30)] + [1 + 0.2 * k for k in range(30)]
TEST = judge(RATES, LOSSES, 2.3)
NS = "{http://www.w3.org/2000/svg}"


def parsed(test=TEST, rate=0.1, name="lenet"):
    return ET.fromstring(rate_svg(test, rate, name))


def texts(picture):
    return [(float(t.get("x")), float(t.get("y")), t.text) for t in picture.iter(f"{NS}text")]


def axes(picture):
    """From the tick labels: functions from a place in the picture to a rate and to a loss."""
    rates = [(x, float(text)) for x, _, text in texts(picture) if text.startswith("1e")]
    right = [(y - 4, float(text)) for x, y, text in texts(picture) if x == 54]
    assert len(rates) == 7
    assert len(right) == 5
    (x0, r0), (x1, r1) = rates[0], rates[-1]
    (y0, l0), (y1, l1) = right[0], right[-1]
    return (
        lambda x: 10 ** (math.log10(r0) + (x - x0) / (x1 - x0) * math.log10(r1 / r0)),
        lambda y: l0 + (y - y0) / (y1 - y0) * (l1 - l0),
    )


def test_points_and_line_lie_where_the_axes_say():
    picture = parsed()
    rate_at, loss_at = axes(picture)
    circles = [(float(c.get("cx")), float(c.get("cy"))) for c in picture.iter(f"{NS}circle")]
    (line,) = picture.iter(f"{NS}polyline")
    points = [tuple(map(float, pair.split(","))) for pair in line.get("points").split()]
    assert len(circles) == len(points) == len(RATES)
    for (x, y), rate, loss in [*zip(circles, RATES, TEST.losses, strict=True), *zip(points, RATES, TEST.smoothed, strict=True)]:
        assert rate_at(x) == pytest.approx(rate, rel=0.005)
        assert loss_at(y) == pytest.approx(min(max(loss, loss_at(350)), loss_at(70)), abs=0.01)


def test_marks_stand_at_the_suggestion_and_at_the_recipe_s_rate():
    picture = parsed(rate=0.5)
    rate_at, _ = axes(picture)
    marks = [line for line in picture.iter(f"{NS}line") if line.get("stroke-dasharray")]
    assert all(line.get("x1") == line.get("x2") for line in marks)
    assert [rate_at(float(line.get("x1"))) for line in marks] == pytest.approx([0.5, TEST.suggestion], rel=0.005)
    assert [text for _, _, text in texts(picture) if ": 0" in text][-2:] == ["recipe: 0.5", f"suggestion: {TEST.suggestion:.2g}"]


@pytest.mark.parametrize("rate", [1e-9, 1e-5, 3e-3, 10.0, 1e5])
def test_all_of_it_lies_within_the_picture(rate):
    picture = parsed(rate=rate)
    _, _, width, height = map(float, picture.get("viewBox").split())
    for element in picture.iter():
        for key, end in {"x": width, "x1": width, "x2": width, "cx": width, "y": height, "cy": height}.items():
            assert 0 <= float(element.get(key, 0)) <= end


def test_without_a_suggestion_only_the_recipe_is_marked():
    picture = parsed(judge(RATES, [2.3] * 100, 2.3))
    assert len([line for line in picture.iter(f"{NS}line") if line.get("stroke-dasharray")]) == 1
    assert any(text.startswith("no suggestion: in 100 steps") for _, _, text in texts(picture))


def test_a_name_is_text_whatever_it_holds():
    name = '<script>alert("&")</script>'
    assert texts(parsed(name=name))[0][2] == f"{name}: rate-range test"


def test_it_is_written_whole(tmp_path):
    path = tmp_path / "rates.svg"
    draw_rate_range(TEST, path, 0.1, "lenet")
    assert path.read_text(encoding="utf-8") == rate_svg(TEST, 0.1, "lenet")
    assert [p.name for p in tmp_path.iterdir()] == ["rates.svg"]
