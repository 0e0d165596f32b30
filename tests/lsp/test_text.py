"""Columns and changes as editors count them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archspec.lsp.text import Change, Spot, changed, lines_of, to_characters, to_units

LINE = "aä€😀b"


@pytest.mark.parametrize(("encoding", "units"), [
    ("utf-8", [0, 1, 3, 6, 10, 11]), ("utf-16", [0, 1, 2, 3, 5, 6]), ("utf-32", [0, 1, 2, 3, 4, 5]),
])
def test_columns(encoding: str, units: list[int]) -> None:
    assert [to_units(LINE, column, encoding) for column in range(6)] == units
    assert [to_characters(LINE, unit, encoding) for unit in units] == list(range(6))


def test_a_column_inside_a_character_or_behind_the_line() -> None:
    assert to_characters(LINE, 4) == 3
    assert to_characters(LINE, 99) == 5
    assert to_characters("abc", 99) == 3


def test_lines_end_as_in_an_editor() -> None:
    assert lines_of("a\r\nb\rc\nd\u2028e\x0cf") == ["a", "b", "c", "d\u2028e\x0cf"]


@given(st.text(alphabet="ab😀\n\rä\u2028", max_size=12), st.data(), st.sampled_from(["utf-8", "utf-16", "utf-32"]))
def test_a_change_replaces_what_it_names(text: str, data: st.DataObject, encoding: str) -> None:
    lines = lines_of(text)
    spots = []
    for _ in range(2):
        line = data.draw(st.integers(0, len(lines) - 1))
        spots.append((line, data.draw(st.integers(0, len(lines[line])))))
    (first, last), new = sorted(spots), data.draw(st.text(max_size=3))
    start, end = (Spot(line, to_units(lines[line], column, encoding)) for line, column in (first, last))
    result = changed(text, Change(start, end, new), encoding)
    kept_before = "\n".join([*lines[: first[0]], lines[first[0]][: first[1]]])
    kept_after = "\n".join([lines[last[0]][last[1] :], *lines[last[0] + 1 :]])
    assert "\n".join(lines_of(result)) == "\n".join(lines_of(f"{kept_before}{new}{kept_after}")) or "\r" in new + text


def test_a_change_of_everything() -> None:
    assert changed("abc", Change(None, None, "x")) == "x"
    assert changed("abc\n", Change(Spot(9, 0), Spot(9, 4), "x")) == "abc\nx"
