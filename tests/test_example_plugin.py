"""The example plugin, installed with pip into a fresh virtual environment, where archspec finds its parts by itself."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from tests.plugins.helpers import EXAMPLE, STRIPES

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with the plugin; it shares the other packages with this one."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder / "venv")
    interpreter = folder / "venv" / "bin" / "python"
    (packages,) = (folder / "venv" / "lib").glob("python*/site-packages")
    shared = [path for path in (str(ROOT), *sys.path) if path and Path(path).is_dir()]
    (packages / "shared.pth").write_text("\n".join(dict.fromkeys(shared)), encoding="utf-8")
    source = folder / "source"
    source.mkdir()
    for path in EXAMPLE.rglob("*"):  # pip builds in the folder
        if path.is_file() and "__pycache__" not in path.parts:
            copy = source / path.relative_to(EXAMPLE)
            copy.parent.mkdir(exist_ok=True)
            copy.write_bytes(path.read_bytes())
    result = subprocess.run(
        [sys.executable, "-m", "pip", "--python", interpreter, "install", "--quiet", "--no-index", "--no-deps",
         "--no-build-isolation", "--disable-pip-version-check", source], capture_output=True, text=True, check=False,
    )
    assert result.returncode == 0, result.stderr
    return interpreter


def archspec(python: Path, folder: Path, *arguments: str) -> str:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    result = subprocess.run(
        [python, "-m", "archspec", *arguments], cwd=folder, capture_output=True, text=True, env=environment, check=False
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_the_installed_plugin_is_validated_profiled_and_trained(python: Path, tmp_path: Path) -> None:
    (tmp_path / "stripes.yaml").write_text(STRIPES, encoding="utf-8")
    assert archspec(python, tmp_path, "validate", "stripes.yaml") == "1 spec valid\n"
    assert "gated_channels_1" in archspec(python, tmp_path, "profile", "stripes.yaml", "--static")
    trained = archspec(python, tmp_path, "train", "stripes.yaml", "--run-dir", "run", "--threads", "1", "--json")
    assert '"test_accuracy": 1.0' in trained
    about = (tmp_path / "run" / "environment.json").read_text(encoding="utf-8")
    assert '"archspec-example"' in about
    assert '"1.2.0"' in about


def test_pytest_collects_specs_with_the_installed_plugin(python: Path, tmp_path: Path) -> None:
    (tmp_path / "stripes.yaml").write_text(STRIPES, encoding="utf-8")
    result = subprocess.run(
        [python, "-m", "pytest", "-q", "-p", "archspec.pytest_plugin", "--archspec-build", "stripes.yaml"],
        check=False, cwd=tmp_path, capture_output=True, text=True,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": ""},
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "4 passed" in result.stdout
