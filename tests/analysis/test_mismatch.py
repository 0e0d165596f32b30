"""Where an expectation that fails says to look."""

from __future__ import annotations

import pytest

import archspec

NET = """\
archspec: 1
input: [1, 28, 28]
stages:
  stem: [{conv2d: {out_channels: 8, kernel_size: 3, padding: 1}}, batch_norm2d, max_pool2d: 2]
  body: [sequential: [{conv2d: {out_channels: 16, kernel_size: 3, padding: 1}}, max_pool2d: 2], relu]
  head: [global_avg_pool2d, flatten, linear: 10]
"""
PARAMS = (8 * 9 + 8) + 16 + (16 * 8 * 9 + 16) + 170


def notes(expect: str) -> tuple[str, ...]:
    """What is noted beside the difference."""
    (found,) = archspec.check(f"{NET}expect: {expect}\n")
    return tuple(note for note in found.notes if not note.startswith("the difference is "))


def test_the_largest_contributors() -> None:
    assert notes("{params: 1}") == (
        "most are in `body.sequential_1.conv2d_1` 1,168 (81 %), `head.linear_1` 170 (12 %), `stem.conv2d_1` 80 (6 %)",
    )


@pytest.mark.parametrize("sign", [1, -1])
def test_a_layer_that_has_just_the_difference(sign: int) -> None:
    assert f"`head.linear_1` alone has {170}" in notes(f"{{params: {PARAMS - sign * 170}}}")


def test_forgotten_bias_false() -> None:
    without = NET.replace("padding: 1}", "padding: 1, bias: false}")
    count = archspec.analyze(without).params
    assert "the biases of all convolutions together are 24: `bias: false` leaves them out" in notes(f"{{params: {count}}}")
    (found,) = archspec.check(f"{without}expect: {{params: {count - 24}}}\n")
    assert not any("biases" in note for note in found.notes)


def test_one_layer_is_all_there_is() -> None:
    assert notes("{buffers: 16}") == ()


@pytest.mark.parametrize(
    ("expect", "note"),
    [
        pytest.param(
            "{body: [16, 14, 14]}",
            "`body.sequential_1.conv2d_1` gives (16, 14, 14), `body.sequential_1.max_pool2d_1` makes it (16, 7, 7)",
            id="inside-a-sequence",
        ),
        pytest.param(
            "{body: [16, 28, 28]}", "`stem.batch_norm2d_1` gives (8, 28, 28), `stem.max_pool2d_1` makes it (8, 14, 14)",
            id="an-earlier-stage-and-other-channels",
        ),
        pytest.param(
            "{output: [16, 1, 1]}", "`head.global_avg_pool2d_1` gives (16, 1, 1), `head.flatten_1` makes it (16)",
            id="another-rank",
        ),
    ],
)
def test_the_layer_that_makes_a_shape_another(expect: str, note: str) -> None:
    assert notes(expect) == (note,)


@pytest.mark.parametrize("expect", ["{output: [11]}", "{body: [16, 5, 5]}", "{stem: [9, 14, 14]}"])
def test_nothing_is_said_of_a_shape_that_no_layer_gives(expect: str) -> None:
    assert notes(expect) == ()


def test_a_stage_that_ends_in_an_earlier_output() -> None:
    text = NET.replace("  head:", "  late: [relu, {mul: {a: [], b: {from: body}}}]\n  head:")
    (found,) = archspec.check(f"{text}expect: {{late: [16, 14, 14]}}\n")
    assert found.notes == (
        "`body.sequential_1.conv2d_1` gives (16, 14, 14), `body.sequential_1.max_pool2d_1` makes it (16, 7, 7)",
    )
