"""pytest collects specs as tests: one for validity and one for each entry of `expect`.

    pytest specs/                      # or any spec file
    pytest specs/ --archspec-build     # also builds each network and compares its real outputs

A file is a spec if it is YAML with a top-level key `archspec`; other YAML files are left alone. Everything but
pytest itself is imported when the first spec is run.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from archspec.api import Loaded
    from archspec.diagnostics import Diagnostic
    from archspec.source import Document

_SPEC = re.compile(rb"^archspec[ \t]*:", re.MULTILINE)
_NETWORK = re.compile(rb"^(stages|extends)[ \t]*:", re.MULTILINE)
_LOOKED_AT = 2**20  # bytes; a spec is no longer than that


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options of the plugin."""
    group = parser.getgroup("archspec", "archspec: specs as tests")
    group.addoption(
        "--archspec-build", action="store_true",
        help="also build each spec's torch module, run it, and compare its stages' real shapes",
    )
    group.addoption(
        "--archspec-include", action="append", default=[], metavar="DIR",
        help="a further folder that specs may read with `use` and `extends`",
    )


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect YAML files that are specs; libraries of blocks and other people's YAML are left alone."""
    if file_path.suffix not in (".yaml", ".yml") or is_record(file_path) or not is_spec(file_path):
        return None
    return SpecFile.from_parent(parent, path=file_path)


def is_spec(path: Path) -> bool:
    """Whether a file is the spec of a network, judged by its top-level keys alone."""
    try:
        with path.open("rb") as stream:
            head = stream.read(_LOOKED_AT)
    except OSError:
        return False
    return _SPEC.search(head) is not None and _NETWORK.search(head) is not None


def is_record(path: Path) -> bool:
    """Whether a file is the record of a training run, which lies beside its metrics."""
    return path.name == "spec.yaml" and path.with_name("environment.json").exists()


class Mistakes(Exception):
    """Diagnostics that make a test fail; they are the whole failure text."""

    def __init__(self, diagnostics: tuple[Diagnostic, ...]) -> None:
        super().__init__("\n".join(str(d) for d in diagnostics))


class SpecFile(pytest.File):
    """One spec: checked once, whichever of its tests run."""

    def collect(self) -> Iterator[pytest.Item]:
        """Tests `valid`, `expect[…]` and, if asked for, `build`."""
        yield SpecItem.from_parent(self, name="valid", run=self.check_valid)
        for key in self.expectations:
            yield SpecItem.from_parent(self, name=f"expect[{key}]", run=lambda key=key: self.check_expectation(key))
        if self.config.getoption("--archspec-build"):
            yield SpecItem.from_parent(self, name="build", run=self.check_build)

    @cached_property
    def document(self) -> Document | None:
        """The file's text as data, None if it cannot be parsed (then `valid` tells why)."""
        from archspec.diagnostics import SpecError
        from archspec.source import read

        try:
            return read(self.path)
        except SpecError:
            return None

    @cached_property
    def expectations(self) -> tuple[str, ...]:
        """The keys of `expect`."""
        data = self.document.data if self.document else None
        expect = data.get("expect") if isinstance(data, dict) else None
        return tuple(expect) if isinstance(expect, dict) else ()

    @cached_property
    def outcome(self) -> tuple[Loaded | None, tuple[Diagnostic, ...]]:
        """The loaded spec, or None, and every mistake in it."""
        from archspec.api import examine

        found = examine(self.path, includes=self.config.getoption("--archspec-include"), training=True)
        return (None if found.errors else found.loaded), found.errors

    def mistakes_of(self, key: str) -> tuple[Diagnostic, ...]:
        """The mistakes that stand at the value of one expectation, or at its key."""
        if self.document is None:
            return ()
        path = ("expect", key)
        places = {(s.line, s.column) for s in (self.document.span(path), self.document.span(path, key=True)) if s}
        own = str(self.path)
        return tuple(d for d in self.outcome[1] if d.span and d.span.path == own
                     and (d.span.line, d.span.column) in places)

    def check_valid(self) -> None:
        """Every mistake but those that an expectation's own test tells."""
        elsewhere = {id(d) for key in self.expectations for d in self.mistakes_of(key)}
        mistakes = tuple(d for d in self.outcome[1] if id(d) not in elsewhere)
        if mistakes:
            raise Mistakes(mistakes)

    def check_expectation(self, key: str) -> None:
        """The expectation holds; skipped where other mistakes leave it open."""
        mistakes = self.mistakes_of(key)
        if mistakes:
            raise Mistakes(mistakes)
        if self.outcome[0] is None and not all(self._is_expectation(d) for d in self.outcome[1]):
            pytest.skip("the spec has mistakes, see its test `valid`")

    def _is_expectation(self, diagnostic: Diagnostic) -> bool:
        return any(diagnostic in self.mistakes_of(key) for key in self.expectations)

    def check_build(self) -> None:
        """The built module's stages really have the inferred shapes."""
        if self.outcome[0] is None:
            pytest.skip("the spec has mistakes, see its tests `valid` and `expect`")
        from archspec.testing import assert_built_shapes

        assert_built_shapes(self.outcome[0])


class SpecItem(pytest.Item):
    """One test of a spec."""

    def __init__(self, *, run: Callable[[], None], **rest: Any) -> None:
        super().__init__(**rest)
        self.run = run

    def runtest(self) -> None:
        """Run it."""
        self.run()

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """The diagnostics alone: the traceback of a checker helps nobody."""
        if isinstance(excinfo.value, (Mistakes, AssertionError)):
            return str(excinfo.value)
        return super().repr_failure(excinfo)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Where it stands in the report."""
        return self.path, None, f"{self.path.stem}: {self.name}"


@pytest.fixture
def archspec_load(request: pytest.FixtureRequest) -> Callable[..., Loaded]:
    """Load a spec in a test: a path relative to the test's file (or to the root folder), text, or a shipped name."""

    def load(source: Any, **options: Any) -> Loaded:
        from archspec.api import load as load_spec

        if isinstance(source, (str, Path)) and "\n" not in str(source):
            for folder in (request.path.parent, request.config.rootpath):
                if (folder / source).is_file():
                    return load_spec(folder / source, **options)
        return load_spec(source, **options)

    return load
