"""Assertions that tests of the language share."""

from __future__ import annotations

import dis
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator
from jsonschema.exceptions import best_match

import archspec
from archspec.diagnostics import Diagnostic
from archspec.ir import Graph
from archspec.language.schema import json_schema
from archspec.source import parse
from archspec.types import UnknownDim

Expected = tuple[str, int | None, int | None, str]  # code, line, column, part of the message


def write(folder: Path, files: dict[str, str]) -> Path:
    """Write some texts into a folder; returns the path of the first."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder / next(iter(files))


def labels(diagnostic: Diagnostic) -> list[tuple[int, int, str]]:
    """Line, column and text of a diagnostic's further places."""
    return [(label.span.line, label.span.column, label.text) for label in diagnostic.related]


def assert_errors(source: Any, expected: list[Expected], **options: Any) -> tuple[Diagnostic, ...]:
    """Assert all diagnostics of a spec, in order: code, line and column, part of the message.

    Returns them. Line and column are None for a diagnostic without a place.
    """
    found = archspec.check(source, **options)
    shown = "\n".join(map(str, found)) or "no mistakes"
    places = [(d.code, d.span.line if d.span else None, d.span.column if d.span else None) for d in found]
    assert places == [(code, line, column) for code, line, column, _ in expected], shown
    for diagnostic, (_, _, _, part) in zip(found, expected, strict=True):
        assert part in diagnostic.message, shown
    for diagnostic in found:
        assert_form(diagnostic)
    return found


def marked(text: str) -> tuple[str, list[tuple[int, int, int]]]:
    """A text without its «marks», and line, column and length of what was marked."""
    spans, lines = [], []
    for number, line in enumerate(text.split("\n"), start=1):
        while "«" in line:
            start, end = line.index("«"), line.index("»")
            spans.append((number, start + 1, end - start - 1))
            line = line[:start] + line[start + 1 : end] + line[end + 1 :]  # noqa: PLW2901
        lines.append(line)
    return "\n".join(lines), spans


def assert_marked(text: str, *expected: tuple[str, str], **options: Any) -> tuple[Diagnostic, ...]:
    """Assert all diagnostics of a text, each at the place «marked» for it, in order: code, part of the message."""
    plain, spans = marked(text)
    assert len(spans) == len(expected), "one mark for each mistake"
    wanted = [(code, line, column, part) for (code, part), (line, column, _) in zip(expected, spans, strict=True)]
    found = assert_errors(plain, wanted, **options)
    for diagnostic, (_, _, length) in zip(found, spans, strict=True):
        assert diagnostic.span and diagnostic.span.length == length, f"{diagnostic}"
    return found


def spec(stages: str, head: str = "") -> str:
    """A spec of 3×8×8 images with these stages; `head` holds further sections."""
    return f"archspec: 1\ninput: [3, 8, 8]\n{head}{stages}\n"


def assert_form(diagnostic: Diagnostic) -> None:
    """Assert the form that every message has."""
    message = diagnostic.message
    first = message.partition(" ")[0]
    assert message and not message.endswith("."), message
    assert first.isupper() or first[0] == first[0].lower() or first.endswith(":"), message  # `Net.yaml: no such file`
    for line in (message, *diagnostic.notes, diagnostic.hint or ""):
        assert line.isprintable() and len(line) < 1_000, line
    span = diagnostic.span
    if span is not None and span.text:
        assert 1 <= span.column <= len(span.text) + 1, diagnostic


def assert_rendered(source: Any, text: str, **options: Any) -> None:
    """Assert the whole text that a person reads."""
    shown = "\n".join(map(str, archspec.check(source, **options)))
    assert shown == text.strip("\n"), f"\n{shown}"


@cache
def _schema() -> Draft7Validator:
    return Draft7Validator(json_schema())


def assert_schema_accepts(source: Any) -> None:
    """Assert that a valid spec, given as text or data, is valid under the JSON Schema too."""
    data = parse(source, "spec.yaml").data if isinstance(source, str) and "\n" in source else source
    if isinstance(data, dict):
        best = best_match(_schema().iter_errors(data))
        assert best is None, f"{[*best.absolute_path]}: {best.message}"


def shapes(source: Any, **options: Any) -> dict[str, tuple[int, ...]]:
    """Output shape of every stage of a valid spec, which the JSON Schema accepts."""
    assert_schema_accepts(source)
    return archspec.load(source, **options).report.shapes


def layers(source: Any, **options: Any) -> list[str]:
    """`path op` of every op that runs, in order."""
    assert_schema_accepts(source)
    graph = archspec.load(source, **options).graph
    return [f"{path} {node.op.op}" for path, node, _ in graph.walk() if node.op]


def outline(graph: Graph) -> Any:
    """A graph as plain data, equal for equal networks."""
    return (
        graph.kind, graph.label, graph.inputs, graph.outputs, graph.results,
        [
            (n.name, n.inputs, n.outputs, n.state, outline(n.target) if isinstance(n.target, Graph) else n.target)
            for n in graph.nodes
        ],
    )


@contextmanager
def comparisons_are_written_out() -> Iterator[None]:
    """Within it, `max`, `min` and `sorted` of an unknown dimension raise: they compare behind a rule's back.

    `<` and its like are instructions of the caller's; of a builtin they are not.
    """
    def compare(self: UnknownDim, other: object) -> bool:
        caller = sys._getframe(1)
        instruction = dis.opname[caller.f_code.co_code[caller.f_lasti]]
        if not instruction.startswith(("COMPARE_OP", "CONTAINS_OP")):
            raise TypeError(f"a builtin compares an unknown dimension ({instruction})")
        return False

    with pytest.MonkeyPatch.context() as patch:
        for name in ("__lt__", "__le__", "__gt__", "__ge__"):
            patch.setattr(UnknownDim, name, compare)
        yield


def peak_memory_script() -> str:
    """Python source of `peak_memory_bytes()`: the peak of the process that runs it.

    `ru_maxrss` would also know the process that started it, which may be a pytest with torch in it.
    """
    return textwrap.dedent('''
        def peak_memory_bytes():
            try:
                with open("/proc/self/status") as status:
                    return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) * 1024
            except OSError:
                import resource, sys
                peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
                return peak * (1 if sys.platform == "darwin" else 1024)
    ''')
