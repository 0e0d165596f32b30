"""Tests on a real GPU: what `tests/fake_cuda.py` pretends elsewhere. Without a GPU one line says that they are left out."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.cli.conftest import cli  # noqa: F401 - a fixture

from .helpers import CNN, DEVICE, MLP, there_is_a_device

# As `--deterministic` does in a process of its own: torch looks at it once, before the first matrix product.
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")

if not there_is_a_device():  # but for the file whose one test says so
    collect_ignore = [path.name for path in Path(__file__).parent.glob("test_*.py") if path.name != "test_machine.py"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What torch warns of on one GPU and not on another is no mistake of archspec."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings("default"))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Each test's outcome and figures, as a line of JSON, for `benchmarks/cuda_check.py`: a hang later on loses none."""
    file = os.environ.get("ARCHSPEC_CHECK_RECORDS")
    if file and (report.when == "call" or report.outcome != "passed"):
        record = {"test": report.nodeid, "outcome": report.outcome, "seconds": round(report.duration, 2),
                  "figures": dict(report.user_properties), "message": report.longreprtext[-3000:]}
        with Path(file).open("a", encoding="utf-8") as records:
            records.write(json.dumps(record) + "\n")


@pytest.fixture
def device() -> str:
    """The device to name in a command line."""
    return str(DEVICE)


@pytest.fixture
def specs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder with mlp.yaml and cnn.yaml in it, and a cache of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for spec in (MLP, CNN):
        (tmp_path / f"{spec['name']}.yaml").write_text(json.dumps(spec), encoding="utf-8")
    return tmp_path
