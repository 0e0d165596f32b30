"""docs/language.md says what the program does: limits, names, functions, forms of a shape."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import archspec
from archspec.api import LIMITS
from archspec.cli.options import LIMITS as OPTIONS
from archspec.expressions.functions import FUNCTIONS
from archspec.expressions.parser import MAX_LENGTH
from archspec.expressions.values import MAX_INT, MAX_ITEMS, MAX_LEVELS
from archspec.language.access import MAX_FILES
from archspec.language.errors import MAX_ERRORS
from archspec.language.names import EXPECTATIONS, RESERVED
from archspec.language.parse import TYPES
from archspec.language.sections import SCALARS, SECTIONS
from archspec.lower.context import MAX_DEPTH
from archspec.source import DEFAULT_LIMITS
from archspec.source.scalars import MAX_DIGITS
from tests.helpers import spec

PAGE = (Path(__file__).parents[2] / "docs" / "language.md").read_text(encoding="utf-8")
LIMITS_TABLE = PAGE[PAGE.index("## Limits") :]


@pytest.mark.parametrize("text", [
    f"{DEFAULT_LIMITS.max_bytes >> 20} MiB, {DEFAULT_LIMITS.max_depth} levels, {DEFAULT_LIMITS.max_events:,} parts",
    f"| {LIMITS.max_ops:,} ops |", f"| {LIMITS.max_lowered:,} |", f"| {LIMITS.max_nesting} levels |",
    f"{MAX_DEPTH} levels; {MAX_LENGTH:,} characters; {MAX_LEVELS} levels; {MAX_ITEMS:,} items", f"{MAX_DIGITS} digits; 10^30",
    f"| {MAX_FILES} |", f"{MAX_ERRORS} at most",
])
def test_limits(text: str) -> None:
    assert text in LIMITS_TABLE
    assert MAX_INT == 10**30


def test_every_limit_names_its_option() -> None:
    for name in OPTIONS:
        assert f"`--{name.replace('_', '-')}`" in LIMITS_TABLE


def test_names_functions_and_types() -> None:
    listed = re.findall(r"functions `([^`]+)`", PAGE.replace("\n", " "))[0]
    assert set(re.sub(r"\([^)]*\)", "", listed).split()) == set(FUNCTIONS)
    assert f"(`{' '.join(TYPES)}`" in PAGE
    for name in (*SCALARS, *SECTIONS, *EXPECTATIONS, *RESERVED):
        assert f"`{name}" in PAGE


@pytest.mark.parametrize(("shape", "fields"), [
    ("[3, 8, 8]", "channels height width"), ("[64, 32]", "length features"), ("[64]", "features"),
])
def test_forms_of_the_input(shape: str, fields: str) -> None:
    stages = ", ".join(f"s{k}: [linear: $input.{name}]" for k, name in enumerate(fields.split()))
    assert archspec.check(f"archspec: 1\ninput: {shape}\nstages: {{{stages}}}\n") == ()
    assert re.search(rf"`{fields.replace(' ', chr(92) + 's+')}`\s+\(of ", PAGE)


@pytest.mark.parametrize("text", [
    spec("stages: {_a: relu}"), spec("stages: {h\u00e9: relu}"), spec("stages: {output: relu}"), spec("stages: {half: relu}"),
    spec("stages: {a: relu}", "vars: {i: 2}\n"), spec("stages: {a: relu}", "blocks: {b: {params: {input: 1}, body: relu}}\n"),
    spec("stages: {a: [{relu: , name: input}]}"), spec("stages: {a: relu}", "blocks: {relu: tanh}\n"),
])
def test_names_that_are_refused(text: str) -> None:
    assert {d.code for d in archspec.check(text)} & {"SPEC022", "SPEC027"}


def test_a_spec_can_be_a_library(tmp_path: Path) -> None:
    (tmp_path / "lib.yaml").write_text(spec("stages: {a: mine}\nexpect: {a: [3, 8, 8]}", "blocks: {mine: relu}\n"))
    (tmp_path / "net.yaml").write_text(spec("stages: {a: mine}", "use: lib.yaml\n"))
    assert archspec.check(tmp_path / "net.yaml") == ()
