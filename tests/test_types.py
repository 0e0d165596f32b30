"""Dimensions that are not known: what they absorb, and that all else raises instead of going wrong in silence."""

import copy
import math
import operator
import pickle
from fractions import Fraction

import pytest

from archspec.text import shape_text
from archspec.types import BATCH, UNKNOWN, BatchDim, TensorType, is_unknown
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
    assert shape_text((UNKNOWN, 3)) == "(?, 3)"
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


B = BatchDim(3)
SUPPORTED = {
    "N * 2": (lambda: BATCH * 2, BatchDim(2)), "2 * N": (lambda: 2 * BATCH, BatchDim(2)),
    "N + N": (lambda: BATCH + BATCH, BatchDim(2)), "sum": (lambda: sum([BATCH, BATCH * 3]), BatchDim(4)),
    "prod": (lambda: math.prod([BATCH, 3, 4]), BatchDim(12)), "6N // 2": (lambda: BatchDim(6) // 2, B),
    "6N % 3": (lambda: BatchDim(6) % 3, 0), "unknown * N": (lambda: UNKNOWN * BATCH, UNKNOWN),
    "N * unknown": (lambda: BATCH * UNKNOWN, UNKNOWN), "N + unknown": (lambda: BATCH + UNKNOWN, UNKNOWN),
    "N // unknown": (lambda: BATCH // UNKNOWN, UNKNOWN), "unknown // N": (lambda: UNKNOWN // BATCH, UNKNOWN),
}


@pytest.mark.parametrize("name", SUPPORTED)
def test_multiples_of_the_batch(name):
    compute, wanted = SUPPORTED[name]
    found = compute()
    assert found is UNKNOWN if wanted is UNKNOWN else found == wanted


@pytest.mark.parametrize("compute", [
    lambda n: n + 1, lambda n: 1 - n, lambda n: n - n, lambda n: n * n, lambda n: n // 2, lambda n: 6 // n, lambda n: n % 2,
    lambda n: 7 % n, lambda n: n / 2, lambda n: n < 3, lambda n: n <= 3, lambda n: max(n, 3), lambda n: sorted([n, 1]),
    lambda n: math.gcd(n, 4), lambda n: n * 0.5, lambda n: n**2, range, int, operator.index, lambda n: -n, lambda n: n // 0,
    lambda n: n & 1, lambda n: [0] * n, lambda n: f"{n:d}", abs, round, lambda n: divmod(n, 2),
])
def test_what_would_depend_on_the_batch_size_raises(compute):
    with pytest.raises(TypeError):
        compute(BATCH)


def test_the_batch_equals_no_number_and_itself():
    assert BatchDim() == BATCH and BATCH != 1 and BATCH != 2 * BATCH and hash(BATCH) == hash(BatchDim())
    assert BATCH not in (1, 3) and not is_unknown(BATCH)
    assert (BATCH == UNKNOWN) is (BATCH != UNKNOWN) is (UNKNOWN == BATCH) is False
    assert f"{BATCH} {3 * BATCH}" == "N 3N"
    assert pickle.loads(pickle.dumps(BATCH)) == copy.deepcopy(BATCH) == BATCH


def test_types_in_a_batch():
    x = TensorType((BATCH, 3, 4))
    assert x.at(2) == TensorType((2, 3, 4)) and TensorType((4 * BATCH, 3)).at(2).shape == (8, 3)
    assert x.numel == BatchDim(12) and x.at(5).numel == 60 and x.at(5).nbytes == 240
    assert TensorType((5, 3)).at(2).shape == (5, 3) and TensorType(()).at(2).numel == 1
    assert x.known and not TensorType((BATCH, UNKNOWN)).known
    assert TensorType((BATCH, UNKNOWN)).at(2).numel is UNKNOWN
    assert shape_text(x.shape[1:]) == "(3, 4)"
