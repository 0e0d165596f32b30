"""A name or an expression without its `$`: told once, with the `$` in the hint; the var then counts as used."""

from __future__ import annotations

import pytest

import archspec
from tests.helpers import assert_marked, labels

SPEC = """\
archspec: 1
input: [1, 28, 28]
vars: {width: 16, act: relu, depth: 2, rate: 0.1}
blocks:
  conv:
    params: {channels: int, k: 3, last: relu}
    body: [{conv2d: {out_channels: $channels, kernel_size: $k, padding: $(k // 2)}}, $last]
stages:
  stem: [conv: $width, {relu: , repeat: $depth}, $act]
  body: [{conv: [$(2 * width), 3], when: $(width > 8)}]
  head: [global_avg_pool2d, flatten, linear: 10]
train: {data: mnist, lr: $rate}
"""


@pytest.mark.parametrize(
    ("right", "wrong", "code"),
    [
        pytest.param("out_channels: $channels", "out_channels: «channels»", "SPEC012", id="field"),
        pytest.param("kernel_size: $k", "kernel_size: «k»", "SPEC012", id="field-of-a-pair"),
        pytest.param("padding: $(k // 2)", "padding: «k // 2»", "SPEC012", id="expression"),
        pytest.param("conv: $width", "conv: «width»", "SPEC024", id="argument"),
        pytest.param("[$(2 * width), 3]", "[«2 * width», 3]", "SPEC024", id="argument-expression"),
        pytest.param("repeat: $depth", "repeat: «depth»", "SPEC042", id="repeat"),
        pytest.param("when: $(width > 8)", "when: «width > 8»", "SPEC042", id="when"),
        pytest.param("when: $(width > 8)", "when: «in.channels > 8»", "SPEC042", id="in"),
        pytest.param("$last]", "«last»]", "SPEC020", id="layer-of-a-param"),
        pytest.param(", $act]", ", «act»]", "SPEC020", id="layer-of-a-var"),
        pytest.param("lr: $rate", "lr: «rate»", "SPEC060", id="recipe"),
    ],
)
def test_following_the_hint_is_valid(right: str, wrong: str, code: str) -> None:
    assert right in SPEC
    (found,) = assert_marked(SPEC.replace(right, wrong), (code, ""))
    assert found.hint is not None
    before, _, rest = wrong.partition("«")
    fixed = before + found.hint.removeprefix("write ").strip("`") + rest.partition("»")[2]
    assert "$" in fixed
    assert archspec.check(SPEC.replace(right, fixed)) == ()


def test_an_input() -> None:
    text = "archspec: 1\ninput: «[c, 8, 8]»\nvars: {c: 3}\nstages: {a: relu}\n"
    (found,) = assert_marked(text, ("SPEC012", "`input` must be [channels, height, width]"))
    assert found.hint == "write `$c`"


def test_through_a_param_it_is_told_where_it_was_written() -> None:
    text = SPEC.replace("conv: $width", "conv: [$width, «width»]").replace("$(k // 2)", "0")
    (found,) = assert_marked(text, ("SPEC012", "`kernel_size` of `conv2d` must be"))
    assert found.hint == "write `$width`"


def test_in_an_expression_the_hint_says_where() -> None:
    text = SPEC.replace("conv: $width", "conv: [$width, width]").replace("$(k // 2)", "$(k «//» 2)")
    (found,) = assert_marked(text, ("SPEC032", "`//` needs numbers, got \"width\""))
    assert (found.hint, labels(found)) == ("write `$width`", [(9, 10, "block `conv` is called here"), (9, 25, "meant here")])


@pytest.mark.parametrize("value", ["tenfold", "about 10 classes", "width.height.", "'='", "''", "true and", "2 * nope"])
def test_any_other_text_is_not_taken_for_one(value: str) -> None:
    text = SPEC.replace("linear: 10", f"linear: {value}")
    (found,) = archspec.check(text)
    assert (found.code, found.hint) == ("SPEC012", None)


def test_what_is_misspelt_besides_does_not_count_as_used() -> None:
    codes = [d.code for d in archspec.check(SPEC.replace("repeat: $depth", "repeat: dept"))]
    assert codes == ["SPEC025", "SPEC042"]


def test_a_number_is_no_layer_however_it_is_written() -> None:
    text = SPEC.replace(", $act]", ", $act, width]")
    (found,) = archspec.check(text)
    assert (found.code, found.hint) == ("SPEC020", "`archspec list` shows all ops and blocks")


def test_an_expectation() -> None:
    text = "archspec: 1\ninput: [3, 8, 8]\nvars: {n: 3, c: 0}\nstages: {a: relu}\nexpect: {output: «[n, 8, 8]», params: «c»}\n"
    shape, count = assert_marked(text, ("SPEC012", "must be a list of integers"), ("SPEC012", "must be an integer"))
    assert (shape.hint, count.hint) == ("write `$n`", "write `$c`")


def test_a_number_in_quotes_is_named_where_it_is_written() -> None:
    text = 'archspec: 1\ninput: [4]\nvars: {n: "2"}\nstages: {a: [linear: $(8 «//» n)]}\n'
    (found,) = assert_marked(text, ("SPEC032", '`//` needs numbers, got "2"'))
    assert (found.hint, labels(found)) == ("write 2 without quotes", [(3, 11, "meant here")])
    assert found.fix is not None and found.fix.safe
