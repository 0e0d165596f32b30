"""Running command lines in this process, and in one of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from archspec.cli import run

ROOT = Path(__file__).parents[2]
GOOD = """\
archspec: 1
input: [1, 28, 28]
stages:
  conv: {conv2d: {out_channels: 4, kernel_size: 3}}
  head: [flatten, linear: 10]
"""
BAD = GOOD.replace("linear: 10", "linear: ten")


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str


Cli = Callable[..., Result]


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Run `archspec ARGUMENTS` in this process, its streams being no terminals."""

    def call(*arguments: object) -> Result:
        monkeypatch.setenv("COLUMNS", "80")
        code = run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Result(code, captured.out, captured.err)

    return call


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory with a valid and a broken spec in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "good.yaml").write_text(GOOD, encoding="utf-8")
    (tmp_path / "bad.yaml").write_text(BAD, encoding="utf-8")
    return tmp_path


def python(code: str, *arguments: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """A Python of its own that runs `code`; warnings are errors there too."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *arguments], capture_output=True, text=True, timeout=60, cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8", **environment}, check=False,
    )


def archspec(*arguments: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """`archspec ARGUMENTS` in a process of its own."""
    return python("from archspec.cli import main; main()", *arguments, cwd=cwd, **environment)


@pytest.fixture
def no_start(monkeypatch):
    """`archspec sweep --dry-run` starts no process to time it."""
    monkeypatch.setattr("archspec.sweep.starts.measure_starts", lambda *_: None)
