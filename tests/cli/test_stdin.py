"""Every command that takes a spec takes `-`, standard input, too."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from tests.cli.conftest import Cli

SPEC = "archspec: 1\ninput: [1, 8, 8]\nstages: {a: [flatten, linear: 10]}\ntrain: {data: digits, lr: 0.1, epochs: 1}\n"
SWEEP = "archspec-sweep: 1\nspec: net.yaml\ngrid: {train.lr: [0.1, 0.2]}\n"
SAME = [
    ("validate", "-"), ("fmt", "-"), ("profile", "-", "--static", "--json"), ("diff", "-", "lenet", "--json"),
    ("show", "-", "-o", "-"), ("fit", "-", "--memory", "1GiB", "--json"), ("population", "-", "--format", "json"),
]


@pytest.fixture
def given(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Runs a command with a text on standard input, in a folder with net.yaml and sweep.yaml."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.yaml").write_text("name: network\n" + SPEC)
    (tmp_path / "sweep.yaml").write_text(SWEEP)

    def run(text: str, *arguments: object):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
        return cli(*arguments)

    return run


@pytest.mark.parametrize("arguments", SAME, ids=lambda arguments: arguments[0])
def test_the_output_is_that_of_the_file(given, cli: Cli, arguments: tuple[str, ...]) -> None:
    name = "sweep.yaml" if arguments[0] == "population" else "net.yaml"
    text = Path(name).read_text()
    done = given(text, *arguments)
    assert (done.code, done.err) == (0, "" if arguments[0] != "validate" else done.err)
    if arguments[0] == "fmt":
        assert done.out == text
    else:
        plain = cli(*(name if word == "-" and k == 1 else word for k, word in enumerate(arguments)))
        assert done.out.replace('"-"', f'"{name}"') == plain.out


def test_a_run_and_its_name(given, tmp_path: Path) -> None:
    options = ("--limit-train", "32", "--limit-test", "16", "--device", "cpu", "--json")
    found = json.loads(given(SPEC, "train", "-", *options).out)
    assert found["name"] == "network"
    assert Path(found["run_dir"]).name.startswith("network-")
    assert given("", "train", "--resume", found["run_dir"], "--epochs", "2", "--allow-changes", *options).code == 0


def test_a_mistake_has_its_line(given) -> None:
    for command in (["fit", "-", "--memory", "1GiB"], ["show", "-"], ["profile", "-"], ["train", "-"]):
        done = given(SPEC.replace("linear", "linaer"), *command)
        assert done.code == 1
        assert "--> -:3:" in done.err


def test_where_a_file_is_needed(given, monkeypatch: pytest.MonkeyPatch) -> None:
    done = given(SWEEP, "sweep", "-")
    assert (done.code, "name a file" in done.err) == (2, True)
    monkeypatch.setenv("WORLD_SIZE", "2")
    done = given(SPEC, "fit", "-", "--memory", "1GiB")
    assert (done.code, "write the spec to a file" in done.err) == (2, True)


def test_weights_against_a_spec(given, cli: Cli) -> None:
    options = ("--limit-train", "32", "--limit-test", "16", "--device", "cpu", "--run-dir", "run")
    assert cli("train", "net.yaml", *options).code == 0
    found = json.loads(given(SPEC, "weights", "inspect", "run", "--against", "-", "--json").out)
    assert found["against"]["by_name"]
