"""No code asks what a message, a note or a hint says: whoever has to know gets a field or a code."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import archspec

PACKAGE = Path(archspec.__file__).parent
WORDS = {"message", "hint", "notes", "note"}  # what people read
ASKING = {"startswith", "endswith", "removeprefix", "removesuffix", "partition", "find", "index", "split", "count"}
PATTERNS = {"match", "search", "fullmatch", "findall", "sub", "split", "finditer"}


def is_words(node: ast.AST) -> bool:
    name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
    return name in WORDS or (isinstance(node, ast.Call) and any(map(is_words, node.args)) and getattr(node.func, "id", "") == "str")


def questions(tree: ast.AST) -> Iterator[int]:
    """Lines that ask what words say."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare) and any(isinstance(op, (ast.In, ast.NotIn)) for op in node.ops):
            if isinstance(node.left, ast.Constant) and any(map(is_words, node.comparators)):
                yield node.lineno
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            asked = node.func.attr in ASKING and is_words(node.func.value)
            matched = node.func.attr in PATTERNS and any(map(is_words, node.args))
            if asked or matched:
                yield node.lineno


ALLOWED = {
    "cli/console.py": "splits the headline of a message of the command line, to colour it",
    "language/problems.py": "takes pydantic's own prefix away",
    "cli/failures.py": "click's words",
    "results/trials.py": "shortens a stored message for a narrow column",
}


def test_nothing_branches_on_the_wording() -> None:
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        if lines := list(questions(ast.parse(path.read_text(encoding="utf-8")))):
            found[name] = lines
    assert {name: lines for name, lines in found.items() if name not in ALLOWED} == {}


@pytest.mark.parametrize("code", [
    'hint.startswith("remove")', '"got" in message', "re.fullmatch(pattern, d.hint)", "str(e.message).partition(':')",
    'if "x" not in found.notes: pass',
])
def test_what_is_found(code: str) -> None:
    assert list(questions(ast.parse(code)))


@pytest.mark.parametrize("code", ["message in told", "hint is None", "f(message)", "code.startswith('SPEC')"])
def test_what_is_not(code: str) -> None:
    assert not list(questions(ast.parse(code)))
