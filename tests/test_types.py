"""Dimensions that are not known: what they absorb, and that all else raises instead of going wrong in silence."""

import copy
import math
import operator
import pickle
from fractions import Fraction

import pytest

from archspec.types import UNKNOWN, TensorType, is_unknown, shape_text
from tests.helpers import comparisons_are_written_out

BINARY = [operator.add, operator.sub, operator.mul, operator.floordiv, operator.mod, operator.pow]
COMPARISONS = [operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge]


@pytest.mark.parametrize("operation", BINARY)
@pytest.mark.parametrize("other", [0, 1, -3, 10**30, True, UNKNOWN])
def test_whole_numbers_are_absorbed(operation, other):
    assert operation(UNKNOWN, other) is operation(other, UNKNOWN) is UNKNOWN


def test_what_else_has_an_answer():
    assert -UNKNOWN is +UNKNOWN is abs(UNKNOWN) is UNKNOWN
    assert math.prod([2, UNKNOWN, 3]) is sum([2, UNKNOWN]) is UNKNOWN
    assert is_unknown(UNKNOWN) and not is_unknown(0) and not UNKNOWN
    assert f"{UNKNOWN}" == str(UNKNOWN) == repr(UNKNOWN) == "?"
    assert shape_text((1, UNKNOWN, 3)) == "(?, 3)"
    assert TensorType((1, UNKNOWN, 3)).numel is UNKNOWN and TensorType((1, UNKNOWN)).nbytes is UNKNOWN
    assert copy.deepcopy(UNKNOWN) is pickle.loads(pickle.dumps(UNKNOWN)) is UNKNOWN


@pytest.mark.parametrize("compare", COMPARISONS)
@pytest.mark.parametrize("other", [0, 3, UNKNOWN, 0.5, "x"])
def test_comparisons_are_false(compare, other):
    assert compare(UNKNOWN, other) is False and compare(other, UNKNOWN) is False


REFUSED = {
    "4 / u": lambda u: 4 / u, "u / 4": lambda u: u / 4, "u / u": lambda u: u / u, "divmod": lambda u: divmod(u, 2),
    "divmod of": lambda u: divmod(7, u), "pow modulo": lambda u: pow(u, 2, 3), "u * 0.5": lambda u: u * 0.5,
    "0.5 * u": lambda u: 0.5 * u, "u + 0.5": lambda u: u + 0.5, "u // 2.0": lambda u: u // 2.0, "u << 1": lambda u: u << 1,
    "1 << u": lambda u: 1 << u, "u >> 1": lambda u: u >> 1, "u & 1": lambda u: u & 1, "u | 1": lambda u: u | 1,
    "u ^ 1": lambda u: u ^ 1, "~u": lambda u: ~u, "u @ 1": lambda u: u @ 1, "int": int, "float": float, "complex": complex,
    "round": round, "index": operator.index, "range": range, "gcd": lambda u: math.gcd(u, 4), "lcm": lambda u: math.lcm(4, u),
    "isqrt": math.isqrt, "sqrt": math.sqrt, "log2": math.log2, "comb": lambda u: math.comb(u, 1), "floor": math.floor,
    "ceil": math.ceil, "trunc": math.trunc, "factorial": math.factorial, "isfinite": math.isfinite, "Fraction": Fraction,
    "hex": hex, "bin": bin, "oct": oct, "chr": chr, "bytes": bytes, "[1] * u": lambda u: [1] * u, "(1,) * u": lambda u: (1,) * u,
    "'x' * u": lambda u: "x" * u, "[0][u]": lambda u: [0][u], "[0][:u]": lambda u: [0][:u], ":d": lambda u: f"{u:d}",
    ":,": lambda u: f"{u:,}", "bit_length": lambda u: u.bit_length(), "iter": iter, "len": len,
    "numerator": lambda u: u.numerator, "to_bytes": lambda u: u.to_bytes(2, "big"), "+ '1'": lambda u: u + "1",
    "u * [1]": lambda u: u * [1],
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_answer_raises(name):
    with pytest.raises((TypeError, AttributeError)):
        REFUSED[name](UNKNOWN)


def test_every_method_of_an_integer_is_accounted_for():
    """One that a later Python adds, too: what UnknownDim has of int's methods is meant, the rest raises."""
    arithmetic = {f"__{side}{name}__" for side in ("", "r") for name in ("add", "sub", "mul", "floordiv", "mod", "pow")}
    comparisons = {f"__{compare.__name__}__" for compare in COMPARISONS}
    own = {name for name in dir(int) if name in vars(type(UNKNOWN))}
    assert own == arithmetic | comparisons | {"__neg__", "__pos__", "__abs__", "__bool__", "__hash__", "__repr__", "__reduce__", "__doc__"}
    assert set(dir(UNKNOWN)) - set(dir(object())) <= own | {"_absorb", "_same", "_false", "__slots__", "__module__"}


@pytest.mark.parametrize("builtin", [max, min, lambda *a: sorted(a)])
def test_builtins_that_compare_are_caught_in_tests(builtin):
    with comparisons_are_written_out():
        for arguments in ((3, UNKNOWN), (UNKNOWN, 3)):
            with pytest.raises(TypeError, match="a builtin compares an unknown dimension"):
                builtin(*arguments)
        assert not UNKNOWN < 3 and not UNKNOWN > 3 and UNKNOWN not in (1, 3)
