"""A value of the wrong kind or size: each error says what is legal, and what its hint says to write is accepted."""

from __future__ import annotations

import json
import re

import pytest

import archspec
from archspec.diagnostics import Diagnostic
from archspec.language.recipe import Recipe
from archspec.language.schedule import SCHEDULES
from tests.helpers import assert_form
from tests.hints import applied

VALUES = ["fast", "2.5", "0", "-1", "-0.1", "-3", "null", "true", "'3'", "[2]", "[0, 2.0]", "1.5", "40", ".inf", ".nan", "3x3", "1e30"]
RECIPE = "archspec: 1\ninput: [1, 8, 8]\nstages:\n  out: [flatten, linear: 10]\ntrain:\n  data: digits\n"
OP = "archspec: 1\ninput: [4, 8, 8]\nstages:\n  out:\n"
FIELDS = [
    "lr", "epochs", "batch_size", "accumulate", "momentum", "weight_decay", "label_smoothing", "ema", "seed", "clip_grad_norm", "mixup", "cutmix",
    "eps", "betas", "warmup", "validation", "early_stopping", "early_stopping.patience", "early_stopping.min_delta", "warmup.steps",
    "schedule.cosine.final", "schedule.one_cycle.peak", "loss.huber.delta", "loss.cross_entropy.label_smoothing",
]
ADAM = ("eps", "betas")
OPS = [
    "conv2d: {out_channels: 4, kernel_size: 3, stride: @}", "conv2d: {out_channels: 4, kernel_size: 3, padding: @}",
    "conv2d: {out_channels: 4, kernel_size: 3, groups: @}", "conv2d: {out_channels: @, kernel_size: 3}", "conv2d: {out_channels: 4, kernel_size: @}",
    "max_pool2d: {kernel_size: 2, stride: @}", "max_pool2d: @", "dropout: @", "batch_norm2d: {eps: @}", "batch_norm2d: {momentum: @}",
    "upsample: {scale_factor: @}", "leaky_relu: @", "softmax: @", "adaptive_avg_pool2d: @", "group_norm: {num_groups: @}", "linear: @",
]
NO_NUMBER = ("fast", "null", "true", ".inf", ".nan", "3x3", "1e30")  # nobody can tell which number is meant


def recipe_with(field: str, value: str) -> str:
    optimizer = "  optimizer: adam\n" if field in ADAM else ""
    *path, last = field.split(".")
    nested = "".join(f"{step}: {{" for step in path[1:])
    line = f"  {path[0]}: {{{nested}{last}: {value}}}" + "}" * (len(path) - 1) if path else f"  {last}: {value}"
    return RECIPE + ("" if field == "lr" else "  lr: 0.1\n") + optimizer + line + "\n"


def follow(text: str, found: Diagnostic, value: str) -> list[str]:
    """The texts that one may write after reading the hint."""
    if found.fix is not None:
        return [applied(text, found.fix)]
    meant = re.fullmatch(r"write (?:a value such as )?(\[.*\]|\S+?)(?: or (\S+?))?(?:, the default)?", str(found.hint))
    assert meant is not None, f"a hint that names no value: {found.hint}"
    return [text.replace(f" {value}", f" {new}") for new in meant.groups() if new is not None]


@pytest.mark.parametrize("field", FIELDS)
def test_a_recipe_says_what_is_legal_and_what_it_says_to_write_is_accepted(field: str) -> None:
    hints = 0
    for value in VALUES:
        text = recipe_with(field, value)
        for found in archspec.check(text):
            assert re.search(r"must be|has too few|is longer than|needs `|takes? no|does not take", found.message), found
            if found.hint is not None and not found.hint.startswith("add") and found.code == "SPEC060":
                hints += 1
                for after in follow(text, found, value):
                    assert not [d for d in archspec.check(after) if d.message.split()[0] == found.message.split()[0]], f"{found}\n{after}"
    assert hints >= 4


