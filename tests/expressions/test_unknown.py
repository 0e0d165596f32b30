"""Unknown values: they stay unknown, and hide no other mistake."""

from __future__ import annotations

import copy
import math
import pickle

import pytest

from archspec.expressions import UNKNOWN_VALUE, holds_unknown, is_unknown
from archspec.source import BROKEN
from archspec.types import UNKNOWN
from tests.expressions.helpers import mistake, value


@pytest.mark.parametrize(
    "text",
    [
        "u", "broken", "dim", "u + 1", "t + u", "u // 0", "-u", "not u", "u < 1", "'a' < u", "u == u", "u != 1",
        "dim == 1", "[1, u]",
        "x[u]", "u[0]", "u.channels", "u.0", "in.height", "in.height // 2", "hole[1]", "hole.2", "sum(hole)",
        "max(u, t)", "int(u)",
        "hole == x", "len(u)", "make_divisible(u)", "make_divisible(8, u)", "1 if u else 2", "u and yes",
        "yes and u", "u or no",
        "u and 1 // 0 == 1", "u or t", "u and u", "1 < u < 3", "u < 2 < 3", "u < 2 < t", "(1 if u else t) * 2",
        "[[u]] == 3",
        "u[1 // 1]", "hole == hole",
    ],
)  # fmt: skip
def test_unknown_stays_unknown(text):
    assert value(text) is UNKNOWN_VALUE


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("u and no", False), ("no and u", False), ("u or yes", True), ("yes or u", True), ("u and yes and no", False),
        ("3 < 2 < u", False), ("u < 3 < 2", False), ("len(hole)", 3), ("hole[0]", 1), ("1 if yes else u", 1),
        ("[3, a][1]", 7),
    ],
)  # fmt: skip
def test_what_is_known_in_spite_of_it(text, expected):
    assert value(text) == expected


def test_mistakes_beside_unknown_values_are_told():
    assert mistake("1 // 0 + u")[2] == "division by zero"
    assert mistake("u + zzz")[0] == "SPEC031"


def test_the_unknown_value_is_one_of_a_kind():
    assert copy.deepcopy([UNKNOWN_VALUE])[0] is pickle.loads(pickle.dumps(UNKNOWN_VALUE)) is UNKNOWN_VALUE
    assert f"{UNKNOWN_VALUE} {UNKNOWN_VALUE!r}" == "? ?"
    assert is_unknown(UNKNOWN) and is_unknown(BROKEN) and not is_unknown([UNKNOWN_VALUE])
    assert holds_unknown([1, [UNKNOWN]]) and not holds_unknown([1, math.nan, True])
