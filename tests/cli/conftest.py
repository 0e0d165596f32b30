"""Running command lines in this process, and in one of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable
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
BAD = GOOD.replace("linear: 10", "linear: any")


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


@pytest.fixture
def spec(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`tiny.yaml` with the SPEC of the test's module, in a folder of its own, which is the current one."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "tiny.yaml"
    path.write_text(request.module.SPEC, encoding="utf-8")
    return path


def swept_folder(factory: pytest.TempPathFactory, spec: str, sweep: str, options: Iterable[str]) -> Path:
    """A folder in which a sweep has run for real; what the command printed is in `printed.json`."""
    folder = factory.mktemp("swept")
    (folder / "tiny.yaml").write_text(spec, encoding="utf-8")
    (folder / "s.yaml").write_text(sweep, encoding="utf-8")
    done = archspec("sweep", "s.yaml", "--json", *options, cwd=folder)
    printed = {"code": done.returncode, "out": done.stdout, "err": done.stderr}
    (folder / "printed.json").write_text(json.dumps(printed), encoding="utf-8")
    return folder


def figures(run: str) -> list[dict]:
    """The epochs of a run without what differs from one to the next: times and speeds."""
    lines = [json.loads(line) for line in Path(run, "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    return [{key: value for key, value in row.items() if key not in ("seconds", "images_per_s", "peak_memory_bytes")} for row in lines]


@pytest.fixture
def quick_peaks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Peaks of a made-up machine: measuring those of this one takes seconds."""
    from archspec.profile.peaks import Peaks

    peaks = Peaks("fp32", {"matrices of 512": 200e9}, ((2**16, 80e9), (2**26, 12e9)), 1e-6)
    monkeypatch.setattr("archspec.profile.run_layers.measure_peaks", lambda *_, **__: peaks)
