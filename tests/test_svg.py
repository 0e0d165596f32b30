"""Text in pictures: measured, cut, wrapped, escaped; ticks."""

import math
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archspec.svg import COLOURS, cut, number_text, picture, svg_text, text_width, ticks, wrap_lines


@pytest.mark.parametrize(("text", "ems"), [
    ("猫", 1), ("ﾈｺ", 1.48), ("고양이", 3), ("e\u0301", 0.64), ("각", 1), ("👍", 1), ("日本", 2), ("", 0),
])
def test_widths(text, ems):
    """Chinese, Japanese and Korean are twice as wide as Latin, accents have no width."""
    assert text_width(text, 10) == pytest.approx(10 * ems)


TEXT = st.text(st.characters(categories=("L", "M", "N", "P", "Zs", "So", "Cf")), max_size=40)


@settings(deadline=None)
@given(TEXT, st.floats(20, 200))
def test_what_is_cut_fits_and_is_a_beginning(text, width):
    shown = cut(text, width)
    assert text_width(shown) <= max(width, text_width("…"))
    assert shown == text or (shown.endswith("…") and text.startswith(shown[:-1].rstrip()))


def test_a_cut_takes_no_accent_and_no_family_apart():
    assert cut("e\u0301" * 20, 40).removesuffix("…") == "e\u0301" * 3
    scientist = "👩\N{ZERO WIDTH JOINER}🔬"
    assert cut(scientist * 9, 64).removesuffix("…") == scientist * 2


@settings(deadline=None)
@given(TEXT, st.floats(30, 200))
def test_lines_fit_and_hold_every_word(text, width):
    lines = wrap_lines(text, width)
    assert "".join(lines).replace(" ", "") == "".join(text.split())
    assert all(text_width(line) <= width or len(line) < 40 for line in lines)


def test_a_word_longer_than_a_line_is_broken():
    lines = wrap_lines("飞" * 30, 120)
    assert [len(line) for line in lines] == [10, 10, 10]


@given(st.text(max_size=30))
def test_any_text_is_xml(text):
    root = ElementTree.fromstring(f"<a>{svg_text(text)}</a>")
    assert len(root.text or "") == len(text)
    assert "\u202e" not in svg_text("\u202eabc")


@settings(deadline=None)
@given(st.floats(-1e6, 1e6), st.floats(1, 1e6))
def test_ticks_are_round_and_enclose(low, span):
    found = ticks(low, low + span)
    step = found[1] - found[0]
    assert found[0] <= low + 1e-6 * span
    assert found[-1] >= low + span - 1e-6 * span
    assert 2 <= len(found) <= 6
    assert found[-1] - found[0] <= 4.1 * span
    mantissa = step / 10.0 ** math.floor(math.log10(step) + 1e-6)
    assert any(mantissa == pytest.approx(digit, rel=1e-3) for digit in (1, 2, 5))


@pytest.mark.parametrize(("low", "high", "expected"), [
    (1.42, 2.61, [1.4, 1.6, 1.8, 2, 2.2, 2.4, 2.6, 2.8]), (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]), (2.3, 2.3, None), (0, 0, None),
    (2.3, 2.3 + 4e-16, None), (0, 5e-324, None),
])
def test_ticks_of_losses(low, high, expected):
    found = ticks(low, high, 8 if expected and len(expected) > 6 else 6)
    assert found == expected if expected else found[0] < low <= high < found[-1]


@pytest.mark.parametrize(("value", "text"), [
    (1e-5, "1e-5"), (0.001, "0.001"), (0.5, "0.5"), (20, "20"), (0, "0"), (1e7, "1e7"), (2.5e-4, "2.5e-4"), (-3.0, "-3"),
])
def test_numbers(value, text):
    assert number_text(value) == text


def test_a_picture_has_colours_for_light_and_dark_and_a_title():
    root = ElementTree.fromstring(picture(100, 50, ['<text class="own">x</text>'], "a & b", styles={"own": ("fill:red", "fill:blue")}))
    light, _, dark = root.findtext("{http://www.w3.org/2000/svg}style").partition("@media(prefers-color-scheme:dark)")
    for name, rules in (COLOURS | {"own": ("fill:red", "fill:blue")}).items():
        assert f".{name}{{{rules[0]}}}" in light
        assert f".{name}{{{rules[1]}}}" in dark
    assert root.findtext("{http://www.w3.org/2000/svg}title") == "a & b"
    assert "max-width:100%" in root.get("style")
