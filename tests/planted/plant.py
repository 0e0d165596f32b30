"""Plants a fault into a copy of the package, and runs the tests that should notice it there."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from compileall import compile_dir
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).parents[2]
COPIED: Final = ("archspec", "tests", "specs", "docs", "benchmarks", "pyproject.toml", "README.md", "CONTRIBUTING.md")
LONGEST: Final = 600  # seconds of the tests of one fault


class Fault(NamedTuple):
    """A wrong rule. file: below `archspec`. old: occurs there once, and `new` takes its place.

    tests: files below `tests`; of a slow one a test.
    """

    name: str
    file: str
    old: str
    new: str
    tests: str

    @property
    def paths(self) -> list[str]:
        """The tests from the root of the project."""
        return [f"tests/{name}" for name in self.tests.split()]

    def planted(self, text: str) -> str:
        if text.count(self.old) != 1:
            raise ValueError(f"{self.name}: its text occurs {text.count(self.old)} times in archspec/{self.file}")
        return text.replace(self.old, self.new)


class Outcome(NamedTuple):
    """Of pytest. caught: the first test that failed; empty if none did. trouble: why it says nothing."""

    caught: str = ""
    trouble: str = ""


def copied(folder: Path) -> Path:
    """A copy of the project with its modules compiled, so that copies of the copy are too: their files keep the time."""
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, folder / name)
    compile_dir(folder / "archspec", quiet=2)
    return folder


def outcome_of(fault: Fault, sound: Path) -> Outcome:
    """Run the tests of a fault in a copy of `sound` that has it."""
    with TemporaryDirectory(prefix="planted-") as folder:
        copy = shutil.copytree(sound, Path(folder) / "faulty")
        file = copy / "archspec" / fault.file
        file.write_text(fault.planted(file.read_text(encoding="utf-8")), encoding="utf-8")
        return run(copy, fault.paths)


def run(copy: Path, tests: Sequence[str]) -> Outcome:
    """Run tests of a copy until one fails."""
    # PYTHONPATH comes before the installed package, in subprocesses of the tests too. CI: Hypothesis draws the same examples in
    # each run, so that no fault is caught by luck.
    environment = {**os.environ, "PYTHONPATH": str(copy), "XDG_CACHE_HOME": str(copy / "cache"), "CI": "true"}
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-n", "0", *tests]
    try:
        ended = subprocess.run(command, check=False, cwd=copy, env=environment, capture_output=True, text=True, timeout=LONGEST)
    except subprocess.TimeoutExpired:
        return Outcome(trouble=f"its tests took over {LONGEST} s")
    if ended.returncode == 0:
        return Outcome()
    failed = copy / ".pytest_cache" / "v" / "cache" / "lastfailed"
    if ended.returncode != 1 or not failed.exists():
        last = re.sub(r"\s+", " ", (ended.stdout + ended.stderr)[-300:])
        return Outcome(trouble=f"its tests did not run: {last}")
    return Outcome(caught=next(iter(json.loads(failed.read_text(encoding="utf-8")))))
