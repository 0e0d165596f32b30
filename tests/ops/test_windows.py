"""Windows against counting by hand, and hints against what happens when they are followed."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archspec.ops import OPS, infer_outputs, make_op
from archspec.ops.windows import Window
from archspec.types import ShapeError
from tests.ops.draw import Case, fields, pair, types_of
from tests.ops.strategies import STRATEGIES

SMALL = {"kernel": st.integers(1, 7), "stride": st.integers(1, 9), "dilation": st.integers(1, 4)}
WINDOW = st.builds(Window, **SMALL, before=st.integers(0, 4), after=st.integers(0, 4))
CEIL = st.builds(Window, **SMALL, ceil=st.just(True)).flatmap(
    lambda w: st.integers(0, w.kernel // 2).map(lambda pad: replace(w, before=pad, after=pad))
)


def by_hand(size: int, window: Window) -> int:
    """Put the window at 0, stride, 2*stride, … of the padded axis and count."""
    padded = size + window.before + window.after
    reach = max(range(0, window.kernel * window.dilation, window.dilation)) + 1
    count = start = 0
    while start + reach <= padded:
        count, start = count + 1, start + window.stride
    hangs_over = start + reach - padded
    if window.ceil and hangs_over < window.stride and start < size + window.before:
        count += 1
    return count


@settings(deadline=None)
@given(st.integers(1, 20), WINDOW | CEIL)
def test_positions_equal_sliding_the_window(size: int, window: Window) -> None:
    assert max(0, window.positions(size)) == by_hand(size, window)


@settings(deadline=None)
@given(st.integers(1, 12), WINDOW | CEIL)
def test_least_padding_is_the_least_that_fits(size: int, window: Window) -> None:
    def fits(pad: int) -> bool:
        return by_hand(size, replace(window, before=pad, after=pad)) > 0

    least = replace(window, after=window.before).least_padding(size)
    assert fits(least)
    assert least == window.before or not fits(least - 1)


@settings(deadline=None)
@given(st.integers(1, 12), WINDOW)
def test_largest_kernel_fits(size: int, window: Window) -> None:
    largest = window.largest_kernel(size)
    assert 1 <= largest <= window.kernel
    assert by_hand(size, replace(window, kernel=largest)) > 0
    assert largest == window.kernel or by_hand(size, replace(window, kernel=largest + 1)) == 0


# Hints that ask for an edit elsewhere, so that no field of this op can follow them.
ELSEWHERE = re.compile(r"remove|put `(?:flatten|conv2d: )|put it|write `\w+(?:: 1)?`|bring them|give it the shape|end (?:input|the memory)")
FIELD = re.compile(r"(\w+) to (?:at (?:least|most) )?(\[.*?\]|[\d.e-]+|zeros|false)")


def follow(given: dict[str, Any], error: ShapeError) -> dict[str, Any] | None:
    """The fields after the hint's edit; None if the hint is not about them."""
    hint = error.hint
    if hint is None or ELSEWHERE.match(hint):
        return None
    if listed := re.match(r"write (\[.*?\])", hint):
        return given | {"shape": json.loads(listed[1])}
    if numbers := re.match(r"write the numbers 0 to (\d+)", hint):
        return given | {"dims": list(range(int(numbers[1]) + 1))}
    if re.match(r"use a dim from 1 to \d+|use `1`", hint):
        named = error.message.split()[0]
        return given | {named: 1}
    if re.match(r"use an index from 0 to \d+", hint):
        return given | {"index": int(hint.split()[-1])}
    assert re.match("set|raise|lower", hint), f"unknown kind of hint: {hint}"
    edits = FIELD.findall(hint)
    assert edits, hint
    return given | {k: v if v == "zeros" else json.loads(v) for k, v in edits}


def follow_all(name: str, case: Case) -> int:
    """Follow hints until the op accepts its input, at most four; how many it took."""
    given, shapes = case
    inputs = types_of(name, shapes)
    op = make_op(name, given)
    for step in range(5):
        try:
            infer_outputs(op, inputs)[0]
        except ShapeError as error:
            assert step < 4, f"{error.message}: {error.hint}"
            edited = follow(given, error)
            if edited is None:
                return step
            given = edited
            op = make_op(name, given)  # the edit must be valid in itself
        else:
            return step
    raise AssertionError


@pytest.mark.parametrize("name", sorted(OPS))
def test_every_hint_works_when_followed(name: str) -> None:
    @settings(deadline=None, max_examples=25, database=None)
    @given(STRATEGIES[name])
    def body(case: Case) -> None:
        try:
            make_op(name, case[0])
        except ValueError:
            return
        follow_all(name, case)

    body()


IMAGE = st.tuples(st.just(1), st.sampled_from([1, 4, 6]), st.integers(1, 7), st.integers(1, 7))
WIDE = {"kernel_size": pair(1, 14), "stride_": pair(1, 4), "dilation_": pair(1, 4), "padding_": pair(0, 6)}
TIGHT = {
    "conv2d": fields(
        **WIDE,
        out_channels=st.sampled_from([2, 6]),
        groups_=st.integers(1, 2),
        padding_mode_=st.sampled_from(["zeros", "reflect", "replicate", "circular"]),
    ),
    "max_pool2d": fields(**WIDE, ceil_mode_=st.booleans()),
    "avg_pool2d": fields(**{k: v for k, v in WIDE.items() if k != "dilation_"}, ceil_mode_=st.booleans()),
    "conv_transpose2d": fields(**WIDE, out_channels=st.sampled_from([2, 6]), groups_=st.integers(1, 2)),
}


@pytest.mark.parametrize("name", TIGHT)
def test_window_that_does_not_fit_fits_after_its_hint(name: str) -> None:
    followed = 0

    @settings(deadline=None, max_examples=100, database=None, derandomize=True)
    @given(TIGHT[name], IMAGE)
    def body(given: dict[str, Any], shape: tuple[int, ...]) -> None:
        nonlocal followed
        try:
            make_op(name, given)
        except ValueError:
            return
        followed += follow_all(name, (given, (shape,))) > 0

    body()
    assert followed >= 7
