"""What callers of expressions use."""

from __future__ import annotations

import pickle

import pytest

from archspec.expressions import UNKNOWN_VALUE, ExpressionError, evaluate, free_names, template
from archspec.types import UNKNOWN
from tests.expressions.helpers import NAMES


def test_a_lookup_function_is_asked_for_what_is_used():
    asked = []

    def lookup(name):
        asked.append(name)
        return NAMES[name]

    assert evaluate(template("$(a + a if no else b)"), lookup, ("a", "b", "no")) == -3
    assert asked == ["no", "b"]
    assert evaluate(template("$a"), lookup) == 7
    with pytest.raises(ExpressionError, match=r"unknown name `ab`; visible: abc, d"):
        evaluate(template("$ab"), lookup, ("abc", "d"))


def test_a_mapping_may_be_given_too():
    assert evaluate(template("$a"), NAMES) == 7
    assert evaluate(template("$a"), {"a": UNKNOWN}) is UNKNOWN_VALUE


def test_free_names():
    assert free_names([template("$a"), template("$(b + max(c, in.channels))"), "text"]) == {"a", "b", "c", "in"}
    assert free_names([]) == frozenset()


def test_errors_can_be_pickled():
    error = pickle.loads(pickle.dumps(ExpressionError("SPEC030", "broken", 3, 2, hint="mend")))
    assert (error.code, error.message, error.offset, error.length, error.hint) == ("SPEC030", "broken", 3, 2, "mend")
