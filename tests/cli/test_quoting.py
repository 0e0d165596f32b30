"""Commands in messages can be pasted into a shell, whatever a path or a value is called."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from archspec.cli.saving import name_run_on_stop
from archspec.train.signals import Stopped

from .conftest import GOOD, ROOT, Cli

ODD = ["my run", "it's", 'a "b"', "$HOME", "a;b", "x*"]


def commands(text: str) -> list[list[str]]:
    """The commands in backticks, taken apart as a shell does."""
    return [shlex.split(found) for found in re.findall(r"`((?:archspec|--set) [^`]*)`", text)]


@pytest.mark.parametrize("name", ODD)
def test_the_next_steps_of_init(cli: Cli, folder: Path, name: str) -> None:
    lines = cli("init", f"{name}.yaml").out.splitlines()[1:]
    steps = [shlex.split(line) for line in lines]
    assert [step[:2] for step in steps] == [["archspec", "validate"], ["archspec", "profile"], ["archspec", "train"]]
    assert {step[2] for step in steps} == {f"{name}.yaml"}
    assert cli(*steps[0][1:]).code == 0


@pytest.mark.parametrize("name", ODD)
def test_how_a_stopped_run_is_resumed(tmp_path: Path, name: str) -> None:
    class Saves:
        last = None

    with pytest.raises(Stopped) as caught, name_run_on_stop(Path(name), Saves()):  # type: ignore[arg-type]
        raise Stopped(15)
    assert commands(caught.value.place) == [["archspec", "train", "--resume", name]]


@pytest.mark.parametrize("name", ODD)
def test_how_a_run_without_weights_is_resumed(cli: Cli, folder: Path, name: str) -> None:
    run = folder / name
    run.mkdir()
    (run / "spec.yaml").write_text(GOOD + "train: {data: digits, lr: 0.1}\n", encoding="utf-8")
    (run / "environment.json").write_text("{}", encoding="utf-8")
    done = cli("evaluate", name)
    assert done.code == 1
    assert ["archspec", "train", "--resume", name] in commands(done.err), done.err


@pytest.mark.parametrize("value", ["[a, b]", "$(2 * n)", "it's"])
def test_an_override_that_is_meant(cli: Cli, folder: Path, value: str) -> None:
    (folder / "vars.yaml").write_text(GOOD.replace("stages:", "vars: {growth_rate: 10}\nstages:").replace("linear: 10", "linear: $growth_rate"))
    done = cli("validate", "vars.yaml", "--set", f"growth={value}")
    (hint,) = (line for line in done.err.splitlines() if "= hint:" in line)
    assert commands(hint) == [["--set", f"vars.growth_rate={value}"]]


def test_every_command_in_the_source_is_quoted() -> None:
    """Save for names that are known to be plain: of a command, of a shipped spec; and what is quoted on its own."""
    plain = ("{name}` runs in one", "{raw.removesuffix('.yaml')}` prints", "{data_argument(")
    for path in (ROOT / "archspec").rglob("*.py"):
        for found in re.finditer(r"`archspec [^`\n]*?(\{[^`\n]*`.*)", path.read_text(encoding="utf-8")):
            assert found[1].startswith(("{shell(", "{{", *plain)), f"{path}: {found[0]}"
