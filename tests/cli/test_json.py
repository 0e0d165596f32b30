"""`--json`: stdout is JSON, also where a command fails; stderr has the same as text."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from archspec.diagnostics import error
from tests.results.helpers import make_run

from .conftest import GOOD, ROOT, Cli


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["profile", "bad.yaml"], "SPEC012"), (["profile", "bad.yaml", "--static"], "SPEC012"),
        (["profile", "missing.yaml", "--static"], "SPEC001"), (["train", "bad.yaml"], "SPEC012"),
        (["train", "good.yaml"], "SPEC011"), (["evaluate", "nowhere"], "RUN360"),
        (["predict", "nowhere", "x.png"], "RUN360"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else value,
)
def test_a_command_that_fails(cli: Cli, folder: Path, arguments: list[str], code: str) -> None:
    done = cli(*arguments, "--json")
    assert done.code == 1
    data = json.loads(done.out)
    assert data["format"] == 1
    assert [d["code"] for d in data["diagnostics"]] == [code]
    assert set(data["diagnostics"][0]) == {"code", "severity", "message", "span", "path", "related", "notes", "hint", "fix"}
    assert done.err == cli(*arguments).err
    assert f"error[{code}]" in done.err


def test_without_it_stdout_stays_empty(cli: Cli, folder: Path) -> None:
    assert cli("profile", "bad.yaml", "--static").out == ""


def test_a_profile_of_a_network_that_is_not_as_expected_is_one_document(cli: Cli, folder: Path) -> None:
    (folder / "other.yaml").write_text(GOOD + "expect: {params: 3}\n", encoding="utf-8")
    done = cli("profile", "other.yaml", "--static", "--json")
    data = json.loads(done.out)
    assert (done.code, data["name"]) == (1, "other")
    assert [d["code"] for d in data["diagnostics"]] == ["SHAPE111"]


@pytest.mark.parametrize(
    ("exception", "exit_code", "message"),
    [
        (error("SPEC010", "unknown key `x`"), 1, "unknown key `x`"),
        (OSError(errno.EIO, "Input/output error", "/d/f"), 1, "input/output error: /d/f"),
        (MemoryError(), 1, "out of memory"), (KeyError("boom"), 70, "internal error: KeyError: 'boom'"),
        (KeyboardInterrupt(), 130, None),
    ],
    ids=["spec", "system", "memory", "internal", "ctrl-c"],
)
def test_other_failures(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, exception: BaseException, exit_code: int, message: str | None
) -> None:
    def fail(*_: object) -> None:
        raise exception

    monkeypatch.setattr("archspec.cli.validate.collect", fail)
    done = cli("validate", "lenet", "--json")
    assert done.code == exit_code
    if message is None:
        assert done.out == ""
    else:
        (diagnostic,) = json.loads(done.out)["diagnostics"]
        assert diagnostic["message"] == message


def test_a_wrong_command_line_is_told_on_stderr_alone(cli: Cli) -> None:
    done = cli("profile", "lenet", "--json", "--wrong")
    assert (done.code, done.out) == (2, "")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8"])
def test_it_is_json_in_any_encoding(folder: Path, encoding: str) -> None:
    (folder / "net.yaml").write_text(GOOD.replace("archspec: 1", "archspec: 1\ndescription: 数 × é"), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "archspec", "profile", "net.yaml", "--static", "--json"], capture_output=True, cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}, check=True, timeout=60,
    )
    assert json.loads(done.stdout.decode(encoding))["name"] == "net"
    listed = subprocess.run(
        [sys.executable, "-m", "archspec", "list", "--json"], capture_output=True, cwd=folder, check=True, timeout=60,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"},
    )
    assert "specs" in json.loads(listed.stdout.decode(encoding))


@pytest.mark.parametrize("command", [["runs"], ["compare", "runs"], ["sweep", "s.yaml", "--dry-run"]], ids=lambda words: words[0])
def test_tables_of_runs_are_json_in_ascii(folder: Path, command: list[str]) -> None:
    make_run(folder / "runs" / "数é", lr=0.1)
    make_run(folder / "runs" / "b", lr=0.2)
    (folder / "s.yaml").write_text("archspec-sweep: 1\nname: é\nspec: lenet_relu\ngrid: {train.lr: [0.1]}\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "archspec", *command, "--json"], capture_output=True, cwd=folder, check=False, timeout=60,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"},
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.decode("ascii"))