@pytest.mark.parametrize("op", OPS)
def test_an_op_says_what_is_legal_and_what_it_says_to_write_is_accepted(op: str) -> None:
    for value in VALUES:
        text = OP + "    - " + op.replace("@", value) + "\n"
        for found in archspec.check(text):
            if found.code != "SPEC012" or "must be" not in found.message.split(", got")[0] or ", got" not in found.message:
                continue
            if found.hint is None:
                assert value in NO_NUMBER or value.startswith("["), found
                continue
            for after in follow(text, found, value):
                point = found.message.split(" must")[0]  # whether the fields fit together is another point
                assert not [d for d in archspec.check(after) if d.message.startswith(point)], f"{found}\n{after}"


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        (recipe_with("lr", "fast"), '`lr` must be a number, more than 0, got "fast"', "write a value such as 0.1"),
        (recipe_with("epochs", "2.5"), "`epochs` must be an integer, at least 1, got 2.5", "write 2 or 3"),
        (recipe_with("epochs", "0.5"), "`epochs` must be an integer, at least 1, got 0.5", "write 1"),
        (recipe_with("epochs", "many"), '`epochs` must be an integer, at least 1, got "many"', "write a value such as 10, the default"),
        (recipe_with("epochs", "null"), "`epochs` must be an integer, at least 1, got nothing", "write 10, the default"),
        (recipe_with("epochs", ""), "`epochs` must be an integer, at least 1, got nothing", "write 10, the default"),
        (recipe_with("lr", "-0.1"), "`lr` must be more than 0, got -0.1", "write 0.1, without the minus"),
        (recipe_with("momentum", "'9'"), '`momentum` must be a number, at least 0 and less than 1, got "9"', "write 0.09 for 9 %"),
        (recipe_with("momentum", "90"), "`momentum` must be at least 0 and less than 1, got 90", "write 0.9 for 90 %"),
        (recipe_with("mixup", "off"), '`mixup` must be a number, more than 0, got "off"', "write null to leave it out"),
        (recipe_with("warmup", "null"), "`warmup` must be a number of epochs, or {steps: N}, got nothing", "write a value such as 5"),
        (recipe_with("schedule", "null"), "`schedule` must be one schedule: a name, or its name and fields, got nothing",
         "remove it: then its default holds"),
        (recipe_with("early_stopping.patience", "0"), "`early_stopping.patience` must be at least 1, got 0", "write 1, the least"),
        (recipe_with("early_stopping", "{min_delta: 0.1}"), "`early_stopping` needs `patience`", "add `patience: 5`"),
        (recipe_with("augment", "[random_crop: 0]"), "`augment` `random_crop` must be at least 1, got 0", "remove `random_crop`"),
        (recipe_with("augment", "[random_crop: 2.5]"), "`augment` `random_crop` must be an integer, at least 1, got 2.5",
         "`random_crop`: write 2 or 3"),
        (OP + "    - conv2d: {out_channels: 4, kernel_size: 3, stride: 0}\n",
         "`stride` of `conv2d` must be a positive integer or a pair [height, width] of them, got 0", "write 1, the least"),
        (OP + "    - conv2d: {out_channels: 4, kernel_size: 3x5, padding: 2}\n",
         '`kernel_size` of `conv2d` must be a positive integer or a pair [height, width] of them, got "3x5"', "write [3, 5]"),
        (OP + "    - conv2d: {out_channels: 4, kernel_size: 3, stride: [1, 0]}\n",
         "`stride` of `conv2d` must be a positive integer or a pair [height, width] of them, got [1, 0]", "write [1, 1]"),
        (OP + "    - conv2d: {out_channels: 4, kernel_size: 3, bias: 0}\n", "`bias` of `conv2d` must be true or false, got 0", "write false"),
        (OP + "    - dropout: 1.5\n", "`p` of `dropout` must be from 0 to 1, got 1.5", "write a value such as 0.5, the default"),
    ],
)  # fmt: skip
def test_what_is_said_of_a_wrong_value(text: str, message: str, hint: str) -> None:
    (found,) = archspec.check(text)
    assert (found.message, found.hint) == (message, hint)


def test_a_value_behind_a_name_or_an_expression_may_be_right_elsewhere() -> None:
    for head, value in (("vars: {s: 0}\n", "$s"), ("", "$(in.height - 8)")):
        text = OP.replace("stages", f"{head}stages") + f"    - conv2d: {{out_channels: 4, kernel_size: 3, stride: {value}}}\n"
        (found,) = archspec.check(text)
        assert "must be a positive integer" in found.message and found.hint is None


def test_the_argument_of_a_block() -> None:
    text = OP.replace("stages", "blocks: {unit: {params: {n: int}, body: [linear: $n]}}\nstages") + "    - unit: 2.5\n"
    (found,) = archspec.check(text)
    assert (found.message, found.hint) == ("`n` of `unit` must be an integer, got 2.5", "write 2 or 3")


@pytest.mark.parametrize("text", ["\x80", "\u200b", "a\nb", "\U000e0001"], ids=ascii)
def test_messages_are_on_one_line_and_printable_whatever_a_recipe_says(text: str) -> None:
    values = [text, [text], {text: 1}, *({name: value} for name in SCHEDULES for value in (text, [text], {text: text}))]
    for field in Recipe.model_fields:
        for value in values:
            spec = {"archspec": 1, "input": [1, 8, 8], "stages": {"out": ["flatten", {"linear": 10}]}, "train": {field: value}}
            for found in archspec.check(spec):
                assert_form(found)
    key = json.dumps(f"a{text}")
    for found in archspec.check(f"{RECIPE}  {key}: 1\n  {key}: 2\n"):
        assert_form(found)


@pytest.mark.parametrize(("wrong", "right"), [
    ('out: ["10"]', "out: [10]"), ("out: [10.0]", "out: [10]"), ("out: 10", "out: [10]"), ('out: "10"', "out: [10]"), ('params: "650"', "params: 650"),
    ("params: 650.0", "params: 650"), ("pooll: [64]", "pool: [64]"), ("dec1: [1, 8, 8], ecn1: [1, 8, 8]", "dec1: [1, 8, 8], enc1: [1, 8, 8]"),
])
def test_what_is_expected(wrong: str, right: str) -> None:
    """The name that is proposed for a misspelt one is not written already."""
    text = "archspec: 1\ninput: [1, 8, 8]\nstages: {enc1: relu, dec1: relu, pool: flatten, out: {linear: 10}}\nexpect: {@}\n"
    assert archspec.check(text.replace("@", right)) == ()
    (found,) = archspec.check(text.replace("@", wrong))
    assert_form(found)
    assert found.fix is not None
    assert applied(text.replace("@", wrong), found.fix) == text.replace("@", right)


@pytest.mark.parametrize(("value", "fixed"), [
    ("[3]", True), ("[\n    3]", False), ("[3,\n    4]", False), ("\n    - 3", True), ("\n    - 3\n    - 4", False), ("\n    - [3,\n       4]", False),
])
def test_a_value_on_several_lines_is_not_written_over_by_a_fix(value: str, fixed: bool) -> None:
    """A fix replaces a part of one line; the rest of such a value would be left behind."""
    text = f"{RECIPE}  lr: 0.1\n  batch_size: {value}\n"
    (found,) = archspec.check(text)
    assert "batch_size" in found.message
    assert (found.fix is not None) == fixed
    if found.fix is not None:
        assert not archspec.check(applied(text, found.fix))
