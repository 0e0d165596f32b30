"""pytest collects specs as tests: one for validity and one for each entry of `expect`.

    pytest specs/                      # or any spec file
    pytest specs/ --archspec-build     # also builds each network and compares its real outputs

A YAML file with a top-level key `archspec` is a spec or a library of blocks, which has the test `valid` alone; so has a
sweep (`archspec-sweep`). A misspelt key (`archpsec: 1`) fails. Other YAML files are left alone. Nothing of archspec is
imported before the first YAML file, and before the first spec runs only what finds the keys of a file.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from archspec.api import Loaded
    from archspec.diagnostics import Diagnostic
    from archspec.source import Document

_SUFFIXES = (".yaml", ".yml")
_roots: list[Path] = []  # of the pytest sessions that are running, one inside the other
_running: list[Path] = []  # the files of their tests


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
    group.addoption(
        "--archspec-plugin", action="append", default=[], metavar="MODULE",
        help="load further ops, data sets and losses from a Python module or a .py file",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Note where relative paths in tests start from, and load the plugins that are named."""
    _roots.append(config.rootpath)
    for plugin in config.getoption("--archspec-plugin"):
        from archspec.diagnostics import SpecError
        from archspec.plugins import load

        try:
            load(plugin)
        except SpecError as problem:
            raise pytest.UsageError(str(problem)) from None


def pytest_unconfigure() -> None:
    """Forget it again."""
    _roots.pop()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Note whose test is running."""
    _running.append(item.path)
    try:
        return (yield)
    finally:
        _running.pop()


def search_folders() -> tuple[Path, ...]:
    """Where a relative path of a spec in a test is looked for: beside the test's file, then in pytest's rootdir."""
    return (*(path.parent for path in _running[-1:]), *_roots[-1:])


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect specs and libraries of blocks; other people's YAML and the records of training runs are left alone."""
    if file_path.name.startswith(".") or not file_path.name.lower().endswith(_SUFFIXES):
        return None
    from archspec.language.detect import Kind, is_record, kind_of

    if is_record(file_path):
        return None
    try:
        kind = kind_of(file_path)
    except (OSError, ValueError):  # nobody can say whether an unreadable file is a spec
        return None
    if kind is Kind.OTHER:
        return None
    if kind is Kind.SWEEP:
        return SweepFile.from_parent(parent, path=file_path)
    return (LibraryFile if kind is Kind.LIBRARY else SpecFile).from_parent(parent, path=file_path)


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
        """The file's text as data, None if it cannot be parsed (then `valid` reports why)."""
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
        """The mistakes at the value of one expectation, or at its key."""
        if self.document is None:
            return ()
        path = ("expect", key)
        places = {(s.line, s.column) for s in (self.document.span(path), self.document.span(path, key=True)) if s}
        own = str(self.path)
        return tuple(d for d in self.outcome[1] if d.span and d.span.path == own
                     and (d.span.line, d.span.column) in places)

    def check_valid(self) -> None:
        """Every mistake but those that an expectation's own test reports."""
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


class LibraryFile(pytest.File):
    """A library of blocks: one test, whether its blocks are valid as far as that is known without shapes."""

    def collect(self) -> Iterator[pytest.Item]:
        """The test `valid`."""
        yield SpecItem.from_parent(self, name="valid", run=self.check_valid)

    def check_valid(self) -> None:
        """Every mistake in the file, and in the libraries that it uses."""
        from archspec.api import examine_library

        found = examine_library(self.path, includes=self.config.getoption("--archspec-include"))
        if found.errors:
            raise Mistakes(found.errors)


class SweepFile(pytest.File):
    """A sweep: one test, whether each of its combinations can be trained."""

    def collect(self) -> Iterator[pytest.Item]:
        """The test `valid`."""
        yield SpecItem.from_parent(self, name="valid", run=self.check_valid)

    def check_valid(self) -> None:
        """Every mistake in the file and in the specs that it makes."""
        from archspec.sweep.check import examine_sweep

        found = examine_sweep(str(self.path))
        if found.errors:
            raise Mistakes(found.errors)


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
def archspec_load() -> Callable[..., Loaded]:
    """Load a spec in a test: a path relative to the test's file (or to the root folder), text, or a shipped name."""

    def load(source: Any, **options: Any) -> Loaded:
        __tracebackhide__ = True
        from archspec.testing import load_for_test

        return load_for_test(source, **options)

    return load
