"""`archspec diagnose`."""

import json
from pathlib import Path

import pytest

from .conftest import Cli
from .test_doctoring import SPEC


@pytest.fixture
def run_dir(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("stuck.yaml").write_text(SPEC)
    assert cli("train", "stuck.yaml", "--run-dir", "run", "--threads", 1, "--no-trials").code == 0
    return Path("run")


def content(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_the_verdict_of_a_run_that_is_over_with_its_advice_tried(cli: Cli, run_dir: Path) -> None:
    before = content(run_dir)
    done = cli("diagnose", run_dir, "--budget", "2min")
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert lines[0].startswith("tried: no change → loss 2.3")
    assert lines[1].startswith("doctor[RUN345]: nothing learned so far: the weights barely move")
    assert any(line.startswith("  - tried: lr ") for line in lines)
    assert any(line.startswith("  = use ") for line in lines)
    assert content(run_dir) == before


def test_a_run_without_a_doctor_and_json(cli: Cli, run_dir: Path) -> None:
    assert cli("train", "stuck.yaml", "--run-dir", "alone", "--no-doctor", "--epochs", 1).code == 0
    done = cli("diagnose", "alone", "--json", "--budget", "120")
    assert done.code == 0, done.err
    data = json.loads(done.out)
    (finding,) = data["findings"]
    assert finding["code"] == "RUN340"
    assert finding["change"] is not None
    assert finding["guess"] is False
    assert data["as_it_is"]["learnt"] is False


def test_a_sound_run(cli: Cli, run_dir: Path) -> None:
    options = ("--lr", 0.1, "--epochs", 8, "--threads", 1)
    assert cli("train", "stuck.yaml", "--run-dir", "sound", *options).code == 0
    done = cli("diagnose", "sound", "--budget", "2min")
    assert done.out.splitlines()[-1] == "nothing wrong was found: the recipe learns", done.out


@pytest.mark.parametrize(("arguments", "code"), [(("nowhere",), 1), (("run", "--budget", "0"), 2), (("run", "--budget", "1h"), 2)])
def test_what_cannot_be_diagnosed(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], code: int) -> None:
    monkeypatch.chdir(tmp_path)
    done = cli("diagnose", *arguments)
    assert done.code == code
    assert "RUN360" in done.err or "write 60s or 2min" in done.err
