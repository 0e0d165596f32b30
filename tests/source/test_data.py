"""Data made in Python, in place of a text."""

from __future__ import annotations

from pathlib import Path

import pytest

from archspec.diagnostics import SpecError
from archspec.source import document_of


def test_python_data_is_copied_and_has_no_places():
    inner = [1, 2.5, None, True, "x"]
    document = document_of({"a": inner, "b": {"c": (1, 2)}}, "made")
    inner.append(6)
    assert document.data == {"a": [1, 2.5, None, True, "x"], "b": {"c": [1, 2]}}
    assert document.span(("a", 0)) is None
    assert document.part(("a", 4), 0) is None
    assert (document.name, document.errors) == ("made", ())


def _endless():
    data = []
    data.append(data)
    return data


def _doubling():
    data = [1]
    for _ in range(60):
        data = [data, data]
    return data


@pytest.mark.parametrize(
    ("data", "code", "message"),
    [
        ({"a": {1: 2}}, "SPEC008", "a: the key 1 is not text"),
        ({"a": [{1, 2}]}, "SPEC009", "a.0: set is not plain data"),
        (object(), "SPEC009", "the data: object is not plain data"),
        ({"a": Path("x")}, "SPEC009", "is not plain data"),
        ({"a": 10**100}, "SPEC009", "a: a number with more than 100 digits"),
        ({"a": ["x\x1b"]}, "SPEC007", "a.0: the text contains the control character U+001B"),
        ({"x\0": 1}, "SPEC007", "the text contains the control character U+0000"),
        (_endless(), "SPEC003", "the data is nested deeper than 64 levels"),
        (_doubling(), "SPEC003", "the data has more than 100000 values"),
        ([0] * 100_000, "SPEC003", "the data has more than 100000 values"),
    ],
)
def test_python_data_that_is_not_plain(data, code, message):
    with pytest.raises(SpecError) as caught:
        document_of(data)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == code
    assert message in diagnostic.message
