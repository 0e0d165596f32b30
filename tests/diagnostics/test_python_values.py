"""Diagnostics of values that were passed in Python say how Python writes them."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import archspec
from archspec.diagnostics import SpecError
from archspec.diagnostics.python_values import python_text, written_in_python
from archspec.language.recipe import Recipe
from archspec.train.chosen_recipe import validated

NOT_PYTHON = re.compile(r"\b(null|true|false)\b|[{,] ?\w+: ")
WRONG: list[Any] = [None, True, False, "yes", "none", "off", 0, -1, 2.5, [2, 2], {}, {"x": 1}, "10 epochs"]


@pytest.mark.parametrize(("yaml", "python"), [
    ("must be true or false, got \"true\"", "must be True or False, got \"true\""),
    ("write null to leave it out", "write None to leave it out"),
    ("a number of epochs, or {steps: N}, got [1]", "a number of epochs, or {'steps': N}, got [1]"),
    ("as in {table: labels.csv, target: COLUMN}", "as in {'table': 'labels.csv', 'target': COLUMN}"),
    ("such as [random_crop: 4, horizontal_flip: 0.5], got null", "such as [{'random_crop': 4}, {'horizontal_flip': 0.5}], got None"),
    ("{a: {b: [1, 2], c: false}}", "{'a': {'b': [1, 2], 'c': False}}"),
    ("got \"{a: null}\"", "got \"{a: null}\""), ("pass `warmup={'steps': 3}`", "pass `warmup={'steps': 3}`"),
    ("nullable, untrue: a (b: c) ]} {", "nullable, untrue: a (b: c) ]} {"),
])
def test_values_in_flow_style_become_python(yaml: str, python: str) -> None:
    assert python_text(yaml) == python


@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["relu", "labels.csv"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3), max_leaves=8,
))
def test_any_value_can_be_read_by_python(value: Any) -> None:
    def flow(value: Any, *, quoted: bool = True) -> str:
        if isinstance(value, dict):
            return "{" + ", ".join(f"{key}: {flow(x, quoted=False)}" for key, x in value.items()) + "}"
        if isinstance(value, list):
            return "[" + ", ".join(map(flow, value)) + "]"
        if isinstance(value, str):
            return f'"{value}"' if quoted else value
        return str(value) if type(value) is int else {None: "null", True: "true", False: "false"}[value]

    assert ast.literal_eval(python_text(flow(value))) == value


@given(st.text(st.sampled_from("{}[](),:\" `nulltrue\\")))
def test_text_without_values_keeps_its_letters(text: str) -> None:
    changed = python_text(text)
    assert re.sub(r"None|True|False|[{}']", "", changed) == re.sub(r"\bnull\b|\btrue\b|\bfalse\b|[{}']", "", text) or '"' in text


@pytest.mark.parametrize("name", Recipe.model_fields)
def test_a_wrong_field_is_explained_in_python(name: str) -> None:
    for value in WRONG:
        try:
            with written_in_python():
                validated({"data": "digits", "lr": 0.1}, {name: value})
        except SpecError as e:
            for found in e.diagnostics:
                said = re.sub(r'"[^"]*"', "", f"{found.message} {found.hint}")
                assert not NOT_PYTHON.search(said), said


@pytest.mark.parametrize("own", [False, True])
def test_a_wrong_keyword_argument_is_explained_in_python(own: bool) -> None:
    data = [(torch.zeros(2, 1, 28, 28), torch.zeros(2, dtype=torch.long))]
    with pytest.raises(SpecError) as e:
        if own:
            archspec.fit(torch.nn.Flatten(), data, data, lr=0.1, ema=0)
        else:
            archspec.train("lenet", ema=0)
    assert [d.hint for d in e.value.diagnostics] == ["write None to leave it out"]


def test_a_spec_in_python_is_explained_in_python(tmp_path: Path) -> None:
    data = {
        "archspec": 1, "input": [3, 8, 8],
        "stages": {"a": [{"conv2d": {"out_channels": 4, "kernel_size": 3, "bias": "no"}}, "flatten", {"linear": 10}]},
        "train": {"data": "digits", "lr": 0.1, "ema": 0},
    }
    for source in (data, archspec.ArchSpec.model_validate(data)):
        hints = [d.hint for d in archspec.check(source)]
        assert hints == ["write `False`", "write None to leave it out"]
    text = "archspec: 1\ninput: [1, 8, 8]\nstages: {a: [flatten, linear: 10]}\ntrain: {data: digits, lr: 0.1, ema: 0}\n"
    assert [d.hint for d in archspec.check(text)] == ["write null to leave it out"]
    (tmp_path / "base.yaml").write_text(text)
    derived = {"archspec": 1, "extends": str(tmp_path / "base.yaml")}
    assert [d.hint for d in archspec.check(derived, includes=[tmp_path])] == ["write null to leave it out"]  # what is wrong is in the file


@pytest.mark.parametrize(("stages", "rest", "hint"), [
    ({}, {}, "write `stages={'name': [layer, …], …}`"),
    ({"a": [{"max_pool2d": 2}]}, {"input": [28, 28]}, "an image has channels: write `input=[1, 28, 28]`"),
    ({"a": [{"linear": [28, 10]}]}, {}, "write `{'linear': 10}`: the input's size (28) is inferred"),
    ({"a": {"add": {"x": [{"conv2d": {"out_channels": 1, "kernel_size": 3}}], "y": []}}}, {}, "write `padding=1` in `conv2d` of `x`"),
])
def test_what_to_write_is_python(stages: Any, rest: Any, hint: str) -> None:
    """As keyword arguments for an `ArchSpec`, and as keys of a mapping."""
    fields = {"input": [1, 28, 28], "stages": stages, **rest}
    (found,) = archspec.check(archspec.ArchSpec(**fields))
    assert found.hint == hint
    (found,) = archspec.check({"archspec": 1, **fields})
    assert found.hint == re.sub(r"`(\w+)=", r"`'\1': ", hint)
