"""Applying fixes to a text: line ends, whole lines, fixes that overlap."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archspec.diagnostics import Edit, Fix, SourceSpan
from archspec.diagnostics.edits import compatible, edited, replacements

TEXT = "a: 1\nb:\n  - relu\n  - tanh  # kept\nc: 2"


def edit(line: int, column: int, length: int, new: str, text: str = TEXT, path: str = "a.yaml") -> Edit:
    return Edit(SourceSpan(path, line, column, length, text.split("\n")[line - 1]), new)


@pytest.mark.parametrize(
    ("edits", "after"),
    [
        pytest.param([], TEXT, id="none"),
        pytest.param([edit(1, 4, 1, "10"), edit(1, 1, 1, "alpha")], TEXT.replace("a: 1", "alpha: 10"), id="two-in-a-line"),
        pytest.param([edit(3, 1, 8, "")], "a: 1\nb:\n  - tanh  # kept\nc: 2", id="a-whole-line"),
        pytest.param([edit(2, 1, 2, ""), edit(3, 1, 8, ""), edit(4, 1, 16, "")], "a: 1\nc: 2", id="lines-in-a-row"),
        pytest.param([edit(5, 1, 4, "")], "a: 1\nb:\n  - relu\n  - tanh  # kept", id="the-last-line"),
        pytest.param([edit(1, 1, 4, "")], TEXT.removeprefix("a: 1\n"), id="the-first-line"),
        pytest.param([edit(3, 9, 0, "\n  - elu")], TEXT.replace("relu", "relu\n  - elu"), id="a-new-line"),
        pytest.param([edit(1, 4, 1, "3"), edit(1, 4, 1, "3")], TEXT.replace("a: 1", "a: 3"), id="one-twice"),
    ],
)
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_edits_of_a_text(edits: list[Edit], after: str, newline: str) -> None:
    assert edited(TEXT.replace("\n", newline), edits) == after.replace("\n", newline)


def test_a_text_of_one_line_may_become_empty() -> None:
    assert edited("x: 1", [edit(1, 1, 4, "", "x: 1")]) == ""


@pytest.mark.parametrize(
    "edits",
    [
        pytest.param([edit(1, 1, 4, "", "a: 2")], id="another-text"),
        pytest.param([Edit(SourceSpan("a.yaml", 9, 1, 1, "x"), "")], id="no-such-line"),
        pytest.param([edit(1, 1, 3, "x"), edit(1, 3, 2, "y")], id="overlapping"),
    ],
)
def test_edits_that_cannot_be_made_are_refused(edits: list[Edit]) -> None:
    with pytest.raises(ValueError, match="line"):
        edited(TEXT, edits)


def test_a_line_that_was_empty_stays() -> None:
    assert edited("a\n\nb", [Edit(SourceSpan("f", 2, 1, 0, ""), " ")]) == "a\n \nb"


def test_of_fixes_that_overlap_the_first_is_made() -> None:
    first, second, apart = (Fix((edit(1, column, length, "x"),)) for column, length in ((1, 2), (2, 1), (4, 1)))
    assert compatible([apart, second, first]) == [first, apart]
    both = Fix((edit(1, 4, 1, "y"), edit(5, 4, 1, "z")))
    assert compatible([both, apart]) == [apart]  # all of a fix, or nothing of it
    assert compatible([apart, apart]) == [apart]
    assert compatible([Fix((edit(1, 4, 0, "x"),)), Fix((edit(1, 4, 1, "y"),))]) != []
    elsewhere = Fix((edit(1, 1, 2, "x", path="b.yaml"),))
    assert compatible([first, elsewhere]) == [first, elsewhere]


def test_an_insertion_overlaps_what_it_touches() -> None:
    insertion, after = Fix((edit(1, 4, 0, "x"),)), Fix((edit(1, 4, 1, "y"),))
    assert len(compatible([insertion, after])) == 1


LINES = st.lists(st.text(st.sampled_from("ab:- #é𝜎"), max_size=6), min_size=1, max_size=6)


@given(LINES, st.data())
def test_replacements_of_a_text_are_in_order_and_apart(lines: list[str], data: st.DataObject) -> None:
    edits = []
    for _ in range(data.draw(st.integers(0, 4))):
        line = data.draw(st.integers(0, len(lines) - 1))
        column = data.draw(st.integers(0, len(lines[line])))
        length = data.draw(st.integers(0, len(lines[line]) - column))
        edits.append(Edit(SourceSpan("f", line + 1, column + 1, length, lines[line]), data.draw(st.sampled_from(["", "x", "y\nz"]))))
    chosen = [e for fix in compatible(Fix((e,)) for e in edits) for e in fix.edits]
    found = replacements(lines, chosen)
    for one, other in pairwise(found):
        assert one.end <= other.start
    after = edited("\n".join(lines), chosen)
    for one in reversed(found):  # the same by hand, as an editor does it
        (line, column), (last, end) = one.start, one.end
        lines[line : last + 1] = (lines[line][:column] + one.text + lines[last][end:]).split("\n")
    assert after == "\n".join(lines)
